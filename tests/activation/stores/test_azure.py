"""Delivery to Azure Storage (F3), against Azurite."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    BlobBlock,
    BlobClient,
    BlobProperties,
    ResourceTypes,
    generate_account_sas,
)
from support.cloud_rules import DAY, CloudRules, files, sent, shop_for, variables
from support.cloud_servers import ACCOUNT, KEY, KEY_VARIABLE, Azure, answering, azure
from support.servers import proxy

from muster.activation.destinations.probe import probe
from muster.activation.destinations.remote import RemoteTarget
from muster.activation.model.workspace import Destination
from muster.activation.stores.azure import store as store_azure
from muster.activation.stores.azure.login import connect
from muster.activation.stores.azure.store import MOST_BLOCKS, AzureStore, block_size
from muster.activation.stores.protocol import (
    DeniedError,
    PassingError,
    Sent,
    Store,
    StoreError,
    TakenError,
    UnusableError,
)

MIB, TIB = 1 << 20, 1 << 40


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    """One server for all tests of this module."""
    with azure(tmp_path_factory.mktemp("azurite")) as server:
        yield server


def store(cloud: Azure, place: str = "x", **connection: str) -> AzureStore:
    """What reaches a folder of the container."""
    return AzureStore(
        Destination("crm", "crm", cloud.url(f"/{place}"), connection or cloud.connection(), timeout=120), Path()
    )


def signature(rights: str) -> str:
    """A shared access signature for these rights, which ends far in the future."""
    kinds, allowed = ResourceTypes(container=True, object=True), AccountSasPermissions.from_string(rights)
    return generate_account_sas(ACCOUNT, KEY, kinds, allowed, datetime.now(UTC) + timedelta(days=1))


class TestAzure(CloudRules):
    """The rules of every cloud."""

    @pytest.fixture
    def small_pieces(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """Files of more than this are blocks of this."""
        monkeypatch.setattr(store_azure, "WHOLE", 1 << 16)
        monkeypatch.setattr(store_azure, "BLOCK", 1 << 16)
        monkeypatch.setattr(store_azure, "MUCH", 1 << 17)
        return 1 << 16

    def store(self, cloud: Azure, place: str, **connection: str) -> Store:
        return store(cloud, place, **connection)

    def test_blocks_that_nobody_committed_are_no_file(
        self, cloud: Azure, place: str, tmp_path: Path, small_pieces: int
    ) -> None:
        """F3: what a kill in the middle of an upload leaves is seen by nobody, and is no part of the file that the next
        one sends.
        """
        content = bytes(3 * small_pieces)
        with cloud.client() as client:
            left = client.get_blob_client(f"{place}/big.bin")
            left.stage_block("0" * 38, b"left over")
            assert files(cloud, place) == {}
            store(cloud, place).put(sent(tmp_path, content), replace=False)
            assert not left.get_block_list("all")[1]
        assert files(cloud, place) == {"big.bin": content}

    def test_what_azure_reports_is_compared(
        self, cloud: Azure, place: str, tmp_path: Path, small_pieces: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """F3: a file there that is not the one sent is removed, and goes again."""
        stage, upload = AzureStore._stage_blocks, BlobClient.upload_blob  # noqa: SLF001  # to leave out a block

        def too_few(store: AzureStore, sent: Sent, *, replace: bool) -> list[BlobBlock]:
            return stage(store, sent, replace=replace)[:-1]

        def other(blob: BlobClient, _content: bytes, overwrite: bool, **_: object) -> dict[str, Any]:
            return upload(blob, b"another", overwrite=overwrite)

        monkeypatch.setattr(AzureStore, "_stage_blocks", too_few)
        with pytest.raises(PassingError, match=r"Azure reports 131,072 bytes, or a checksum, .*; it was removed"):
            store(cloud, place).put(sent(tmp_path, bytes(3 * small_pieces)), replace=False)
        monkeypatch.setattr(BlobClient, "upload_blob", other)
        with pytest.raises(PassingError, match=r"Azure reports a checksum other than that .*; it was removed"):
            store(cloud, place).put(sent(tmp_path, b"content"), replace=False)
        assert files(cloud, place) == {}

    def test_an_answer_with_a_checksum_is_enough(
        self, cloud: Azure, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """F3: a file in one request takes one request; only an answer without a checksum is followed by a question."""
        upload = BlobClient.upload_blob
        with mock.patch.object(BlobClient, "get_blob_properties") as asked:
            store(cloud, place).put(sent(tmp_path, b"content"), replace=False)
        asked.assert_not_called()

        def spoiled(blob: BlobClient, content: bytes, overwrite: bool, **_: object) -> dict[str, Any]:
            return upload(blob, content[::-1], overwrite=overwrite) | {"content_md5": None}

        monkeypatch.setattr(BlobClient, "upload_blob", spoiled)
        with pytest.raises(PassingError, match="Azure reports 5 bytes, or a checksum, other than what was sent"):
            store(cloud, place).put(sent(tmp_path, b"other", "other.bin"), replace=False)
        assert files(cloud, place) == {"big.bin": b"content"}

    def test_a_file_that_was_taken_already_is_no_reason_to_send_it_again(
        self, cloud: Azure, place: str, tmp_path: Path, small_pieces: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """F3: a receiver may take a file before what Azure reports of it is compared."""
        compare = AzureStore._compare  # noqa: SLF001  # the moment right after an upload

        def taken(store: AzureStore, sent: Sent, is_same: Callable[[BlobProperties], bool]) -> None:
            cloud.remove(f"{place}/{sent.name}")
            compare(store, sent, is_same)

        monkeypatch.setattr(AzureStore, "_compare", taken)
        store(cloud, place).put(sent(tmp_path, bytes(2 * small_pieces)), replace=False)
        assert files(cloud, place) == {}

    @pytest.mark.parametrize("size", [9 * MIB, 50_000 * 4 * MIB, 50_000 * 4 * MIB + 1, 10 * TIB, 190 * TIB])
    def test_no_limit_on_blocks_cuts_a_file(self, size: int) -> None:
        """F3: the size of a block grows with the file's."""
        assert size <= block_size(size) * MOST_BLOCKS
        assert block_size(size) <= 4000 * MIB

    # Credentials

    def test_a_connection_string_and_a_signature(
        self, cloud: Azure, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SPEC 2: a connection string or a signature, each in a variable; the string also in the variable that the az
        command takes.
        """
        monkeypatch.setenv("SHOP_STRING", cloud.text())
        monkeypatch.setenv("SHOP_SAS", f"?{signature('rwdlac')}")
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", cloud.text())
        named = {"account": ACCOUNT, "endpoint": cloud.endpoint(), "sas_token_env": "SHOP_SAS"}
        for number, connection in enumerate(({"connection_string_env": "SHOP_STRING"}, named, {})):
            there = AzureStore(Destination("crm", "crm", cloud.url(f"/{place}"), connection), tmp_path)
            there.put(sent(tmp_path, b"content", f"{number}.bin"), replace=False)
        assert files(cloud, place) == {f"{number}.bin": b"content" for number in range(3)}

    def test_the_account_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """SPEC 2: an account that nothing names in YAML is that of AZURE_STORAGE_ACCOUNT, with its key or signature."""
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "shopaccount")
        monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
        client = connect(Destination("crm", "crm", "az://drop"))
        assert client.url == "https://shopaccount.blob.core.windows.net/"
        assert client.credential.account_key == KEY
        monkeypatch.setenv("AZURE_STORAGE_KEY", "")
        monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=invented")
        assert connect(Destination("crm", "crm", "az://drop")).url.endswith("net/?sv=1&sig=invented")

    def test_the_login_of_this_machine(self) -> None:
        """SPEC 2: an account without key or signature is reached with Azure's default credential, and over
        https alone.
        """
        client = connect(Destination("crm", "crm", "az://drop", {"account": "shopaccount"}))
        assert type(client.credential).__name__ == "DefaultAzureCredential"
        with pytest.raises(UnusableError, match="muster sends this machine's credentials only over https"):
            connect(Destination("crm", "crm", "az://drop", {"endpoint": "http://127.0.0.1:1/x"}))
        with pytest.raises(
            UnusableError, match=r"no account is given: set connection\.account, or connection_string_env"
        ):
            connect(Destination("crm", "crm", "az://drop"))

    @pytest.mark.parametrize(
        "case",
        [
            (
                "account_key_env",
                KEY[::-1].replace("=", "") + "=",
                "the request is not authorized: the key is wrong, or the account's",
            ),
            ("account_key_env", "no base64!", "the request is not authorized"),
            ("sas_token_env", "sv=2024-11-04&sig=invented-signature", "the request is not authorized"),
            ("connection_string_env", "nonsense-in-a-variable", "the connection string cannot be read"),
        ],
    )
    def test_credentials_that_are_not_accepted(
        self, case: tuple[str, str, str], cloud: Azure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SPEC 10: bad credentials are told at once, not tried again, and not repeated."""
        variable, value, said = case
        monkeypatch.setenv("SHOP_SECRET", value)
        where = {} if variable == "connection_string_env" else {"account": ACCOUNT, "endpoint": cloud.endpoint()}
        shop = shop_for(cloud, tmp_path, "x", connection={**where, variable: "SHOP_SECRET"})
        failed = shop.muster("run", "--at", f"{DAY}T05:00Z")
        assert failed.code == 1
        assert f": {said}" in failed.err
        assert "trying again" not in failed.err
        assert "Traceback" not in failed.err
        assert value not in failed.err

    def test_a_key_is_nowhere(self, cloud: Azure, place: str, tmp_path: Path) -> None:
        """SPEC 2: no key in what a command prints or logs, in the state, in the manifest."""
        shop = shop_for(cloud, tmp_path, place)
        said = [
            shop.muster("-v", "--log-format", "json", "run", "--at", f"{DAY}T05:00Z"),
            shop.muster("destinations", "list", "--json"),
        ]
        assert [each.code for each in said] == [0, 0]
        printed = "".join(each.out + each.err for each in said).encode()
        assert KEY.encode() not in b"".join([printed, *shop.tree(".muster").values(), *files(cloud, place).values()])

    def test_a_variable_that_is_not_set(self, cloud: Azure, tmp_path: Path, place: str) -> None:
        """SPEC 10: a missing variable fails the destination's runs; its name alone is told."""
        shop = shop_for(cloud, tmp_path, place, url="az://drop/x", connection={"account": ACCOUNT})
        shop.crm(url="az://drop/x", connection={"account": ACCOUNT, "account_key_env": "NOT_SET"})
        failed = shop.muster("run", "--at", f"{DAY}T05:00Z")
        assert failed.code == 1
        assert "connection.account_key_env: environment variable NOT_SET is not set" in failed.err

    def test_a_connection_string_says_all(self, cloud: Azure, tmp_path: Path) -> None:
        """SPEC 10: beside a connection string another key would mean nothing, which is a mistake of the config."""
        shop, others = shop_for(cloud, tmp_path, "x"), ("account", "endpoint", "account_key_env", "sas_token_env")
        said = dict.fromkeys(others, KEY_VARIABLE) | {
            "endpoint": cloud.endpoint(),
            "connection_string_env": KEY_VARIABLE,
        }
        shop.crm(url="az://drop/x", connection=said)
        failed = shop.muster("validate")
        assert failed.code == 2
        for key in others:
            assert f"connection.connection_string_env: and {key} do not go together; expected one of them" in failed.err

    @pytest.mark.parametrize(
        ("rights", "step", "said"),
        [
            ("rl", "write", "the right to write (SAS c and w; role Storage Blob Data Contributor) is missing"),
            ("wc", "read back", "the right to read (SAS r; role Storage Blob Data Reader) is missing"),
            ("rwc", "delete", "the right to delete (SAS d; role Storage Blob Data Contributor) is missing"),
        ],
    )
    def test_the_right_that_is_missing_is_named(
        self, rights: str, step: str, said: str, cloud: Azure, tmp_path: Path
    ) -> None:
        """SPEC 9: what is checked of a destination says exactly which right is missing. To list is not needed."""
        with variables(cloud, SHOP_SAS=signature(rights)):
            connection = {"account": ACCOUNT, "endpoint": cloud.endpoint(), "sas_token_env": "SHOP_SAS"}
            opened = partial(store, cloud, tmp_path.name, **connection)
            *before, failed = probe(
                RemoteTarget("az://drop", opened, tmp_path / "staging", 0o600, retries=0), "muster-probe.txt"
            )
        assert all(each.error is None for each in before)
        assert failed.name == step
        assert failed.error
        assert said in failed.error

    def test_to_write_is_enough(
        self, cloud: Azure, place: str, tmp_path: Path, small_pieces: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """F3: a drop that one may write and not read takes files: each request's checksum was looked at there."""
        monkeypatch.setenv("SHOP_SAS", signature("wc"))
        connection = {"account": ACCOUNT, "endpoint": cloud.endpoint(), "sas_token_env": "SHOP_SAS"}
        there = store(cloud, place, **connection)
        there.reach()
        there.put(sent(tmp_path, b"small", "small.bin"), replace=False)
        there.put(sent(tmp_path, content := bytes(2 * small_pieces)), replace=False)
        assert files(cloud, place) == {"small.bin": b"small", "big.bin": content}

    def test_a_signature_is_not_in_what_is_said_of_a_broken_connection(
        self, cloud: Azure, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SPEC 2: the address of a request holds the signature; what is told of a request does not."""
        monkeypatch.setenv("SHOP_SAS", token := signature("rwdlac"))
        with proxy(cloud.port) as between:
            between.cut = dict.fromkeys(range(10), 50)
            connection = {"account": ACCOUNT, "endpoint": cloud.endpoint(between.port), "sas_token_env": "SHOP_SAS"}
            shop = shop_for(cloud, tmp_path, place, connection=connection, retries=1)
            failed = shop.muster("-v", "run", "--at", f"{DAY}T05:00Z")
        assert failed.code == 1
        assert "the connection cannot be made, or broke; tried 2 times" in failed.err
        part = token.partition("sig=")[2][:20]
        kept = b"".join(shop.tree(".muster").values()).decode(errors="ignore")
        assert part not in failed.out + failed.err + kept

    # Answers that Azurite does not give

    @pytest.mark.parametrize(
        "case",
        [
            (503, "ServerBusy", PassingError, "Azure answers ServerBusy"),
            (500, "OperationTimedOut", PassingError, "Azure answers OperationTimedOut"),
            (429, "TooManyRequests", PassingError, "Azure answers TooManyRequests"),
            (400, "Md5Mismatch", PassingError, "Azure answers Md5Mismatch"),
            (403, "AuthorizationPermissionMismatch", DeniedError, "access denied: the right to write"),
            (403, "AuthenticationFailed", UnusableError, "the key, signature or token is not accepted, or has expired"),
            (403, "KeyBasedAuthenticationNotPermitted", UnusableError, "the account does not accept keys"),
            (403, "AccountIsDisabled", UnusableError, "the account is disabled"),
            (404, "ContainerNotFound", UnusableError, "there is no container drop"),
            (409, "BlobAlreadyExists", TakenError, "a.bin"),
            (412, "ConditionNotMet", TakenError, "a.bin"),
            (409, "BlobImmutableDueToPolicy", StoreError, "Azure answers BlobImmutableDueToPolicy"),
            (502, "", PassingError, "Azure answers 502"),
        ],
    )
    def test_an_answer_is_told_for_what_it_is(
        self, case: tuple[int, str, type[StoreError], str], cloud: Azure, tmp_path: Path
    ) -> None:
        """SPEC 10: what may pass is told from what cannot, each in one sentence; nothing is asked twice by the library
        itself.
        """
        status, code, kind, said = case
        content = (
            f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code><Message>no</Message></Error>"
            if code
            else ""
        )
        with (
            answering(status, content, x_ms_error_code=code, Content_Type="application/xml") as port,
            pytest.raises(StoreError) as caught,
        ):
            store(cloud, **cloud.connection(port)).put(sent(tmp_path, b"x", "a.bin"), replace=False)
        assert type(caught.value) is kind
        assert str(caught.value).startswith(said)
