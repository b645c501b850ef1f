"""All that a command and the tests' own processes load, loaded once by the server that they are forked from.

No thread of Polars is started here. What is forgotten here is loaded by each process anew, which takes longer than most
commands.
"""

from importlib import import_module
from pathlib import Path

from muster.activation.model.workspace import Destination
from muster.activation.stores.s3.store import S3Store
from muster.cli import commands
from muster.cli.app import reader_of
from muster.runs import config_cache

for name in (
    *("asyncio", "email.feedparser", "encodings.ascii", "encodings.utf_8_sig", "unittest.mock", "yaml", "filelock"),
    *(
        f"support.{module}" for module in ("shop", "fuzz", "permissions", "kills", "crash_points", "outbox_process")
    ),  # where the work of such processes is said
    *(
        "polars",
        "polars._utils.parquet",
        "polars_hash",
        "pyarrow.parquet",
        "pydantic.type_adapter",
        "pydantic.json_schema",
    ),
    *(
        "asyncssh",
        "boto3",
        "tenacity",
        "muster.activation.destinations.remote",
        "muster.activation.stores.sftp.store",
        "muster.activation.stores.s3.store",
        "muster.activation.endpoints.http.client",
        "muster.activation.outbox.send",
        "muster.runs.message_batch",
    ),
    *(
        "rich.progress",
        "typer._adapters",
        "typer._click.decorators",
        "muster.activation.config.workspace",
        "muster.activation.redelivery.redeliver",
        "muster.schedules.check",
    ),
    *(
        f"muster.cli.{module}"
        for module in ("commands", "main", "process.logs", "process.progress", "show.reports", "shapes.runs")
    ),
    *(f"muster.runs.{module}" for module in ("opening", "planning", "validation", "work")),
    "rich._emoji_codes",
):
    import_module(name)
for name in ("", *commands.NAMES):
    reader_of(name)
config_cache._software()  # noqa: SLF001  # it is the same for all
S3Store(
    Destination("any", "any", "s3://any", {"endpoint": "http://127.0.0.1:1"}), Path()
)  # asks nobody; reads AWS's descriptions
