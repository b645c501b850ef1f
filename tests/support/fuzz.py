"""Mutated inputs through the real entry point, many in one process, each process under a time limit.

A mutant is made from a number alone, so that a failure names what makes it again: ``fuzzing.yaml_mutant(base, 1234)``.
"""

import multiprocessing
import random
import shutil
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from support import kills  # noqa: F401  # it says what each process has loaded when it begins
from support.refusals import changed
from support.shop import Result, Shop, invoke

HANG = 60.0  # seconds that one command may take on a machine that does much else
FORBIDDEN = ("Traceback", "fault of muster", "panicked", "Errno", "RecursionError", "MemoryError")
_CONTEXT = multiprocessing.get_context("forkserver")

Mutate = Callable[[Path, random.Random], str]
Command = Sequence[str]


def _yaml_values() -> list[str]:
    """Values that something may stumble over."""
    return [
        *(
            "",
            "null",
            "~",
            "true",
            "no",
            "007",
            "0x1F",
            "1_000",
            "-0",
            "1e999",
            ".inf",
            ".nan",
            "9" * 400,
            "-1",
            "0",
            "17:00",
            "2026-02-30",
        ),
        *(
            "[]",
            "{}",
            "[[[[]]]]",
            "{a: {b: {c: 1}}}",
            "- x",
            "'",
            '"',
            "*a",
            "&a [*a]",
            "!!python/object:os.system x",
            "!!binary aGk=",
            "|",
            ">",
        ),
        *(
            "../../etc/passwd",
            "/etc/passwd",
            "file:///etc",
            "file://host/x",
            "s3://b/p",
            "~",
            "${HOME}",
            "${NOPE}",
            "$$",
            "${",
            "{",
            "{date",
            "}",
        ),
        *(
            "{date}/{nope}",
            "a/../b",
            "\\u0000",
            '"\\0"',
            '"\\ud800"',
            "\U0001f600" * 100,
            "x" * 70_000,
            "é" * 200,
            "CON",
            "a b",
            ".",
        ),
        *(
            "0 0 30 2 *",
            "* * * * * *",
            "*/0 * * * *",
            "@daily",
            "L * * * *",
            "0h",
            "25h",
            "1s",
            "999999999w",
            "30",
            "-5m",
            "5000000000%",
        ),
        *(
            "SELECT 1",
            "1/0",
            "email = ",
            "((((((",
            "true OR",
            "count(*)",
            "read_csv('/etc/passwd')",
            '"',
            "audience.us",
            "country = 5",
        ),
        *(
            "NOT " * 500 + "true",
            "(" * 900 + "true" + ")" * 900,
            " OR ".join(["true"] * 3000),
            "2026-11-21T05:00:00+99:00",
            "\u202e",
            "\t",
        ),
    ]


def yaml_mutant(folder: Path, chance: random.Random) -> str:
    """Spoil one of the workspace's YAML files; what was done, in words."""
    path = chance.choice(sorted(folder.rglob("*.yml")))
    content = path.read_bytes()
    how = chance.choice(
        (_flip, _cut, _repeat, _swap_lines, _drop_line, _indent, _value, _value, _value, _value, _key, _insert)
    )
    path.write_bytes(how(content, chance))
    return f"{path.relative_to(folder)}: {how.__name__.strip('_')}"


def _flip(content: bytes, chance: random.Random) -> bytes:
    spoiled = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
    return bytes(spoiled)


def _cut(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + (content[start + chance.randint(1, 40) :] if chance.random() < 0.5 else b"")


def _repeat(content: bytes, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(content)), chance.randint(1, 60)
    return content[:start] + content[start : start + length] * chance.randint(2, 30) + content[start:]


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _swap_lines(content: bytes, chance: random.Random) -> bytes:
    lines = _lines(content)
    one, other = (chance.randrange(len(lines)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _drop_line(content: bytes, chance: random.Random) -> bytes:
    lines = _lines(content)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def _indent(content: bytes, chance: random.Random) -> bytes:
    lines = _lines(content)
    number = chance.randrange(len(lines))
    lines[number] = chance.choice((b" ", b"  ", b"\t", b"- ")) + lines[number]
    return b"".join(lines)


def _value(content: bytes, chance: random.Random) -> bytes:
    """Another value behind some key, or in the place of a whole list entry."""
    lines = _lines(content)
    number = chance.choice(
        [number for number, line in enumerate(lines) if b":" in line or line.lstrip().startswith(b"- ")] or [0]
    )
    line = lines[number]
    head = line[: line.find(b":") + 1] if b":" in line else line[: line.find(b"-") + 1]
    lines[number] = head + b" " + chance.choice(_yaml_values()).encode("utf-8", "surrogatepass") + b"\n"
    return b"".join(lines)


def _key(content: bytes, chance: random.Random) -> bytes:
    """A key that is another one's, misspelled, or nobody's."""
    lines = _lines(content)
    number = chance.choice([number for number, line in enumerate(lines) if b":" in line] or [0])
    lines[number] = (
        chance.choice((b"url", b"where", b"<<", b"?", b"mapping", b"scheduel", b"id", b"''", b"1", b"[a]"))
        + lines[number]
    )
    return b"".join(lines)


def _insert(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content) + 1)
    junk = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))
    return (
        content[:start]
        + chance.choice((junk, b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"---\n", b"...\n", b"%YAML 9.9\n", b"{", b"]"))
        + content[start:]
    )


