"""Destination urls: what is refused, and which spellings are one place (X9)."""

from pathlib import Path

import pytest

from activation import urls

ROOT = Path("/srv/acme")


@pytest.mark.parametrize(
    "url",
    [
        *("exports/crm", "./exports/crm/", "exports//crm", "exports/x/../crm/.", "/srv/acme/exports/crm", "/srv/acme/./exports/crm/"),
        *(
            "file:///srv/acme/exports/crm",
            "file:/srv/acme/exports/crm/",
            "file://localhost/srv/acme/exports/crm",
            "FILE:///srv/acme/exports/crm",
        ),
        *("file:///srv/acme/exports/%63rm", "//srv/acme/exports/crm", "../acme/exports/crm", "file:exports/crm", "FILE:exports/crm"),
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
    [("exports/crm", "/srv/acme/exports/crm"), (".", "/srv/acme"), ("/data/out", "/data/out"), ("file:///data/a%20b", "/data/a b")],
)
def test_local_folder(url: str, folder: str) -> None:
    """SPEC 2: relative paths are relative to the workspace."""
    assert urls.local_path(urls.normalise(url, ROOT), ROOT) == Path(folder)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("s3://bucket/x", "no support for s3:// destinations is installed"),
        ("gs://bucket/x", "no support for gs:// destinations"),
        ("AZ://box/x", "no support for az:// destinations"),
        ("sftp://host/x", "no support for sftp:// destinations"),
        ("s3:/bucket/x", "no support for s3://"),
        ("s3:bucket", "no support for s3://"),
        ("sfpt://host/x", "unknown scheme sfpt://; expected a local folder or file://; did you mean 'sftp'?"),
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
    """SPEC 2: a local path or file://; other schemes where installed, and here none is."""
    assert words in urls.mistake(url)


@pytest.mark.parametrize("url", ["exports/crm", "exports/a?b#c@d", "C:/exports", "/data/out", "a~b", "exports/ünï"])
def test_accepted_paths(url: str) -> None:
    """SPEC 2: what has no scheme is a path, whatever is in it."""
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
