"""``hooks`` of muster.yml: the commands that are told what a command did (SPEC 9)."""

from collections.abc import Mapping

from muster.activation.config.base_models import Model
from muster.activation.config.models import HooksModel
from muster.activation.config.parse import parse
from muster.activation.config.sources import SETTINGS_FILE, Sources
from muster.activation.config.yaml_reader import Document, read_document
from muster.activation.model.redaction import RecordingEnviron

Words = tuple[str, ...]  # of a command: the program, then its arguments


class _HooksAlone(Model, extra="ignore"):
    """muster.yml, of which only the hooks are looked at."""

    hooks: HooksModel | None = None


def build_hooks(document: Document, model: HooksModel | None) -> dict[str, Words]:
    """The words of each hook that is set, in the order in which hooks run; a mistake is reported in the document."""
    hooks: dict[str, Words] = {}
    for event in HooksModel.model_fields:
        words = getattr(model, event, None)
        if words is None:
            continue
        if not words or (words[0] is not None and not words[0].strip()):
            document.report(
                ("hooks", event), "names no program; expected a program and its arguments, such as [./notify.sh, night]"
            )
        elif None not in words:
            hooks[event] = tuple(words)
    return hooks


def read_hooks(sources: Sources, environ: Mapping[str, str]) -> tuple[dict[str, Words], Mapping[str, str]]:
    """The hooks of a workspace whose files have mistakes, and the variables in them.

    A hook that cannot be read is left out; none can when muster.yml is no YAML.
    """
    recorded = RecordingEnviron(environ)
    if SETTINGS_FILE not in sources.files:
        return {}, {}
    document = read_document(SETTINGS_FILE, sources.files[SETTINGS_FILE], recorded)
    model = parse(_HooksAlone, document)
    return build_hooks(document, model.hooks) if model else {}, recorded.used
