"""Keep the values of environment variables out of messages, logs and state (SPEC 2)."""

from collections.abc import Iterator, Mapping

_SHORTEST = 6  # characters; shorter values are no secrets, and replacing them would garble numbers and words


class RecordingEnviron(Mapping[str, str]):
    """An environment that records in ``used`` each variable that was read from it, with its value."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.used: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        value = self._environ[name]
        self.used[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)

    def __contains__(self, name: object) -> bool:
        return name in self._environ


def redact(text: str, variables: Mapping[str, str]) -> str:
    """The text with ``${NAME}`` in the place of each variable's value; longest values first."""
    for name, value in sorted(variables.items(), key=lambda item: len(item[1]), reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, f"${{{name}}}")
    return text


def redact_error(error: BaseException, variables: Mapping[str, str]) -> None:
    """Redact the variables' values in the arguments of an error, in place."""
    error.args = tuple(redact(each, variables) if isinstance(each, str) else each for each in error.args)
