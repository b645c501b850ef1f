"""All that a command and the tests' own processes load, loaded once by the server that they are forked from.

No thread of Polars is started here. What is forgotten here is loaded by each process anew, which takes longer than most commands.
"""

from importlib import import_module
from pathlib import Path

from activation.store_s3 import S3Store
from activation.workspace import Destination
from cli import remembered
from cli.app import whole_command

for name in (
    *("asyncio", "email.feedparser", "encodings.ascii", "encodings.utf_8_sig", "unittest.mock", "yaml", "filelock"),
    *("workshop", "fuzzing", "held", "killing", "leaving"),  # where the work of such processes is said
    *("polars", "polars._utils.parquet", "polars_hash", "pyarrow.parquet", "pydantic.type_adapter", "pydantic.json_schema"),
    *("asyncssh", "boto3", "tenacity", "activation.remote", "activation.store_sftp", "activation.store_s3"),
    *("rich.progress", "typer._adapters", "typer._click.decorators", "activation.config", "activation.redeliver", "schedules.check"),
    *(f"cli.{module}" for module in ("checking", "commands", "context", "jobs", "keeping", "listing", "logs", "main", "progress")),
    *(f"cli.{module}" for module in ("render", "shapes", "validation", "working", "writing_again")),
    "rich._emoji_codes",
):
    import_module(name)
whole_command()
remembered._software()  # noqa: SLF001  # it is the same for all
S3Store(Destination("any", "any", "s3://any", {"endpoint": "http://127.0.0.1:1"}), Path())  # asks nobody; reads AWS's descriptions
