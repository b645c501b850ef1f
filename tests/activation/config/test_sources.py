"""Sources, namespaces and merge policies in YAML: what they mean, and how every mistake in them is said (P)."""

from datetime import timedelta
from pathlib import Path

import pytest

from muster.activation.config import workspace as config
from muster.activation.config.sources import read_sources
from muster.activation.errors import Problem
from muster.activation.model.governance import LabelEntry
from muster.activation.model.locations import SourceLocation
from muster.activation.model.sources import BUILT_IN, IdentityGraphLimits, MergePolicy, Namespace
from muster.activation.model.workspace import ProfilesSource, Workspace
from muster.activation.rules import audiences

MUSTER = """workspace: shop
profiles: {from: sources, id_key: "${KEY:-}"}
namespaces:
  Email: {type: email, priority: 2, normalize: [trim, lower], blocked: ["none@none.com"], blocked_like: ["%@till"]}
  Card: {}
identity_graph: {max_identities: 60}
merge_policies:
  crm-view: {graph: private, attributes: {precedence: [crm, loyalty]}}
  loyalty-only: {graph: none, attributes: newest, sources: [loyalty]}
"""
CRM = """name: CRM
path: data/crm
mode: changes
updated_at: updated_at
deleted: is_deleted
max_age: 36h
identities:
  - {column: crm_id, namespace: CRMID, primary: true}
  - {column: person.phones, namespace: Phone}
  - {identity_map: ids}
columns: {loyalty: loyalty.points}
labels: {email: [I1]}
"""
LOYALTY = """path: data/loyalty
identities: [{column: card, namespace: Card, primary: true}]
"""
WEB = """kind: events
path: data/web
timestamp: timestamp
identities: [{column: ecid, namespace: ECID, primary: true}, {column: email, namespace: Email}]
"""
AUDIENCE = """where: "true"
merge_policy: crm-view
"""
CONSENT = """actions: [email_targeting]
consent: "true"
consent_from: [crm]
"""
FILES = {
    "muster.yml": MUSTER,
    "sources/crm.yml": CRM,
    "sources/loyalty.yml": LOYALTY,
    "sources/web.yml": WEB,
    "audiences/all.yml": AUDIENCE,
    "policies/consent.yml": CONSENT,
}
BY_PATH = "workspace: shop\nprofiles: {path: data/profiles}\n"


def write(root: Path, files: dict[str, str]) -> Path:
    """A workspace of exactly these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


def load(root: Path, files: dict[str, str] | None = None, **environ: str) -> Workspace:
    return config.load(write(root, FILES | (files or {})), environ)


def problems(root: Path, files: dict[str, str]) -> list[Problem]:
    return config.read(read_sources(write(root, files)), {})[1]


def changed(name: str, old: str, new: str) -> dict[str, str]:
    """All files, with one place of one of them changed."""
    assert old in FILES[name]
    return FILES | {name: FILES[name].replace(old, new, 1)}


# -- what is read


def test_a_source_as_read(tmp_path: Path) -> None:
    """P1: every key of a source arrives; the id is the file's stem, and the file is its name for inputs."""
    crm = load(tmp_path).sources["crm"]
    assert (crm.id, crm.name, crm.path, crm.kind, crm.mode) == ("crm", "CRM", "data/crm", "records", "changes")
    assert (crm.updated_at, crm.deleted, crm.max_age) == ("updated_at", "is_deleted", timedelta(hours=36))
    assert [(each.column, each.namespace, each.primary) for each in crm.identities] == [
        ("crm_id", "CRMID", True),
        ("person.phones", "Phone", False),
        ("ids", None, False),
    ]
    assert crm.identities[1].location == SourceLocation("sources/crm.yml", 9, "identities[1]")
    assert crm.columns == {"loyalty": "loyalty.points"}
    assert crm.labels == (LabelEntry("email", ("I1",), SourceLocation("sources/crm.yml", 12, "labels.email")),)
    assert crm.location.file == "sources/crm.yml"


