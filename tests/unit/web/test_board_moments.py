"""Times on the board: UK time, countdowns, ages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.web.board.presenters.moments import age, at, countdown, dated, iso, left, level, london, moment_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _zone() -> ZoneInfo:
    try:
        return ZoneInfo("Europe/London")
    except ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zone data to compare with")


@given(st.datetimes(datetime(1996, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_uk_time_is_that_of_the_time_zone_data(moment: datetime) -> None:
    expected = moment.astimezone(_zone())
    local, zone = london(moment)
    assert (local.replace(tzinfo=None), zone) == (expected.replace(tzinfo=None), expected.tzname())


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-03-29T00:59:59+00:00", "29 Mar 2026 00:59:59 GMT"),
        ("2026-03-29T01:00:00+00:00", "29 Mar 2026 02:00 BST"),
        ("2026-10-25T00:59:00+00:00", "25 Oct 2026 01:59 BST"),
        ("2026-10-25T01:00:00+00:00", "25 Oct 2026 01:00 GMT"),
        ("1995-07-01T12:00:00+00:00", "1 Jul 1995 12:00 UTC"),
    ],
)
def test_the_clock_change_is_told_by_the_zone(moment: str, text: str) -> None:
    shown = at(datetime.fromisoformat(moment))
    assert shown.text == text
    assert shown.iso == moment.replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON + timedelta(hours=1), "13:00 GMT"),
        (NOON + timedelta(days=1), "22 Nov 12:00 GMT"),
        (NOON + timedelta(days=300), "17 Sep 2027 13:00 BST"),
        (NOON + timedelta(seconds=5), "12:00:05 GMT"),
    ],
)
def test_what_is_the_same_as_today_is_left_out(moment: datetime, text: str) -> None:
    assert at(moment, today=NOON).text == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (252, "04:12"),
        (251.2, "04:12"),
        (0.1, "00:01"),
        (0, "00:00"),
        (-0.9, "00:00"),
        (-3, "\N{MINUS SIGN}00:03"),
        (3852, "1:04:12"),
        (-3600, "\N{MINUS SIGN}1:00:00"),
        (47 * 3600 + 3599, "47:59:59"),
        (48 * 3600, "2 days"),
        (-400 * 86400, "\N{MINUS SIGN}400 days"),
    ],
)
def test_what_is_left_in_figures(seconds: float, text: str) -> None:
    assert left(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "expected", "word"),
    [
        (901, "calm", "in time"),
        (900, "soon", "soon"),
        (301, "soon", "soon"),
        (300, "urgent", "urgent"),
        (0.1, "urgent", "urgent"),
        (0, "over", "breached"),
        (-1, "over", "breached"),
    ],
)
def test_urgency_is_said_in_words(seconds: float, expected: str, word: str) -> None:
    count = countdown(NOON + timedelta(seconds=seconds), now=NOON, label="to breach", passed="breached")
    assert (level(seconds), count.level, count.word) == (expected, expected, word)


@pytest.mark.parametrize(
    ("text", "shown", "stamp"),
    [
        ("2026-11-21", "21 Nov 2026", "2026-11-21"),
        ("1951-03", "Mar 1951", "1951-03"),
        ("2026-07-01T12:00:00Z", "1 Jul 2026 13:00 BST", "2026-07-01T12:00:00Z"),
    ],
)
def test_dates_of_the_content(text: str, shown: str, stamp: str) -> None:
    found = dated(text)
    assert found is not None
    assert (found.text, found.iso) == (shown, stamp)


@pytest.mark.parametrize("text", ["1951", "soon", "2026-13", "2026-02-30", "2026-11-21T12:00:00", "Tuesday T"])
def test_what_is_no_full_date_is_left_as_it_is(text: str) -> None:
    assert dated(text) is None
    assert moment_of(text) is None


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ("1951-03-14", "75 years"),
        ("1951-11-22", "74 years"),
        ("2025-11-21", "12 months"),
        ("2026-11-01", "20 days"),
        ("2026-11-20", "1 day"),
        ("2026-11-22", None),
        ("1851-01-01", None),
        ("1951-03", None),
    ],
)
def test_age_in_the_unit_that_matters(born: str, expected: str | None) -> None:
    assert age(born, today=NOON) == expected


def test_iso_is_utc_with_a_z() -> None:
    assert iso(datetime.fromisoformat("2026-07-01T13:00:00+01:00")) == "2026-07-01T12:00:00Z"
