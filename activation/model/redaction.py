"""Values of environment variables kept out of messages, logs and state (SPEC 2). Pure."""

from collections.abc import Iterator, Mapping

_SHORTEST = 6  # a shorter value is no secret, and taking it out would garble numbers and words


class Recorded(Mapping[str, str]):
    """An environment that remembers which variables were taken from it."""

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


def hide(text: str, variables: Mapping[str, str]) -> str:
    """The text with the value of each variable as ``${NAME}``, longest first."""
    for name, value in sorted(variables.items(), key=lambda item: len(item[1]), reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, f"${{{name}}}")
    return text


def hide_in(error: BaseException, variables: Mapping[str, str]) -> None:
    """Take those values out of an error's words."""
    error.args = tuple(hide(each, variables) if isinstance(each, str) else each for each in error.args)