def test_what_a_source_does_not_say(tmp_path: Path) -> None:
    """P1: a source has records in snapshots, all columns are part of profiles, unless it says otherwise."""
    sources = load(tmp_path).sources
    assert list(sources) == ["crm", "loyalty", "web"]
    loyalty, web = sources["loyalty"], sources["web"]
    assert (loyalty.name, loyalty.kind, loyalty.mode, loyalty.profile) == ("loyalty", "records", "snapshot", True)
    assert (loyalty.updated_at, loyalty.columns, loyalty.labels) == (None, {}, ())
    assert (web.kind, web.timestamp, web.primary.namespace) == ("events", "timestamp", "ECID")


def test_profiles_have_the_columns_of_the_view(tmp_path: Path) -> None:
    """P10: profiles from sources have no path, and the columns `profile_id` and `identity_map`."""
    workspace = load(tmp_path)
    assert workspace.profiles == ProfilesSource("", "profile_id", "identity_map", from_sources=True)
    assert workspace.id_key == ""


def test_the_key_of_ids_comes_from_a_variable(tmp_path: Path) -> None:
    """P7: `id_key` may name a variable; an empty one is none."""
    assert load(tmp_path, KEY="q8w7e6").id_key == "q8w7e6"


def test_a_declared_namespace_replaces_the_built_in_one_as_a_whole(tmp_path: Path) -> None:
    """P, namespaces: what a declaration leaves out has its default, not what is built in; others stay."""
    found = load(tmp_path, {"muster.yml": MUSTER.replace("Card: {}", "Card: {}\n  ECID: {type: cookie}")}).namespaces
    assert found["Email"].blocked == ("none@none.com",)
    assert found["Email"].blocked_like == ("%@till",)
    assert found["Email"].normalize == ("trim", "lower")
    card, ecid = found["Card"], found["ECID"]
    assert (card.type, card.priority, card.unique, card.normalize, card.pattern) == ("other", 9, False, (), None)
    assert (ecid.type, ecid.priority, ecid.pattern, ecid.is_declared) == ("cookie", 9, None, True)
    assert found["CRMID"] == BUILT_IN["CRMID"] == Namespace("CRMID", "person", 1, unique=True)


def test_merge_policies_as_read(tmp_path: Path) -> None:
    """P7, P8: a policy says what is merged, and `default` is made if it is absent."""
    found = load(tmp_path).merge_policies
    assert list(found) == ["crm-view", "default", "loyalty-only"]
    assert (found["crm-view"].precedence, found["crm-view"].sources) == (("crm", "loyalty"), None)
    assert (found["loyalty-only"].graph, found["loyalty-only"].sources) == ("none", ("loyalty",))
    assert found["default"] == MergePolicy("default")


def test_a_written_default_policy_counts(tmp_path: Path) -> None:
    """P: `default` may be written like any other."""
    found = load(tmp_path, {"muster.yml": MUSTER + "  default: {graph: none}\n"}).merge_policies["default"]
    assert (found.graph, found.precedence) == ("none", None)


def test_limits_as_read(tmp_path: Path) -> None:
    """P4, P6: a limit that is not written has its default."""
    assert load(tmp_path).identity_graph == IdentityGraphLimits(60, 100)


def test_an_audience_has_a_policy(tmp_path: Path) -> None:
    """P: an audience is of the merge policy that it names, else of `default`."""
    found = load(tmp_path, {"audiences/other.yml": 'where: "true"\n'}).audiences
    assert (found["all"].merge_policy, found["other"].merge_policy) == ("crm-view", "default")


def test_a_consent_policy_names_its_sources(tmp_path: Path) -> None:
    """G4: `consent_from` arrives, also of one source without brackets."""
    found = load(tmp_path, {"policies/consent.yml": CONSENT.replace("[crm]", "crm")}).policies["consent"]
    assert found.consent_from == ("crm",)


def test_events_of_a_source_are_events(tmp_path: Path) -> None:
    """P9: a measure needs no `events` in muster.yml where a source has events."""
    text = AUDIENCE + "events: {visits: {measure: count}}\n"
    assert len(load(tmp_path, {"audiences/all.yml": text}).audiences["all"].measures) == 1


