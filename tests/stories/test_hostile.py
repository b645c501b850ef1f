"""YAML and expressions that are meant to hurt: refused with a message, in bounded time and memory, through the real
command.
"""

from pathlib import Path

import pytest
from support import kills
from support.refusals import told
from support.shop import Shop, person

AT = ("--at", "2026-11-20T06:00Z")
SECONDS = 60


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A workspace with one audience and one destination."""
    shop = Shop(tmp_path / "shop")
    rows = [person(name, tags=[name], number=7, born="2026-11-20T06:00") for name in "abc"]
    shop.profiles("2026-11-20", rows)
    shop.events([{"profile_id": "a", "timestamp": None, "kind": "x"}])
    shop.audience("all", where="true")
    shop.crm()
    return shop


def bounded(shop: Shop, *arguments: str) -> tuple[int, str]:
    """How a command of a process with little time ends, and the message that it ends with."""
    done = kills.bounded(shop.root, SECONDS, *arguments)
    assert "Traceback" not in done.err
    assert "fault of muster" not in done.err
    assert len(done.err) < 2_000
    return done.code, done.err


def bomb(levels: int, each: int) -> str:
    """Lists of aliases of lists of aliases."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * each)}]" for level in range(1, levels)]
    return "\n".join([*lines, "name: x", "where: 'true'", ""])


YAMLS: dict[str, tuple[str | bytes, str]] = {
    "a bomb": (bomb(12, 10), "aliases (*name) unfold to more than"),
    "a bomb of merges": (
        "a0: &a0 {x: 1}\n"
        + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12))
        + "where: 'true'\n",
        "aliases (*name) unfold to more than",
    ),
    "an alias of itself": ("a: &a [*a]\nwhere: 'true'\n", "an alias (*name) is inside the value that it names"),
    "deep brackets": ("where: " + "[" * 100_000 + "]" * 100_000 + "\n", "is nested more than"),
    "deep braces": ("where: " + "{a: " * 50_000 + "}" * 50_000 + "\n", "is nested more than"),
    "deep lists": ("where:\n" + "".join(" " * n + "-\n" for n in range(1, 3_000)), "is nested more than"),
    "a huge integer": (
        "where: 'true'\nname: x\nevents: {m: {measure: count, within: " + "9" * 100_000 + "d}}\n",
        "is not a duration",
    ),
    "a key twice": ("where: 'true'\nwhere: 'false'\n", "the key is written twice"),
    "code": (
        "where: !!python/object/apply:os.system ['echo x > owned']\n",
        "the YAML tag '!!python/object/apply:os.system' is not supported",
    ),
    "a module": ("where: !!python/module:os ''\n", "is not supported"),
    "bytes": ("where: !!binary aGVsbG8=\n", "is not supported"),
    "an own tag": ("where: !include /etc/passwd\n", "the YAML tag '!include' is not supported"),
    "a tag's directive": ("%TAG ! tag:yaml.org,2002:python/\n---\nwhere: !name:os.system x\n", "is not supported"),
    "no UTF-8": (b"where: 'true'\nname: \xff\xfe\n", "is not UTF-8 text"),
    "UTF-16": ("where: 'true'\n".encode("utf-16"), "is not UTF-8 text"),
    "NUL": (b"where: 'true'\x00\n", "holds the control character"),
    "escape": (b"where: 'true' # \x1b[2J\n", "holds the control character"),
    "half a character": ('where: "\\ud800"\n', "error: "),
    "a number as a key": ("? [a, b]\n: c\n", "expected a key that is text"),
}


@pytest.mark.parametrize("case", YAMLS)
def test_hostile_yaml_is_refused(shop: Shop, case: str) -> None:
    """SPEC 10: bombs, depth, tags, bytes and controls in YAML: exit 2 with file and reason, in bounded time; nothing is
    carried out.
    """
    content, words = YAMLS[case]
    (shop.root / "audiences/bad.yml").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = shop.tree()
    code, said = bounded(shop, "validate", *AT)
    assert code == 2
    assert said.startswith("error: audiences/bad.yml")
    assert words in said
    assert shop.tree() == before
    assert not (shop.root / "owned").exists()


def test_a_huge_file_is_read_in_bounded_time(shop: Shop) -> None:
    """SPEC 10: a YAML file of megabytes is read, and one of over 10 MB is refused."""
    (shop.root / "audiences/bad.yml").write_text("name: x\nwhere: 'true'\n" + "# nothing\n" * 900_000)
    assert bounded(shop, "validate", *AT)[0] == 0
    (shop.root / "audiences/bad.yml").write_text("name: x\nwhere: 'true'\n" + "# nothing\n" * 1_100_000)
    assert bounded(shop, "validate", *AT)[0] == 2
    (shop.root / "audiences/bad.yml").write_text("name: " + "x" * 5_000_000 + "\nwhere: 'true'\n")
    assert bounded(shop, "schedule", "list")[0] in (0, 2)


def nested(call: str, times: int) -> str:
    """A call in a call in a call."""
    text = "email"
    for _ in range(times):
        text = call.format(text)
    return f"{text} = 'x'"


