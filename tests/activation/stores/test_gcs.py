"""Delivery to Google Cloud Storage (F3), against gcp-storage-emulator."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.cloud_rules import DAY, FILE, CloudRules, data, files, sent, shop_for
from support.cloud_servers import Google, answering, google

from muster.activation.model.workspace import Destination
from muster.activation.stores.gcs import store as store_gcs
from muster.activation.stores.gcs.store import GcsStore
from muster.activation.stores.protocol import DeniedError, PassingError, Store, StoreError, TakenError, UnusableError


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    """One server for all tests of this module."""
    with google(tmp_path_factory.mktemp("google")) as server:
        yield server


def store(cloud: Google, place: str = "x", **connection: str) -> GcsStore:
    """What reaches a folder of the bucket."""
    return GcsStore(
        Destination("crm", "crm", cloud.url(f"/{place}"), connection or cloud.connection(), timeout=120), Path()
    )


@cache
def private_key() -> str:
    """A key that opens nothing."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def service_account(path: Path, token_port: int) -> None:
    """A file as Google gives it out, whose tokens come from a server of this machine."""
    said = {
        "type": "service_account",
        "client_email": "shop@shop.invalid",
        "private_key": private_key(),
        "project_id": "shop",
    }
    path.write_text(json.dumps(said | {"token_uri": f"http://127.0.0.1:{token_port}/token", "private_key_id": "1"}))


class TestGoogle(CloudRules):
    """The rules of every cloud."""

    @pytest.fixture
    def small_pieces(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """Files of more than this are sent in two requests, the first a multiple of this."""
        monkeypatch.setattr(store_gcs, "WHOLE", 1 << 18)
        return 1 << 18

    def store(self, cloud: Google, place: str, **connection: str) -> Store:
        return store(cloud, place, **connection)

    # Credentials

    def test_a_service_account(self, cloud: Google, place: str, tmp_path: Path) -> None:
        """SPEC 2: `credentials_file`, relative to the workspace, is who asks, also at an endpoint of one's own."""
        with answering(
            200, '{"access_token": "invented-token", "expires_in": 3600}', Content_Type="application/json"
        ) as port:
            shop = shop_for(
                cloud, tmp_path, place, connection=cloud.connection() | {"credentials_file": "keys/google.json"}
            )
            (shop.root / "keys").mkdir()
            service_account(shop.root / "keys/google.json", port)
            said = shop.muster("-v", "run", "--at", f"{DAY}T05:00Z")
        assert said.code == 0, said.err
        assert data(cloud, place) == {FILE: b"profile_id\na\nb\n"}
        kept = b"".join(shop.tree(".muster").values()).decode(errors="ignore")
        assert "invented-token" not in said.out + said.err + kept
        assert private_key().splitlines()[1] not in said.out + said.err + kept

    def test_a_service_account_that_is_refused(self, cloud: Google, place: str, tmp_path: Path) -> None:
        """SPEC 10: credentials that are not accepted are told at once, and not tried again."""
        refused = '{"error": "invalid_grant", "error_description": "Invalid grant: account not found"}'
        with answering(400, refused, Content_Type="application/json") as port:
            shop = shop_for(cloud, tmp_path, place, connection=cloud.connection() | {"credentials_file": "google.json"})
            service_account(shop.root / "google.json", port)
            failed = shop.muster("run", "--at", f"{DAY}T05:00Z")
        assert failed.code == 1
        assert ": the credentials are not accepted, or have expired" in failed.err
        assert "trying again" not in failed.err
        assert files(cloud, place) == {}

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (None, "google.json: the credentials cannot be read: no such file or directory"),
            ("nonsense", "google.json is not a credentials file: it is not JSON"),
            (
                '{"type": "pigeon"}',
                "google.json is not a usable credentials file; expected one of type service_account,",
            ),
            (
                '{"type": "service_account"}',
                "google.json is not a credentials file: something is missing in it, or its key is damaged",
            ),
        ],
    )
    def test_credentials_that_cannot_be_used(
        self, content: str | None, said: str, cloud: Google, place: str, tmp_path: Path
    ) -> None:
        """SPEC 10: a file that is missing or is none of credentials."""
        shop = shop_for(cloud, tmp_path, place, connection=cloud.connection() | {"credentials_file": "google.json"})
        if content:
            shop.write("google.json", content)
        failed = shop.muster("destinations", "check")
        assert failed.code == 1
        assert f"error: crm: connect: {said}" in failed.err

    def test_a_machine_without_credentials(
        self, cloud: Google, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SPEC 2, 10: without `credentials_file` and `endpoint` it is Google's application default; one that is not
        there is told.
        """
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
        monkeypatch.setenv("NO_GCE_CHECK", "true")
        shop = shop_for(cloud, tmp_path, place, connection={})
        failed = shop.muster("destinations", "check")
        assert failed.code == 1
        assert (
            "this machine has no credentials: set credentials_file, or log in with `gcloud auth "
            "application-default login`"
        ) in failed.err

    # Answers that the emulator does not give

    @pytest.mark.parametrize(
        "case",
        [
            (503, "backendError", "", PassingError, "Google answers 503 backendError"),
            (429, "rateLimitExceeded", "", PassingError, "Google answers 429 rateLimitExceeded"),
            (408, "", "", PassingError, "Google answers 408"),
            (403, "userRateLimitExceeded", "", PassingError, "Google answers 403 userRateLimitExceeded"),
            (
                400,
                "invalid",
                'Provided CRC32C "AA==" doesn\'t match calculated',
                PassingError,
                "what arrived is not what was sent",
            ),
            (401, "authError", "Invalid Credentials", UnusableError, "it requires credentials: set credentials_file"),
            (404, "notFound", "The specified bucket does not exist.", UnusableError, "there is no bucket drop"),
            (400, "required", "", StoreError, "Google answers 400 required"),
            (400, "userProjectMissing", "", UnusableError, "the requester pays for this bucket"),
            (
                403,
                "forbidden",
                "x does not have storage.objects.delete access",
                DeniedError,
                "access denied: the right storage.objects.delete",
            ),
            (403, "forbidden", "", DeniedError, "access denied: the right storage.objects.create is missing"),
            (412, "conditionNotMet", "", TakenError, "a.bin"),
        ],
    )
    def test_an_answer_is_told_for_what_it_is(
        self, case: tuple[int, str, str, type[StoreError], str], cloud: Google, tmp_path: Path
    ) -> None:
        """SPEC 10: what may pass is told from what cannot, each in one sentence; nothing is asked twice by the library
        itself.
        """
        status, reason, message, kind, said = case
        content = json.dumps(
            {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}
        )
        with answering(status, content, Content_Type="application/json") as port, pytest.raises(StoreError) as caught:
            store(cloud, **cloud.connection(port)).put(sent(tmp_path, b"x", "a.bin"), replace=False)
        assert type(caught.value) is kind
        assert str(caught.value).startswith(said)

    def test_what_google_reports_is_compared(self, cloud: Google, tmp_path: Path) -> None:
        """F3: a size or checksum other than that of the file is a failed try."""
        told = pytest.raises(
            PassingError, match="Google reports 2 bytes, or a checksum, other than what was sent; it was removed"
        )
        with answering(200, '{"size": "2", "crc32c": "AAAAAA=="}', Content_Type="application/json") as port, told:
            store(cloud, **cloud.connection(port)).put(sent(tmp_path, b"xy", "a.bin"), replace=True)
