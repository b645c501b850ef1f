"""The pages of the documentation as programs: their fenced blocks, and a terminal that their commands are typed into.

A `console` block holds lines that start with `$ ` and what they print; lines of `> ` directly after one go on with the
command; a line of `...` stands for any number of lines, a `…` in a line for any text. `MUSTER_ACCEPT=1` writes what
commands really print into the pages instead of comparing it.
"""

import contextlib
import io
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from support.shop import invoke

ROOT = Path(__file__).parents[2]
ACCEPT = bool(os.environ.get("MUSTER_ACCEPT"))
ANY_LINES, ANY_TEXT = "...", "…"
_FENCE = re.compile(r"^```(\S*)[ ]?(.*)$")
_FILE = re.compile(r"^\*\*`(\S+)`\*\*$")
_AHEAD = re.compile(r"^warning: --at \S+ is more than a day ahead of this machine's clock$")  # true on some days only


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind (`console`, `yaml`, ...), the words after it, its text, the line of its fence, from 1,
    and the file that a line above the block names in bold.
    """

    kind: str
    words: str
    text: str
    line: int
    named_above: str = ""

    @property
    def file(self) -> str:
        """The file that the block is to be written to, if there is one."""
        return self.named_above or ("" if self.words.startswith("columns=") else self.words)

    @property
    def lines(self) -> list[str]:
        """The lines of its text."""
        return self.text.splitlines()


def pages() -> list[Path]:
    """The README and every page of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, *kinds: str) -> list[Block]:
    """The fenced blocks of a page, of some kinds or of all."""
    found = list(_blocks(page.read_text(encoding="utf-8").splitlines()))
    return [block for block in found if not kinds or block.kind in kinds]


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    opened, start = None, 0
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.match(line)
        if opened and line == "```":
            above = _FILE.match(next((each for each in reversed(lines[: start - 1]) if each), ""))
            text = "".join(f"{each}\n" for each in lines[start : number - 1])
            yield Block(opened[1], opened[2], text, start, above[1] if above else "")
            opened = None
        elif fence and not opened:
            opened, start = fence, number
    assert not opened, f"a block that starts in line {start} has no end"


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@dataclass
class Terminal:
    """A terminal of some width in a folder. `muster` runs in this process, all else in a shell."""

    folder: Path
    columns: int = 100

    def type(self, command: str) -> str:
        """What a command prints, without spaces at line ends; a command whose failure it does not print must
        succeed.
        """
        if command.startswith("cd "):
            self.folder = (self.folder / command[3:]).resolve(strict=True)
            return ""
        code, text = self._muster(command) if command.startswith("muster") else self._shell(command)
        lines = [line.rstrip() for line in text.split("\n") if not _AHEAD.match(line)]
        assert code == 0 or any(line.startswith("error:") for line in lines), f"{command}: exit {code}\n{text}"
        return "\n".join(lines).strip("\n")

    def _muster(self, command: str) -> tuple[int, str]:
        command, echo = command.removesuffix("; echo $?"), command.endswith("; echo $?")
        words = [word.strip("\"'") for word in re.findall(r"\"[^\"]*\"|'[^']*'|\S+", command)]
        with mock.patch.dict(os.environ, COLUMNS=str(self.columns)), contextlib.chdir(self.folder):
            done = invoke(*words[1:])
        text = done.out + done.err
        return (0, f"{text}{done.code}\n") if echo else (done.code, text)

    def _shell(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, capture_output=True, text=True, timeout=300, check=False
        )
        return done.returncode, done.stdout + done.stderr


def said(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that it is said to print."""
    command, printed = None, list[str]()
    for line in block.lines:
        if line.startswith("$ "):
            if command is not None:
                yield command, printed
            command, printed = line[2:], []
        elif line.startswith("> ") and command is not None and not printed:
            command += f"\n{line[2:]}"
        else:
            printed.append(line)
    if command is not None:
        yield command, printed


def agrees(expected: Sequence[str], printed: str) -> bool:
    """Whether a command printed what the page says."""
    lines = [
        ".*" if line == ANY_LINES else ".*?".join(re.escape(part) for part in line.split(ANY_TEXT)) for line in expected
    ]
    pattern = "".join(f"(?:{line}\n)?" if line == ".*" else f"{line}\n" for line in lines)
    pattern = pattern.replace("(?:.*\n)?", "(?:[^\n]*\n)*?").replace(".*?", "[^\n]*?")
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in printed.split("\n")) if printed else "") is not None


def run_console(block: Block, terminal: Terminal) -> str:
    """Type a block's commands, and compare; the block's text as it would be with what they printed."""
    lines = []
    for command, expected in said(block):
        printed = terminal.type(command)
        same = agrees(expected, printed)
        assert ACCEPT or same, (
            f"line {block.line}: $ {command}\nthe page says\n"
            + "\n".join(expected)
            + f"\nthe command prints\n{printed}"
        )
        lines += [f"$ {command}".replace("\n", "\n> "), *(expected if same else printed.split("\n") if printed else [])]
    return "".join(f"{line}\n" for line in lines)


def accept(page: Path, block: Block, text: str) -> None:
    """Under `MUSTER_ACCEPT`, put `text` into the page in place of the block's."""
    if ACCEPT and text != block.text:
        content = page.read_text(encoding="utf-8")
        assert content.count(f"\n{block.text}```") == 1, (
            f"{page.name}: two blocks have the text of the one in line {block.line}"
        )
        page.write_text(content.replace(f"\n{block.text}```", f"\n{text}```"), encoding="utf-8")


def run_page(page: Path, terminal: Terminal) -> None:
    """Go through a page, in order: write the files that its blocks name, type its `console` blocks, run its `python`
    blocks.

    What a `python` block prints is in the `text` block after it.
    """
    printed: str | None = None
    for block in blocks(page):
        if block.kind == "text" and printed is not None:
            assert ACCEPT or printed == block.text, f"{page.name}, line {block.line}: the program prints\n{printed}"
            accept(page, block, printed)
        printed = None
        if block.words.startswith("columns="):
            terminal = replace(terminal, columns=int(block.words.removeprefix("columns=")))
        elif block.file:
            file = terminal.folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        if block.kind == "console":
            accept(page, block, run_console(block, terminal))
        elif block.kind == "python" and not block.file:
            printed = run_python(block, terminal.folder)


def run_python(block: Block, folder: Path) -> str:
    """What a program prints when it runs in a folder."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(block.text, f"line {block.line}", "exec"), {})  # noqa: S102 (the page's own code)
    return out.getvalue()
