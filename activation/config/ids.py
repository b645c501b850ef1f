"""The ids of audiences, destinations, policies and sources: from ``id:`` or the file's name (SPEC 2)."""

from pathlib import PurePosixPath

from muster.activation.config.base_models import Model
from muster.activation.config.scalars import ID, ID_WORDS
from muster.activation.config.yaml_reader import Document


def stem(document: Document) -> str:
    """The file's name without folder and suffix, which is the id when no ``id:`` is written (SPEC 2)."""
    return PurePosixPath(document.file).stem


def identify(document: Document, model: Model) -> str | None:
    """The id of a file: ``id:``, else the file's stem; None after reporting a wrong stem."""
    if "id" in model.model_fields_set:
        written: str | None = getattr(model, "id", None)
        return written
    name = stem(document)
    if not ID.fullmatch(name):
        document.report((), f"the file's name {name!r} is not {ID_WORDS}; rename the file or write an id")
        return None
    return name


def clash(noun: str, name: str, first: str, where: str) -> str:
    """The message for an id that another noun of its kind has, letter case aside (SPEC 2)."""
    if name == first:
        return f"the {noun} id {name!r} is taken, {where}; give one of them another id"
    return f"the {noun} id {name!r} differs only in letter case from {first!r}, {where}; give one of them another id"
