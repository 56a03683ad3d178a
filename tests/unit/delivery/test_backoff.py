"""When to try again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.delivery.backoff import FIRST, MOST, backoff

CHANCES = st.floats(min_value=0, max_value=1, exclude_max=True)
FIVE_MINUTES = timedelta(minutes=5)


@pytest.mark.req("CORE-TI-18")
def test_pauses_double_from_one_second_to_one_minute() -> None:
    pauses = [backoff(attempts, chance=0.5).total_seconds() for attempts in range(1, 10)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])


@given(attempts=st.integers(min_value=1, max_value=10**9), chance=CHANCES)
def test_a_pause_is_never_nothing_and_never_much_more_than_a_minute(attempts: int, chance: float) -> None:
    assert FIRST * 0.8 <= backoff(attempts, chance=chance) <= MOST * 1.2


@given(attempts=st.integers(min_value=1, max_value=40), chance=CHANCES)
def test_the_next_pause_is_no_shorter_at_the_same_chance(attempts: int, chance: float) -> None:
    assert backoff(attempts + 1, chance=chance) >= backoff(attempts, chance=chance)


@given(
    attempts=st.integers(min_value=1, max_value=40),
    chance=CHANCES,
    asked=st.floats(min_value=-1e9, max_value=1e9, allow_nan=False),
)
def test_what_the_other_side_asks_for_is_kept_to_but_no_case_waits_longer_than_five_minutes(
    attempts: int, chance: float, asked: float
) -> None:
    own, pause = backoff(attempts, chance=chance), backoff(attempts, chance=chance, retry_after=asked)
    assert own <= pause <= max(own, FIVE_MINUTES)
    if 0 <= asked <= 300:
        assert pause >= timedelta(seconds=asked)


@pytest.mark.parametrize("attempts", [0, -1])
def test_a_pause_follows_a_try(attempts: int) -> None:
    with pytest.raises(ValueError, match="at least one try"):
        backoff(attempts, chance=0.5)
