"""Who may bring files to a bucket, and what is missing: AWS's own conventions, and variables that YAML names (SPEC 2,
10).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from support import servers
from support.bucket_shop import FIRST, SECRETS, BucketShop
from support.s3_gate import Answer, Gate, Request, refusal

from muster.activation.stores import retrying, urls

AWS = (
    "ACCESS_KEY_ID",
    "SECRET_ACCESS_KEY",
    "SESSION_TOKEN",
    "PROFILE",
    "DEFAULT_REGION",
    "REGION",
    "CONFIG_FILE",
    "SHARED_CREDENTIALS_FILE",
)
CREDENTIALS = "[shop]\naws_access_key_id = AKIDOFTHEFILE\naws_secret_access_key = invented-file-secret\n"


@pytest.fixture
def bare(tmp_path: Path, before_s3: Gate, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketShop]:
    """A workspace where nothing is known of AWS: no variable, no file, no service that hands out roles."""
    for name in AWS:
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock.patch.object(retrying, "_FIRST_PAUSE", 0.01):
        yield BucketShop(tmp_path / "shop", f"access-{tmp_path.name}", before_s3.endpoint)


@pytest.fixture
def shop(bare: BucketShop, monkeypatch: pytest.MonkeyPatch) -> BucketShop:
    """The same with the variables that ``connection`` names."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return bare


def signed_by(before_s3: Gate) -> set[str]:
    """The key ids of all requests, and the regions."""
    return {
        each.headers["Authorization"].partition("Credential=")[2].partition("/s3/")[0] for each in before_s3.requests
    }


# Where credentials come from