RULES: dict[str, tuple[str, str]] = {
    "padded": ("LPAD(email, 2000000000, 'x') = 'x'", "LPAD can make a text 2,000,000,000 times as long"),
    "padded on the right": ("RPAD(email, 20000, 'x') = 'x'", "RPAD can make a text 20,000 times as long"),
    "padded by data": ("LPAD(email, number, 'x') = 'x'", "the length number of LPAD is not a number"),
    "replaced": (nested("REPLACE({}, 'x', 'xxxxxxxxxx')", 8), "REPLACE can make a text"),
    "replaced by patterns": (nested("REGEXP_REPLACE({}, '(.*)', '$1$1$1$1')", 8), "can make a text"),
    "replaced by data": (nested("REPLACE({}, 'x', email || email || email || email)", 8), "REPLACE can make a text"),
    "joined": (nested("ARRAY_TO_STRING(STRING_TO_ARRAY({}, ''), '----------')", 8), "ARRAY_TO_STRING can make a text"),
    "formatted": (f"STRFTIME(now(), '{'%c' * 20_000}') = 'x'", "STRFTIME can make a text"),
    "put together": (" || ".join(["email", *(f"'{'x' * 900}'" for _ in range(20))]) + " = 'x'", "can make a text"),
    "a large pattern": (
        "REGEXP_LIKE(email, 'a{1000}{1000}{1000}')",
        "a pattern is not a valid regular expression: it is too large",
    ),
    "a pattern of brackets": (
        f"REGEXP_LIKE(email, '{'(' * 10_000}{')' * 10_000}')",
        "a pattern is not a valid regular expression",
    ),
    "a pattern from data": ("STRPOS(email, born) = 1", "the pattern born is not a text literal"),
    "a long interval": ("now() - INTERVAL '99999999999999999999 years' < now()", "the interval is too long"),
    "a long interval of weeks": ("now() - INTERVAL '9999999999 weeks' < now()", "the interval is too long"),
    "a long interval in parts": (
        "now() - INTERVAL '9999 years 9999 weeks 99999 months' < now()",
        "the interval is too long",
    ),
    "a long number": (f"number > {'9' * 5_000}", "has 5000 characters; at most 100 are allowed"),
    "a large number": (f"number > {'9' * 50}", "more than 38 digits"),
    "depth": ("(" * 100 + "true" + ")" * 100, "brackets are nested more than 40 deep"),
    "length": (" OR ".join(["number = 1"] * 5_000), "words; use IN"),
    "characters": (f"email = '{'x' * 200_000}'", "at most 100000 are allowed"),
    "a file": ("email IN (SELECT * FROM read_csv('/etc/passwd'))", "SELECT is not allowed"),
    "a file by a function": ("read_csv('/etc/passwd') IS NULL", "it reads files"),
    "a file as a table": ("EXISTS (SELECT 1 FROM '/etc/passwd')", "not allowed"),
    "another statement": ("true; DROP TABLE x", "';' is not allowed"),
    "code": ("__import__('os').system('echo x > owned') = 0", "error: "),
    "a plug-in": ("pl.register_plugin('x') = 1", "error: "),
}


@pytest.mark.parametrize("case", RULES)
def test_a_hostile_rule_is_refused(shop: Shop, case: str) -> None:
    """E2: a rule that would fill memory, count past numbers, read a file or run code is refused by name, without being
    computed.
    """
    where, words = RULES[case]
    shop.audience("bad", where=where)
    code, said = bounded(shop, "validate", *AT)
    assert code == 2
    assert "\nerror: audiences/bad.yml:2: where: " in f"\n{said}"
    assert words in said
    assert not (shop.root / "owned").exists()


HARMLESS = {
    "padding": "LPAD(email, 1000, '0') <> ''",
    "cleaning": nested("REPLACE({}, '-', '')", 30).replace("'x'", "'a@x.com'"),
    "other letters": nested("REPLACE({}, 'x', 'y')", 30),
    "patterns": nested("REGEXP_REPLACE({}, '[^0-9]', '')", 8),
    "a long literal": f"email = '{'x' * 90_000}' OR email || 'x' <> ''",
    "a pattern that others explode on": "REGEXP_LIKE(REPLACE('" + "a" * 5_000 + "', 'b', 'c') || email, '(a+)+$')",
    "much LIKE": f"email LIKE '{'%a' * 20_000}' OR true",
    "ten thousand years": "now() - INTERVAL '9000 years' < now() AND now() + INTERVAL '3 months 2 weeks' > now()",
    "a long time": "CAST(number AS DOUBLE) < 1e300",
}


@pytest.mark.parametrize("case", HARMLESS)
def test_the_limits_leave_room(shop: Shop, case: str) -> None:
    """E2: what people write passes; regular expressions take time in proportion to the text, whatever they are."""
    shop.audience("good", where=HARMLESS[case])
    assert bounded(shop, "evaluate", *AT, "--no-exports", "--audience", "good") == (0, "")


def test_a_rule_in_a_measure_is_bounded_too(shop: Shop) -> None:
    """E3: the rule of a measure has the limits of any other."""
    shop.audience(
        "bad",
        where="m > 1",
        events={"m": {"measure": "count", "where": nested("RPAD({}, 99999, 'x')", 1).replace("email", "kind")}},
    )
    result = shop.muster("validate", *AT)
    assert result.code == 2
    assert "RPAD can make a text 99,999 times as long" in told(result)