def test_a_namespace_may_be_cleaned_by_text_transforms(tmp_path: Path) -> None:
    """P2: the transforms that make one id of another clean ids, in the order written."""
    steps = "[trim, lower, upper, nfc, digits, strip_punctuation, strip_spaces, gmail, e164(DE), sha256]"
    found = load(tmp_path, {"muster.yml": MUSTER.replace("Card: {}", f"Card: {{normalize: {steps}}}")})
    assert found.namespaces["Card"].normalize[-2:] == ("e164(DE)", "sha256")


def test_two_sources_may_have_one_path(tmp_path: Path) -> None:
    """P1: a fragment is made of a source and an identity, so that one path may serve two sources."""
    assert load(tmp_path, {"sources/web.yml": LOYALTY}).sources["web"].path == "data/loyalty"


# -- mistakes


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "key", "words"),
    [
        # a source
        ("sources/crm.yml", "path: data/crm\n", "", 1, "path", "is required: a folder"),
        ("sources/crm.yml", "mode: changes", "modes: changes", 3, "modes", "unknown key; did you mean 'mode'?"),
        ("sources/crm.yml", "mode: changes", "mode: change", 3, "mode", "expected snapshot or changes"),
        ("sources/crm.yml", "updated_at: updated_at\n", "", 1, "updated_at", "is required in mode: changes"),
        ("sources/crm.yml", "mode: changes\n", "", 4, "deleted", "is for mode: changes"),
        ("sources/crm.yml", "mode: changes\n", "mode: changes\ntimestamp: at\n", 4, "timestamp", "is for events"),
        ("sources/crm.yml", ", primary: true", "", 7, "identities", "no identity is primary"),
        ("sources/crm.yml", "namespace: Phone", "namespace: Phone, primary: true", 9, "identities[1].primary", "8"),
        ("sources/crm.yml", "namespace: Phone", "namespace: Fone", 9, "identities[1].namespace", "mean 'Phone'?"),
        ("sources/crm.yml", "namespace: Phone", "namespace: x9", 9, "identities[1].namespace", "known are 'CRMID',"),
        ("sources/crm.yml", ", namespace: Phone", "", 9, "identities[1].namespace", "is required: the namespace"),
        ("sources/crm.yml", "column: person.phones, ", "", 9, "identities[1].column", "is required: the column"),
        ("sources/crm.yml", "{identity_map: ids}", "{identity_map: ids, primary: true}", 10, "identities[2].primary",
         "is never primary"),
        ("sources/crm.yml", "{identity_map: ids}", "{identity_map: ids, namespace: Email}", 10,
         "identities[2].namespace", "does not go with identity_map"),
        ("sources/crm.yml", "column: person.phones, namespace: Phone", "column: crm_id, namespace: CRMID", 9,
         "identities[1]", "is there already, on line 8"),
        ("sources/crm.yml", "{loyalty: loyalty.points}", "{profile_id: crm_id}", 11, "columns.profile_id",
         "a column that muster adds"),
        ("sources/crm.yml", "labels: {email: [I1]}", "labels: {email: [I3]}", 12, "labels.email[0]", "I3"),
        ("sources/crm.yml", "name: CRM\n", "name: CRM\nconnection: {region: x}\n", 2, "connection", "other machines"),
        ("sources/loyalty.yml", "identities: [{column: card, namespace: Card, primary: true}]\n", "", 1, "identities",
         "is required: the columns with identities"),
        ("sources/loyalty.yml", "[{column: card, namespace: Card, primary: true}]", "[]", 2, "identities", "is empty"),
        ("sources/web.yml", "timestamp: timestamp\n", "", 1, "timestamp", "is required: the column with the time"),
        ("sources/web.yml", "kind: events", "kind: events\nmode: changes", 2, "mode", "is for records"),
        ("sources/web.yml", "kind: events", "kind: events\nupdated_at: x", 2, "updated_at", "is for records"),
        ("sources/web.yml", "kind: events", "kind: event", 1, "kind", "expected records or events"),
        ("sources/web.yml", "kind: events", "kind: events\nid: CRM", 2, "id", "differs only in letter case from 'crm'"),
        # muster.yml
        ("muster.yml", "from: sources", "from: source", 2, "profiles.from", "expected sources"),
        ("muster.yml", "from: sources", "from: sources, path: x", 2, "profiles.path", "does not go with from: sources"),
        ("muster.yml", "from: sources", "from: sources, id: x", 2, "profiles.id", "does not go with from: sources"),
        ("muster.yml", "from: sources", "from: sources, max_age: 1d", 2, "profiles.max_age", "sources/ has max_age"),
        ("muster.yml", "type: email", "type: mail", 4, "namespaces.Email.type", "'mail' is not allowed"),
        ("muster.yml", "priority: 2", "priority: 0", 4, "namespaces.Email.priority", "at least 1"),
        ("muster.yml", "lower]", "lowr]", 4, "namespaces.Email.normalize[1]", "did you mean 'lower'?"),
        ("muster.yml", "lower]", "date(%Y)]", 4, "namespaces.Email.normalize[1]", "expected some of trim, lower"),
        ("muster.yml", "lower]", "e164(country)]", 4, "namespaces.Email.normalize[1]", "write a region"),
        ("muster.yml", "[trim, lo", "[hash_unless_hashed, lo", 4, "namespaces.Email.normalize", "the last"),
        ("muster.yml", "Card: {}", 'Card: {pattern: "[0-9"}', 5, "namespaces.Card.pattern", "unclosed character class"),
        ("muster.yml", "Card: {}", 'Card: {pattern: "a)(b"}', 5, "namespaces.Card.pattern", "unopened group"),
        ("muster.yml", "Card: {}", 'Card: {}\n  "Ca:rd": {}', 6, "namespaces.Ca:rd", "and without ':'"),
        ("muster.yml", "Card: {}", "Card: {uniqe: true}", 5, "namespaces.Card.uniqe", "did you mean 'unique'?"),
        ("muster.yml", "max_identities: 60", "max_links: 0", 6, "identity_graph.max_links", "at least 1"),
        ("muster.yml", "[crm, loyalty]", "[crn, loyalty]", 8, "merge_policies.crm-view.attributes.precedence[0]",
         "there is no source 'crn'; did you mean 'crm'?"),
        ("muster.yml", "[crm, loyalty]", "[]", 8, "merge_policies.crm-view.attributes.precedence", "is empty"),
        ("muster.yml", "[crm, loyalty]", "[crm, crm]", 8, "merge_policies.crm-view.attributes.precedence[1]", "twice"),
        ("muster.yml", "{precedence: [crm, loyalty]}", "newst", 8, "merge_policies.crm-view.attributes",
         "expected newest, or {precedence"),
        ("muster.yml", "graph: none", "graph: no", 9, "merge_policies.loyalty-only.graph", "expected private or none"),
        ("muster.yml", "sources: [loyalty]", "sources: [till]", 9, "merge_policies.loyalty-only.sources[0]",
         "there is no source 'till'; known are 'crm', 'loyalty', 'web'"),
        ("muster.yml", "sources: [loyalty]", "sources: lojalty", 9, "merge_policies.loyalty-only.sources",
         "did you mean 'loyalty'?"),
        ("muster.yml", "sources: [loyalty]", "sources: [web]", 9, "merge_policies.loyalty-only",
         "reads no source of records, which have kind: records, so that it makes no profile"),
        ("muster.yml", "[crm, loyalty]}", "[crm]}, sources: [loyalty]", 8, "merge_policies.crm-view",
         "reads only sources that both precedence and sources name, and they have none in common"),
        ("muster.yml", "loyalty-only:", "a/b:", 9, "merge_policies.a/b", "is not an id"),
        ("muster.yml", "loyalty-only:", "CRM-view:", 9, "merge_policies.CRM-view", "differs only in letter case"),
        # audiences and policies
        ("audiences/all.yml", "crm-view", "crm-viw", 2, "merge_policy", "did you mean 'crm-view'?"),
        ("policies/consent.yml", "[crm]", "[crmm]", 3, "consent_from[0]", "did you mean 'crm'?"),
        ("policies/consent.yml", "[crm]", "[web]", 3, "consent_from[0]", "is a source of events"),
        ("policies/consent.yml", "[crm]", "[]", 3, "consent_from", "is empty"),
        ("policies/consent.yml", 'consent: "true"', "deny: I1", 3, "consent_from", "is for policies with consent"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, name: str, old: str, new: str, line: int, key: str, words: str) -> None:  # noqa: PLR0917
    """P, SPEC 10: a mistake is one problem, with its file, line and key, what was expected, and near names."""
    found = problems(tmp_path, changed(name, old, new))
    assert len(found) == 1, [str(each) for each in found]
    assert (found[0].file, found[0].line, found[0].key) == (name, line, key)
    assert words in found[0].message


def test_a_policy_of_a_source_that_nobody_reads(tmp_path: Path) -> None:
    """P1: a source with ``profile: false`` makes no profile, so that a policy of it alone is a mistake, with why."""
    [found] = problems(tmp_path, changed("sources/loyalty.yml", "path:", "profile: false\npath:"))
    assert (found.file, found.key) == ("muster.yml", "merge_policies.loyalty-only")
    assert found.message == ("reads no source of records, as 'loyalty' has profile: false, so that it makes no profile")


@pytest.mark.parametrize(
    "block", ["namespaces: {Card: {}}", "identity_graph: {max_links: 9}", "merge_policies: {x: {}}"]
)
def test_blocks_about_sources_need_sources(tmp_path: Path, block: str) -> None:
    """P: with `profiles.path`, what says how profiles are made is a mistake."""
    (found,) = problems(tmp_path, {"muster.yml": f"{BY_PATH}{block}\n"})
    assert (found.line, found.key) == (3, block.partition(":")[0])
    assert "write profiles: {from: sources}" in found.message


def test_files_of_sources_are_not_read_where_profiles_have_a_path(tmp_path: Path) -> None:
    """P: with `profiles.path` a workspace works as before, whatever lies in sources/; a merge policy is a mistake."""
    found = problems(tmp_path, {"muster.yml": BY_PATH, "sources/loyalty.yml": "a: [", "audiences/all.yml": AUDIENCE})
    assert [(each.file, each.key) for each in found] == [("audiences/all.yml", "merge_policy")]
    assert "profiles: {from: sources}" in found[0].message


def test_the_key_of_ids_needs_from_sources(tmp_path: Path) -> None:
    """P7: `id_key` says how ids are made, and profiles with a path have ids; its value is not shown."""
    (found,) = problems(tmp_path, {"muster.yml": BY_PATH.replace("}", ", id_key: q8w7e6}")})
    assert found.key == "profiles.id_key"
    assert "q8w7e6" not in found.message


@pytest.mark.parametrize(
    "sources", [{}, {"sources/web.yml": WEB}, {"sources/loyalty.yml": LOYALTY + "profile: false\n"}]
)
def test_profiles_need_a_source_of_records(tmp_path: Path, sources: dict[str, str]) -> None:
    """P1: without a source of records that is part of profiles, there would be nobody."""
    text = "workspace: shop\nprofiles: {from: sources}\nnamespaces: {Card: {}}\n"
    (found,) = problems(tmp_path, {"muster.yml": text} | sources)
    assert (found.file, found.line, found.key) == ("muster.yml", 2, "profiles.from")
    assert "there is no source of profiles" in found.message


def test_a_source_with_a_mistake_is_known_all_the_same(tmp_path: Path) -> None:
    """SPEC 10: one mistake is one problem: who names a source that has a mistake makes none."""
    found = problems(tmp_path, changed("sources/crm.yml", "mode: changes", "mode: change"))
    assert [each.file for each in found] == ["sources/crm.yml"]


def test_an_audience_refers_to_audiences_of_its_policy(tmp_path: Path) -> None:
    """P: profiles of two policies have nothing in common, so a rule cannot join their audiences."""
    files = {"audiences/other.yml": "where: audience.all AND true\n"}
    (found,) = audiences.problems(load(tmp_path, files))
    assert (found.file, found.line, found.key) == ("audiences/other.yml", 1, "where")
    assert "audience 'all' has the merge policy 'crm-view', and this one 'default'" in found.message
    alike = files["audiences/other.yml"] + "merge_policy: crm-view\n"
    assert not audiences.problems(load(tmp_path, {"audiences/other.yml": alike}))