def test_the_environment(bare: BucketShop, before_s3: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A destination that names no credentials takes AWS's own variables, the region too."""
    for name, value in servers.KEYS.items():
        monkeypatch.setenv(name, value)
    bare.bucket("crm", connection={"endpoint": bare.endpoint})
    bare.run(FIRST)
    [who] = signed_by(before_s3)
    assert who.startswith("AKIDEXAMPLE/")
    assert who.endswith("/eu-central-1")


def test_a_profile(bare: BucketShop, before_s3: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`profile` names a section of AWS's own files; `region` comes before what they say."""
    (tmp_path / "credentials").write_text(CREDENTIALS)
    (tmp_path / "config").write_text("[profile shop]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    bare.bucket("crm", connection={"endpoint": bare.endpoint, "profile": "shop"})
    bare.run(FIRST)
    bare.bucket("ads", connection={"endpoint": bare.endpoint, "profile": "shop", "region": "eu-north-1"})
    bare.ok("destinations", "check", "ads")
    assert {(who.split("/")[0], who.split("/")[2]) for who in signed_by(before_s3)} == {
        ("AKIDOFTHEFILE", "eu-west-3"),
        ("AKIDOFTHEFILE", "eu-north-1"),
    }


def test_named_variables(shop: BucketShop, before_s3: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """`*_env` keys name variables, which come before AWS's own; a session token goes with them."""
    for name, value in {**servers.KEYS, "SHOP_TOKEN": "invented-session-token"}.items():
        monkeypatch.setenv(name, value)
    shop.bucket("crm", connection=shop.connection() | {"session_token_env": "SHOP_TOKEN"})
    shop.run(FIRST)
    assert {who.split("/")[0] for who in signed_by(before_s3)} == {SECRETS["SHOP_KEY_ID"]}
    assert {each.headers["X-Amz-Security-Token"] for each in before_s3.requests} == {"invented-session-token"}


def test_encryption(shop: BucketShop, before_s3: Gate) -> None:
    """`encryption` and `kms_key` go with every file."""
    shop.bucket("crm", connection=shop.connection() | {"encryption": "aws:kms", "kms_key": "alias/shop"})
    shop.run(FIRST)
    put = [each.headers for each in before_s3.requests if each.operation == "PutObject"]
    assert len(put) == 2
    assert {each["x-amz-server-side-encryption"] for each in put} == {"aws:kms"}
    assert {each["x-amz-server-side-encryption-aws-kms-key-id"] for each in put} == {"alias/shop"}


# What is missing or wrong


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        (
            {"access_key_id_env": "NOT_THERE", "secret_access_key_env": "NOT_THERE"},
            "environment variable NOT_THERE is not set",
        ),
        ({"access_key_id_env": "SHOP_KEY_ID"}, "needs secret_access_key_env beside it"),
        (
            {"access_key_id_env": "invented/secret+value"},
            "a value of 21 characters is not the name of an environment variable",
        ),
        (
            {"endpoint": "127.0.0.1:9000"},
            "'127.0.0.1:9000' is not an endpoint; expected one such as https://storage.example.com",
        ),
        ({"endpoint": "http://[::1"}, "is not an endpoint"),
        ({"endpoint": "https://ann:invented-pw@storage.example.com"}, "'https://***@storage.example.com' holds a user"),
        ({"regoin": "eu-central-1"}, "unknown key; did you mean 'region'?"),
        ({"password_env": "SHOP_SECRET"}, "is not a key of a connection to s3://"),
        ({"encryption": "rot13"}, "'rot13' is not allowed; expected AES256 or aws:kms"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_a_mistake_in_the_connection(shop: BucketShop, connection: dict[str, str], words: str) -> None:
    """SPEC 10: exit 2, with file, line and key; a secret that was written where its variable's name belongs is not
    repeated.
    """
    shop.bucket("crm", connection=connection)
    result = shop.muster("validate", "--at", FIRST)
    assert result.code == 2
    assert words in result.err
    assert "destinations/crm.yml:" in result.err
    assert not [secret for secret in ("invented-pw", "invented/secret+value") if secret in result.err]


def test_no_credentials_at_all(bare: BucketShop, before_s3: Gate) -> None:
    """SPEC 10: says that none were found, without a request, and without trying again."""
    bare.bucket("crm", connection={"endpoint": bare.endpoint})
    result = bare.muster("run", "--at", FIRST)
    assert result.code == 1
    assert "no credentials were found" in result.err
    assert "trying again" not in result.err
    assert before_s3.requests == []


def test_a_profile_that_is_not_there(bare: BucketShop) -> None:
    """SPEC 10: names it."""
    bare.bucket("crm", connection={"endpoint": bare.endpoint, "profile": "shoop"})
    result = bare.muster("validate", "--at", FIRST)
    assert result.code == 2
    assert "The config profile (shoop) could not be found" in result.err


def test_a_bucket_that_is_not_there(shop: BucketShop, s3: servers.S3) -> None:
    """SPEC 10: `run` and `validate` name it; nothing makes it."""
    shop.bucket("crm")
    path = shop.root / "destinations/crm.yml"
    path.write_text(path.read_text().replace("s3://drop/", "s3://nowhere/"))
    for command, code in (("run", 1), ("validate", 2)):
        result = shop.muster(command, "--at", FIRST)
        assert result.code == code
        assert "there is no bucket nowhere" in result.err
    assert [each["Name"] for each in s3.client.list_buckets()["Buckets"]] == ["drop"]


def test_the_library_is_not_installed(shop: BucketShop) -> None:
    """SPEC 10: one message that says what to install."""
    shop.bucket("crm")
    with mock.patch.object(urls, "is_installed", return_value=False):
        result = shop.muster("validate", "--at", FIRST)
    assert result.code == 2
    assert 'cannot be used: boto3 is not installed; pip install "muster-activation[s3]"' in result.err
    assert len(result.err.splitlines()) == 1


# `muster destinations`


def test_destinations_are_listed(shop: BucketShop) -> None:
    """Each with its place and the number of its activations, those without any too."""
    shop.bucket("crm", activations=["one", "two"])
    shop.destination("later", mapping=["profile_id"])
    assert shop.ok("destinations", "list", "--json").json == [
        {"id": "crm", "name": "crm", "kind": "files", "url": f"s3://drop/{shop.prefix}/crm", "activations": 2},
        {"id": "later", "name": "later", "kind": "files", "url": "out/later", "activations": 0},
    ]


def test_a_check_leaves_nothing(shop: BucketShop, s3: servers.S3) -> None:
    """A small file is written, read, replaced and removed; neither the place nor the workspace is different
    afterwards.
    """
    shop.bucket("crm")
    shop.destination("folder", mapping=["profile_id"])
    before = shop.tree()
    checked = shop.ok("destinations", "check", "--json").json
    assert [(each["id"], each["result"]) for each in checked] == [("crm", "ok"), ("folder", "ok")]
    assert {tuple(step["step"] for step in each["steps"]) for each in checked} == {
        ("connect", "write", "read back", "replace", "delete")
    }
    assert s3.objects(f"{shop.prefix}/") == {}
    assert shop.tree() == before
    assert not (shop.root / ".muster").exists()


def _lacking(*operations: str) -> Callable[[Request], Answer | None]:
    return lambda request: refusal(403, "AccessDenied") if request.operation in operations else None


@pytest.mark.parametrize(
    ("operations", "step", "right"),
    [
        (("PutObject",), "write", "s3:PutObject"),
        (("HeadObject", "GetObject"), "read back", "s3:GetObject"),
        (("ListMultipartUploads",), "delete", "s3:ListBucketMultipartUploads"),
        (("DeleteObject",), "delete", "s3:DeleteObject"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_check_names_the_right_that_is_missing(
    shop: BucketShop, before_s3: Gate, operations: tuple[str, ...], step: str, right: str
) -> None:
    """The step that failed, and exactly what an IAM policy has to allow; exit 1."""
    shop.bucket("crm")
    before_s3.before = _lacking(*operations)
    result = shop.muster("destinations", "check", "crm")
    assert result.code == 1
    assert f"error: crm: {step}: " in result.err
    assert f"access denied: the right {right} is missing" in result.err


def test_listing_is_not_needed(shop: BucketShop, before_s3: Gate) -> None:
    """Whether a bucket may be listed decides nothing."""
    shop.bucket("crm")
    before_s3.before = _lacking("ListObjectsV2")
    shop.ok("destinations", "check")
    shop.ok("validate", "--at", FIRST)


def test_a_check_of_a_destination_that_there_is_not(shop: BucketShop) -> None:
    """SPEC 10: exit 2, with the nearest name."""
    shop.bucket("crm")
    result = shop.muster("destinations", "check", "crn")
    assert result.code == 2
    assert "there is no destination 'crn'; did you mean 'crm'?" in result.err


# Nothing secret is told


@pytest.mark.parametrize("fails", [False, True])
def test_no_secret_is_in_what_is_told_or_kept(
    shop: BucketShop, s3: servers.S3, before_s3: Gate, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """SPEC 2: neither output nor logs, with `-vv`, nor state, nor manifests hold a key, its id, or a token."""
    secrets = {**SECRETS, "SHOP_TOKEN": "invented-session-token"}
    monkeypatch.setenv("SHOP_TOKEN", secrets["SHOP_TOKEN"])
    shop.bucket("crm", retries=1, connection=shop.connection() | {"session_token_env": "SHOP_TOKEN"})
    if fails:
        before_s3.before = lambda request: refusal(503, "SlowDown") if request.operation == "PutObject" else None
    commands = (
        ("-vv", "run", "--at", FIRST),
        ("-vv", "--log-format", "json", "destinations", "check"),
        ("runs", "list", "--json"),
    )
    told = [shop.muster(*command) for command in commands]
    kept = [*shop.tree(".muster").values(), *s3.objects(f"{shop.prefix}/").values()]
    assert any(result.err for result in told)
    for value in secrets.values():
        assert not [result for result in told if value in result.out + result.err]
        assert not [content for content in kept if value.encode() in content]
