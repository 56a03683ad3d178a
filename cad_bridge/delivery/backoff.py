"""When to try again: a pure function of the number of tries and a random number."""

from __future__ import annotations

from datetime import timedelta

FIRST = timedelta(seconds=1)
MOST = timedelta(seconds=60)
_JITTER = 0.2


def backoff(attempts: int, *, chance: float, retry_after: float | None = None) -> timedelta:
    """The pause after the `attempts`-th try (from 1): doubling from one second to one minute, 20 % of it by chance.

    `chance` is uniform in [0, 1). A `retry_after` that the other side asked for, in seconds, is kept to where it is
    longer, but never beyond five minutes: a case is waiting.
    """
    if attempts < 1:
        raise ValueError("a pause follows at least one try")
    pause: timedelta = min(FIRST * 2 ** min(attempts - 1, 10), MOST)
    pause *= 1 - _JITTER + 2 * _JITTER * chance
    if retry_after is None:
        return pause
    return max(pause, timedelta(seconds=min(max(retry_after, 0.0), 300.0)))
