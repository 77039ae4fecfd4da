"""Trying again what may pass."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from jobyard.domain.errors import Failure
from jobyard.domain.files import masked

_T = TypeVar("_T")

_MAX_WAIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, and after which pause, doubled each time."""

    tries: int = 5
    pause_s: float = 0.5


class TryAgainError(Exception):
    """What went wrong may pass. The message is the reason; `wait_s` is what the server asked for."""

    def __init__(self, message: str, wait_s: float = 0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


async def retried(url: str, retry: Retry, action: Callable[[], Awaitable[_T]]) -> _T:
    """The result of the action, repeated after a `TryAgainError`. Raises `Failure` after the last."""
    left = retry.tries
    while True:
        left -= 1
        try:
            return await action()
        except TryAgainError as error:
            if not left:
                raise Failure(f"{masked(url)}: {error}", passing=True) from error
            jitter = 0.5 + random.random()  # noqa: S311 - no secret
            pause_s = retry.pause_s * 2 ** (retry.tries - 1 - left) * jitter
            await asyncio.sleep(min(_MAX_WAIT_S, max(error.wait_s, pause_s)))
