"""Other programs' placeholders in file names, ``%DESTINATION_NAME%`` and ``%Y%m%d`` among them, and what to write (F1).

A name taken over as it is would give every file the macro's text for a name, and each would replace the one before.
"""

import re
from collections.abc import Iterator, Sequence

from muster.activation.errors import did_you_mean
from muster.activation.model.name_times import DIRECTIVES, from_letters

_MACRO = re.compile(r"%([A-Za-z][A-Za-z0-9_.-]*)(?:\(([^()%]*)\))?%")
_DIRECTIVES = re.compile(rf"(?:%[{DIRECTIVES}][-_.: T]?){{1,}}%[{DIRECTIVES}]")

# Macros of Adobe's platform, old and new, and names that are near
_SAME = {
    "destination": "{destination}",
    "destination_id": "{destination}",
    "destination_name": "{destination_name}",
    "destination_instance_id": "{destination}",
    "destination_instance_name": "{destination_name}",
    "segment_id": "{audience_id}",
    "segment_name": "{audience_name}",
    "audience": "{audience_id}",
    "audience_id": "{audience_id}",
    "audience_name": "{audience_name}",
    "organization_name": "{workspace}",
    "sandbox_name": "{workspace}",
    "timestamp": "{timestamp}",
    "export_time": "{datetime}",
    "flow_run_id": "{run_id}",
    "flowrunid": "{run_id}",
    "datetime": "{datetime}",
    "date": "{date}",
    "time": "{datetime:%H%M%S}",
}
_OWN_TEXT = ("custom_text", "custom")


def foreign_mistakes(template: str, known: Sequence[str]) -> Iterator[str]:
    """A sentence for each placeholder of another program outside braces, with the one of ours to write.

    ``template`` has no placeholders of ours any more; ``known`` are their names.
    """
    taken: list[tuple[int, int]] = []
    for match in _DIRECTIVES.finditer(template):
        taken.append(match.span())
        yield f"{match[0]!r} is a pattern outside braces; write {{datetime:{match[0]}}}"
    for match in _MACRO.finditer(template):
        if not any(start < match.end() and match.start() < end for start, end in taken):
            yield f"{match[0]!r} is a placeholder of another program; {_advice(match[1], match[2], known)}"


def _advice(name: str, argument: str | None, known: Sequence[str]) -> str:
    word = name.lower().replace("-", "_")
    if word in ("datetime", "date", "time", "timestamp") and argument:
        return f"write {{{'date' if word == 'date' else 'datetime'}:{from_letters(argument)}}}"
    if word in _SAME:
        return f"write {_SAME[word]}"
    if word in known:
        return f"write {{{word}}}"
    if word in _OWN_TEXT:
        return "write the text itself"
    return f"placeholders are written in braces, such as {{date}}{did_you_mean(word, known) or _listed(known)}"


def _listed(known: Sequence[str]) -> str:
    return f"; known are {', '.join(f'{{{each}}}' for each in known)}"
