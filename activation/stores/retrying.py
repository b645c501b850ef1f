"""Requests to a store that are tried again while the failure may pass, and then worded for the user (SPEC 10).

The pauses between tries grow, and chance spreads them. Once a destination was given up, every further request of the
command fails at once with the same reason.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from muster.activation.errors import ExportError
from muster.activation.model.log import logger
from muster.activation.stores.protocol import (
    TAKEN,
    DamagedError,
    PassingError,
    Store,
    StoreError,
    TakenError,
    UnusableError,
)

log = logger("muster.deliver")
S = TypeVar("S", bound=Store)
T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0  # seconds


class RetryingStore(Generic[S]):
    """A store that is opened when it is first needed, and asked up to ``retries`` times more. One thread uses it."""

    def __init__(self, url: str, open_store: Callable[[], S], *, retries: int) -> None:
        self.url = url
        self._open_store = open_store
        self._store: S | None = None
        self._given_up: str | None = None
        self._tries = retries + 1
        self._stopped = threading.Event()

    def ask_again(self) -> None:
        """Make requests again, though the destination was given up before."""
        self._given_up = None

    def stop(self) -> None:
        """End the pauses, and try nothing again: the command is asked to stop."""
        self._stopped.set()

    def close(self) -> None:
        """End the connection."""
        if self._store is not None:
            with suppress(Exception):  # a connection that is broken already, or an interpreter that ends
                self._store.close()

    def do(self, failure: str, request: Callable[[S], T]) -> T:
        """Make a request, again while the failure may pass; ``StoreError`` becomes ``ExportError`` with ``failure``.

        Other errors are raised as they are.
        """
        if self._given_up:
            raise ExportError(f"{self.url}: not tried again in this command: {self._given_up}")
        try:
            answer: T = self._retrying()(self._once, request)
        except TakenError as error:
            raise ExportError(f"{self.url}/{error}: {TAKEN}") from error
        except DamagedError as error:
            reason = "the file in the state folder is not as it was written; the next command writes it again"
            raise ExportError(f"{self.url}: {failure}: {reason}") from error
        except UnusableError as error:  # concerns every request, not this one alone
            self._given_up = str(error)
            raise ExportError(f"{self.url}: {error}") from error
        except PassingError as error:
            self._given_up = str(error)
            tries = f"; tried {self._tries} times" if self._tries > 1 else ""
            raise ExportError(f"{self.url}: {failure}: {error}{tries}") from error
        except StoreError as error:
            raise ExportError(f"{self.url}: {failure}: {error}") from error
        return answer

    def _retrying(self) -> Retrying:
        return Retrying(
            stop=stop_after_attempt(self._tries) | stop_when_event_set(self._stopped),
            wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE) + wait_random(0, _FIRST_PAUSE),
            retry=retry_if_exception_type(PassingError),
            before_sleep=self._before_next_try,
            sleep=sleep_using_event(self._stopped),
            reraise=True,
        )

    def _once(self, request: Callable[[S], T]) -> T:
        if self._store is None:
            self._store = self._open_store()
        return request(self._store)

    def _before_next_try(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        message = "%s: %s; trying again in %.1f s (%d of %d)"
        log.warning(message, self.url, error, pause, state.attempt_number, self._tries - 1)
        self.close()
