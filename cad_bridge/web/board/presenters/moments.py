"""Times as people read them: stored in UTC, shown in UK time, counted down to from the due time itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FIRST_RULED_YEAR = 1996
"""Since then summer time lasts from the last Sunday in March to the last Sunday in October, 01:00 UTC both."""
_LONGEST_AGO = 130 * 12


def _last_sunday(year: int, month: int) -> datetime:
    end = datetime(year, month, 31, 1, tzinfo=UTC)
    return end - timedelta(days=(end.weekday() + 1) % 7)


def london(moment: datetime) -> tuple[datetime, str]:
    """UK time and its abbreviation, for an aware moment.

    The rule is the Summer Time Order's, written out, because a slim machine may have no time zone data. Moments before
    it held are given in UTC, and say so.
    """
    utc = moment.astimezone(UTC)
    if utc.year < _FIRST_RULED_YEAR:
        return utc, "UTC"
    if _last_sunday(utc.year, 3) <= utc < _last_sunday(utc.year, 10):
        return utc + timedelta(hours=1), "BST"
    return utc, "GMT"


@dataclass(frozen=True, slots=True)
class Shown:
    """A time or date as it stands on a page: `text` for people, `iso` (UTC) for `datetime` and `title`."""

    text: str
    iso: str


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with a Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day(value: date) -> str:
    """``21 Nov 2026``."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def at(moment: datetime, *, today: datetime | None = None) -> Shown:
    """A moment with its zone; what of the date is that of `today` is left out. Seconds stand where there are any."""
    local, zone = london(moment)
    seconds = ":%S" if local.second or local.microsecond else ""
    clock = f"{local.strftime('%H:%M' + seconds)} {zone}"
    now = london(today)[0].date() if today is not None else None
    if now == local.date():
        return Shown(clock, iso(moment))
    when = day(local.date())
    if now is not None and now.year == local.year:
        when = when.removesuffix(f" {local.year}")
    return Shown(f"{when} {clock}", iso(moment))


def dated(text: str) -> Shown | None:
    """A date, partial date or moment of the content; None for any other text."""
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text)
            return at(moment) if moment.tzinfo is not None else None
        if len(text) == len("2026-11"):
            first = date.fromisoformat(f"{text}-01")
            return Shown(f"{_MONTHS[first.month - 1]} {first.year}", text)
        return Shown(day(date.fromisoformat(text)), text) if len(text) == len("2026-11-21") else None
    except ValueError:
        return None


def moment_of(text: object) -> datetime | None:
    """The aware moment that a text of an event's data stands for, if it stands for one."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def age(birth_date: str, *, today: datetime) -> str | None:
    """The age at `today` in the unit that matters: years, months under two years, days under a month."""
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        return None
    now = london(today)[0].date()
    months = (now.year - born.year) * 12 + now.month - born.month - (now.day < born.day)
    if now < born or months > _LONGEST_AGO:
        return None
    if months < 1:
        return _counted((now - born).days, "day")
    return _counted(months, "month") if months < 24 else _counted(months // 12, "year")


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


# --- countdowns ------------------------------------------------------------------------------------

SOON_SECONDS = 15 * 60
URGENT_SECONDS = 5 * 60
_IN_DAYS_FROM_HOURS = 48
MAX_SILENCE_SECONDS = 10
"""How long the server may be silent until the board says that it does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Countdown:
    """What a row counts down to. `left` and `level` are as of the rendering; the browser goes on from `due`."""

    due: Shown
    label: str
    """What happens then: ``to breach``."""
    passed: str
    """The word for a time that has passed: ``breached``."""
    calm: str
    """The word for plenty of time."""
    left: str
    level: str

    @property
    def word(self) -> str:
        """The level in words, so that nobody depends on colours."""
        return {"over": self.passed, "calm": self.calm}.get(self.level) or LEVEL_WORDS[self.level]


LEVEL_WORDS = {"soon": "soon", "urgent": "urgent"}


def countdown(due_at: datetime, *, now: datetime, label: str, passed: str, calm: str = "in time") -> Countdown:
    """Count down to `due_at`."""
    seconds = (due_at - now).total_seconds()
    return Countdown(
        due=at(due_at, today=now), label=label, passed=passed, calm=calm, left=left(seconds), level=level(seconds)
    )


def left(seconds: float) -> str:
    """``04:12``, ``1:04:12``, ``-00:03``, ``3 days``; a second that has begun counts while there is time left."""
    whole = math.ceil(seconds)
    sign, whole = ("\N{MINUS SIGN}", -whole) if whole < 0 else ("", whole)
    hours, rest = divmod(whole, 3600)
    if hours >= _IN_DAYS_FROM_HOURS:
        return f"{sign}{hours // 24} days"
    minutes, rest = divmod(rest, 60)
    return f"{sign}{hours}:{minutes:02}:{rest:02}" if hours else f"{sign}{minutes:02}:{rest:02}"


def level(seconds: float) -> str:
    """``calm``, ``soon``, ``urgent`` or ``over``."""
    if seconds <= 0:
        return "over"
    if seconds <= URGENT_SECONDS:
        return "urgent"
    return "soon" if seconds <= SOON_SECONDS else "calm"