def parquet_mutant(folder: Path, chance: random.Random) -> str:
    """Spoil one of the workspace's Parquet inputs: bits, ranges, its end, its beginning, its footer; what was done, in
    words.
    """
    path = chance.choice(sorted((folder / "data").rglob("*.parquet")))
    content = bytearray(path.read_bytes())
    hows = (
        "bits",
        "bits",
        "footer",
        "footer",
        "footer",
        "spliced",
        "spliced",
        "cut",
        "zeros",
        "moved",
        "longer",
        "length",
    )
    how = chance.choice(hows)
    footer = max(4, len(content) - 8 - int.from_bytes(content[-8:-4], "little"))
    if how in {"bits", "footer"}:
        for _ in range(chance.randint(1, 6)):
            content[chance.randrange(footer if how == "footer" else 0, len(content))] ^= 1 << chance.randrange(8)
    elif how == "spliced":
        _splice(content, footer, chance)
    elif how == "cut":
        del content[chance.randrange(len(content)) :]
    elif how == "zeros":
        start = chance.randrange(len(content))
        content[start : start + 64] = bytes(len(content[start : start + 64]))
    elif how == "moved":
        start = chance.randrange(len(content))
        del content[start : start + chance.randint(1, 16)]
    elif how == "longer":
        start = chance.randrange(len(content))
        content[start:start] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 64)))
    else:
        content[-8:-4] = chance.randrange(1 << 32).to_bytes(4, "little")
    path.write_bytes(content)
    return f"{path.relative_to(folder)}: {how}"


def _splice(content: bytearray, footer: int, chance: random.Random) -> None:
    """Repeat, remove or put in bytes of the footer, whose length stays right."""
    start = chance.randrange(footer, max(footer + 1, len(content) - 8))
    some = content[start : min(start + chance.randint(1, 40), len(content) - 8)]
    other = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))
    content[start : start + chance.choice((0, len(some)))] = chance.choice((some * 2, b"", other))
    content[-8:-4] = max(0, len(content) - 8 - footer).to_bytes(4, "little")


def fault(before: dict[str, bytes], shop: Shop, command: Command, result: Result) -> str:
    """What is wrong with how a command ended on spoiled input, or nothing (SPEC 10)."""
    for word in FORBIDDEN:
        if word in result.err or word in result.out:
            return f"{word} in what it says"
    allowed = {0, 1, 2} if command[0] in {"run", "plan", "evaluate"} else {0, 2}
    if result.code not in allowed:
        return f"exit {result.code}"
    if result.code and not result.err.startswith(("error: ", "warning: ")):
        return "it does not say why"
    if (result.code == 2 or command[0] in {"validate", "plan"}) and changed(before, shop.tree()):
        return "refused, and yet something changed"
    return ""


def _batch(
    base: Path, place: Path, mutate: Mutate, commands: Sequence[Command], work: tuple[Sequence[int], Connection]
) -> None:
    """The life of one process: mutants by their numbers; before each its number is told, so that who dies of it is
    known.
    """
    numbers, pipe = work
    for number in numbers:
        chance = random.Random(number)  # noqa: S311  # which mutant, no secret
        folder = place / "mutant"
        shutil.copytree(base, folder)
        what = mutate(folder, chance)
        command = commands[number % len(commands)]
        pipe.send((number, f"mutant {number} ({what}), {command[0]}"))
        shop = Shop.__new__(Shop)
        shop.root = folder
        before = shop.tree()
        result = invoke("-C", str(folder), *command)
        if found := fault(before, shop, command, result):
            pipe.send((None, f"mutant {number} ({what}), {' '.join(command)}: {found}\n{result.err[:2000]}"))
        shutil.rmtree(folder)
    pipe.send((None, ""))


def fuzz(base: Path, place: Path, mutate: Mutate, commands: Sequence[Command], numbers: range) -> list[str]:
    """Put mutants of a workspace through commands; the faults that were found. A process that hangs or dies is one, and
    is replaced.
    """
    faults, left = list[str](), list(numbers)
    while left:
        place.mkdir(parents=True, exist_ok=True)
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        process = _CONTEXT.Process(target=_batch, args=(base, place, mutate, commands, (left, theirs)))
        process.start()
        theirs.close()
        doing, over = "", False
        while not over:
            try:
                number, said = ours.recv() if ours.poll(HANG) else (None, None)
            except EOFError:
                process.join()
                faults.append(f"{doing}: the process ended with {process.exitcode}")
                break
            if number is not None:
                doing, left = said, left[left.index(number) + 1 :]
            elif said:
                faults.append(said)
            else:
                over = True
                faults += [f"{doing}: no end after {HANG} seconds"] if said is None else []
                left = left if said is None else []
        process.kill()
        process.join()
        shutil.rmtree(place, ignore_errors=True)
    return faults
