"""Destination urls: what is refused, and which spellings are one place (X9)."""

from pathlib import Path

import pytest

from muster.activation.stores import urls

ROOT = Path("/srv/acme")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "exports/crm",
            "./exports/crm/",
            "exports//crm",
            "exports/x/../crm/.",
            "/srv/acme/exports/crm",
            "/srv/acme/./exports/crm/",
        ),
        *(
            "file:///srv/acme/exports/crm",
            "file:/srv/acme/exports/crm/",
            "file://localhost/srv/acme/exports/crm",
            "FILE:///srv/acme/exports/crm",
        ),
        *(
            "file:///srv/acme/exports/%63rm",
            "//srv/acme/exports/crm",
            "../acme/exports/crm",
            "file:exports/crm",
            "FILE:exports/crm",
        ),
    ],
)
def test_spellings_of_one_place(url: str) -> None:
    """X9: urls are compared expanded and normalised, inside the workspace relative to it."""
    assert urls.mistake(url) == ""
    assert urls.normalise(url, ROOT) == "exports/crm"
    assert urls.digest(url, ROOT) == urls.digest("exports/crm", ROOT)


@pytest.mark.parametrize(
    ("url", "normalised"),
    [
        (".", "."),
        ("/srv/acme", "."),
        ("..", "/srv"),
        ("/srv/acme-2/exports", "/srv/acme-2/exports"),
        ("file:///data/out", "/data/out"),
        ("exports/50%25 off", "exports/50%25 off"),  # only file:// decodes
        ("file:///data/50%25%20off", "/data/50% off"),
        ("exports/CRM", "exports/CRM"),
        ("S3://Bucket/a//b/?token=x", "s3://bucket/a/b"),
        ("sftp://ann:pw@Host/in/../out/", "sftp://host/out"),
        ("sftp://host", "sftp://host"),
        ("sftp://host/", "sftp://host"),
        ("sftp://ann@Host:2222/~/in/", "sftp://host:2222/~/in"),
        ("s3://bucket//./a/", "s3://bucket/a"),
    ],
)
def test_normalised_forms(url: str, normalised: str) -> None:
    """X9: outside the workspace a path is absolute; credentials and queries are no part of a place."""
    assert urls.normalise(url, ROOT) == normalised


def test_a_workspace_that_moves_keeps_its_places() -> None:
    """X9: inside the workspace urls are relative to it, so a moved workspace is no change of place."""
    moved = Path("/home/ann/acme")
    assert urls.digest("/srv/acme/exports", ROOT) == urls.digest("file:///home/ann/acme/exports", moved)
    assert urls.digest("exports", ROOT) != urls.digest("exports/crm", ROOT)
    assert urls.digest("/data/out", ROOT) == urls.digest("/data/out", moved)


def test_a_workspace_at_the_top_of_the_file_system() -> None:
    """X9: also where the workspace is the root folder, a path inside it is relative."""
    assert urls.normalise("/exports/crm", Path("/")) == "exports/crm"
    assert urls.normalise("/", Path("/")) == "."


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("exports/crm", "/srv/acme/exports/crm"),
        (".", "/srv/acme"),
        ("/data/out", "/data/out"),
        ("file:///data/a%20b", "/data/a b"),
    ],
)
def test_local_folder(url: str, folder: str) -> None:
    """SPEC 2: relative paths are relative to the workspace."""
    assert urls.local_path(urls.normalise(url, ROOT), ROOT) == Path(folder)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("s3:/bucket/x", "is not a url; expected s3://bucket/prefix"),
        ("s3:bucket", "is not a url; expected s3://bucket/prefix"),
        ("s3://", "names no bucket; expected s3://bucket/prefix"),
        ("s3://key:secret@bucket/x", "has more than a bucket before the path"),
        ("gs://bucket:80/x", "has more than a bucket before the path"),
        ("az://box/x?sig=y", "'?' or '#', which are no part of a prefix"),
        ("s3://bucket/in/../out", "has '..' in its path"),
        ("sftp:///in", "names no host; expected sftp://user@host:port/path"),
        ("sftp://host:door/in", "is not a url; expected sftp://"),
        ("sftp://host/in#1", "'?' or '#'; write %3F or %23 if the path has one"),
        ("sftp://host/in/%2e%2e/out", "has '..' in its path"),
        ("sftp://ann:12/secret@host/in", "write %40 there, or %2F for a '/' in a password"),
        ("sftp://ann:/secret@host/in", "write %40 there, or %2F for a '/' in a password"),
        ("sftp://ann:a@b/secret@host/in", "write %40 there, or %2F for a '/' in a password"),
        (
            "sfpt://host/x",
            (
                "unknown scheme sfpt://; expected a local folder, file://, s3://, az://, gs://, sftp://; did you "
                "mean 'sftp'?"
            ),
        ),
        ("https://host/x", "unknown scheme https://"),
        ("file://exports/crm", "names a machine"),
        ("file://[x/crm", "is not a url"),
        ("file:///crm?x=1", "'?' or '#'"),
        ("file:///crm#x", "'?' or '#'"),
        ("file:///cr%00m", "cannot be printed"),
        ("exports\ncrm", "cannot be printed"),
        ("~/exports", "${HOME}/exports"),
    ],
)
def test_refused_urls(url: str, words: str) -> None:
    """SPEC 2: a local path, file://, or a place of another machine; what is wrong with it is told."""
    assert words in urls.mistake(url)


@pytest.mark.parametrize(
    ("url", "lacking", "extra"),
    [
        ("s3://bucket/x", "boto3", "s3"),
        ("AZ://box/x", "azure.identity", "azure"),
        ("gs://bucket/x", "google.cloud.storage", "gcs"),
        ("sftp://host/x", "asyncssh", "sftp"),
    ],
)
def test_schemes_that_are_not_installed(url: str, lacking: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPEC 2: s3://, az://, gs:// and sftp:// are there where their extra is installed; one that is not is named, with
    what installs it.
    """
    assert urls.mistake(url) == ""
    monkeypatch.setattr(urls, "find_spec", lambda name: None if name == lacking else object())
    assert urls.mistake(url) == f'cannot be used: {lacking} is not installed; pip install "muster-activation[{extra}]"'


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "sftp://ann@host:22/in/%3F",
        "exports/crm",
        "exports/a?b#c@d",
        "C:/exports",
        "/data/out",
        "a~b",
        "exports/ünï",
    ],
)
def test_accepted_urls(url: str) -> None:
    """SPEC 2: what has no scheme is a path, whatever is in it; and urls as they should be."""
    assert urls.mistake(url) == ""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sftp://ann:s3cret@host/in", "sftp://***@host/in"),
        ("sftp://ann:s3/cr@et@host/in", "sftp://***@host/in"),
        ("s3://bucket/x?token=s3cret#s3cret", "s3://bucket/x?***"),
        ("https://host/x#s3cret", "https://host/x?***"),
        ("exports/a?b@c", "exports/a?b@c"),
        ("file:///data/out", "file:///data/out"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    """SPEC 2: secrets never appear; a redacted url has no user, password, query or fragment."""
    assert urls.redact(url) == shown
