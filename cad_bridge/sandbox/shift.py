"""The scripted shift: a CAD that drives a running service through its local API alone and checks what it is told."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from .cad_requests import early_body, referral_body, told_more, validation_body
from .clock import Clock, ScaledClock
from .event_feed import EventFeed
from .identity import DOS_SERVICE_ID, Json
from .local_api import CreatedCase, LocalApi, LocalApiError
from .scenarios import case_number
from .stories import CAD_TO_CAD_STORIES, VALIDATION_STORIES, Acknowledge, Expect, Story, StoryStep, TellMore
from .synthetic import PEOPLE

Progress = Callable[[str, str, str], None]
"""Hears (story, step, detail): `requested`, each event met, `acknowledge`, `stuck`; at the end `passed`, `failed`."""


@dataclass(frozen=True)
class ShiftConfig:
    """Whom to talk to, and how long stories take."""

    base_url: str
    """Root of the service, without `/api/v1`."""
    cad_key: str
    dispatcher_key: str | None = None
    """Acknowledges escalations; the CAD's key where there is none."""
    acknowledged_by: str = "Demo Dispatcher"
    sender: str = f"{DOS_SERVICE_ID}|2000000011"
    cas: str = f"{DOS_SERVICE_ID}|2000000021"
    supporting_ast: str = f"{DOS_SERVICE_ID}|2000000012"
    organisation: str = "YAS"
    """Begins the case numbers."""
    breach_after: float = 8.0
    """Seconds to the breach time of the story that breaches."""
    patience: float = 1.0
    """Factor on every deadline, for a slow machine."""
    poll_interval: float = 0.2
    include_cad_to_cad: bool = False
    clock: Clock = field(default_factory=ScaledClock)

    @property
    def stories(self) -> tuple[Story, ...]:
        """What is played."""
        return VALIDATION_STORIES + (CAD_TO_CAD_STORIES if self.include_cad_to_cad else ())


@dataclass(frozen=True)
class StoryResult:
    """How one story went."""

    story: str
    title: str
    passed: bool
    case_number: str
    case_id: str | None
    """None where the service never created the case."""
    steps_met: int
    reason: str | None
    """What was missing or wrong, None when it passed."""
    events: tuple[str, ...]
    """The types of the events of the case, in order."""
    seconds: float


@dataclass(frozen=True)
class ShiftSummary:
    """How the shift went."""

    results: tuple[StoryResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every story passed."""
        return all(result.passed for result in self.results)


class StoryError(Exception):
    """A story went otherwise than it should."""


async def play_shift(config: ShiftConfig, on_progress: Progress | None = None) -> ShiftSummary:
    """Plays every story at the same time. Raises LocalApiError where the event list cannot be read at all."""
    api = LocalApi(config.base_url, cad_key=config.cad_key, dispatcher_key=config.dispatcher_key)
    feed = EventFeed(api, poll_interval=config.poll_interval)
    try:
        await feed.catch_up()
        following = asyncio.create_task(feed.follow())
        try:
            plays = [_Play(config, story, api, feed, on_progress or _silent) for story in config.stories]
            await asyncio.gather(*(play.run() for play in plays))
            results = tuple(play.result() for play in plays)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        return ShiftSummary(results)
    finally:
        await api.aclose()


class _Play:
    """One story on its way."""

    def __init__(self, config: ShiftConfig, story: Story, api: LocalApi, feed: EventFeed, progress: Progress) -> None:
        self._config = config
        self._story = story
        self._api = api
        self._feed = feed
        self._progress = progress
        self._started_at = config.clock.now()
        self._ended_at = self._started_at
        self._breach_at = self._started_at + timedelta(seconds=config.breach_after if story.breaches else 2400)
        self._case_number = case_number(
            story.name,
            organisation=config.organisation,
            day=f"{self._started_at:%Y%m%d}",
            serial=secrets.randbelow(10_000),
        )
        self._case: CreatedCase | None = None
        self._full: Json = {}
        self._told: Json = {}
        """What there is to tell of a referral, and what has been told of it."""
        self._used: list[int] = []
        self._escalation_id: str | None = None
        self._steps_met = 0
        self._failure: str | None = None

    async def run(self) -> None:
        """Plays the story to its end or to its first failure."""
        try:
            self._case = await self._ask()
            self._progress(self._story.name, "requested", self._case_number)
            for step in self._story.steps:
                await self._take(step, self._case.id)
                self._steps_met += 1
        except (StoryError, LocalApiError) as error:
            self._failure = str(error)
            self._progress(self._story.name, "stuck", self._failure)
        self._ended_at = self._config.clock.now()

    def result(self) -> StoryResult:
        """The outcome; what must never come, or come once, is judged on everything that came during the shift."""
        events = tuple(str(event["type"]) for event in self._feed.of(self._case.id)) if self._case else ()
        reason = self._failure or self._miscounted(events)
        self._progress(self._story.name, "failed" if reason else "passed", reason or self._story.title)
        return StoryResult(
            story=self._story.name,
            title=self._story.title,
            passed=reason is None,
            case_number=self._case_number,
            case_id=self._case.id if self._case else None,
            steps_met=self._steps_met,
            reason=reason,
            events=events,
            seconds=(self._ended_at - self._started_at).total_seconds(),
        )

    def _miscounted(self, events: tuple[str, ...]) -> str | None:
        for forbidden in self._story.never:
            if forbidden in events:
                return f"{forbidden} came, and must not"
        for single in self._story.once:
            if events.count(single) != 1:
                return f"{single} came {events.count(single)} times"
        return None

    async def _take(self, step: StoryStep, case_id: str) -> None:
        match step:
            case Expect():
                await self._expect(step, case_id)
            case TellMore():
                await self._tell_more(step, case_id)
            case Acknowledge():
                await self._acknowledge(case_id)

    async def _ask(self) -> CreatedCase:
        place = [story.name for story in self._config.stories].index(self._story.name)
        person = PEOPLE[-1] if self._story.use_case == "a6t1" else PEOPLE[place % len(PEOPLE)]
        if self._story.use_case == "a4t1":
            return await self._api.request_validation(
                validation_body(
                    sender=self._config.sender,
                    receiver=self._config.cas,
                    case_number=self._case_number,
                    person=person,
                    summary=self._story.summary,
                    now=self._started_at,
                    breach_at=self._breach_at,
                )
            )
        self._full = referral_body(
            use_case=self._story.use_case,
            sender=self._config.sender,
            receiver=None if self._story.use_case == "a6t1" else self._config.supporting_ast,
            case_number=self._case_number,
            person=person,
            summary=self._story.summary,
            requested_action=self._story.requested_action,
            now=self._started_at,
        )
        self._told = early_body(self._full) if self._story.early else self._full
        return await self._api.refer(self._told)

    async def _tell_more(self, step: TellMore, case_id: str) -> None:
        self._told = told_more(self._told, self._full, step.stage)
        await self._api.update(case_id, self._told)
        self._progress(self._story.name, step.name, step.stage)

    async def _expect(self, step: Expect, case_id: str) -> None:
        try:
            async with asyncio.timeout(self._seconds_for(step)):
                place, event = await self._feed.wait_for(case_id, lambda at, seen: self._wanted(step, at, seen))
        except TimeoutError:
            raise StoryError(f"{step.name} did not come in time{self._near_miss(step, case_id)}") from None
        _check(step, event)
        self._used.append(place)
        self._escalation_id = event["data"].get("escalation_id", self._escalation_id)
        self._progress(self._story.name, step.name, _detail(event))

    def _wanted(self, step: Expect, place: int, event: Json) -> bool:
        if place in self._used or event["type"] != step.event:
            return False
        in_place = step.anywhere or place > max(self._used, default=-1)
        return in_place and all(event["data"].get(name) == value for name, value in step.data.items())

    def _near_miss(self, step: Expect, case_id: str) -> str:
        """Names what an event of the right type had instead; never text of the case."""
        for event in self._feed.of(case_id):
            wrong = [name for name, value in step.data.items() if event["data"].get(name) != value]
            if event["type"] == step.event and wrong:
                return f"; one came with another {', '.join(wrong)}"
        return ""

    def _seconds_for(self, step: Expect) -> float:
        start = self._config.clock.now()
        counted_from = max(start, self._breach_at) if step.after_breach else start
        return (counted_from - start).total_seconds() + step.within * self._config.patience

    async def _acknowledge(self, case_id: str) -> None:
        if self._escalation_id is None:
            raise StoryError("no escalation came that could be acknowledged")
        await self._api.acknowledge(case_id, self._escalation_id, by=self._config.acknowledged_by)
        self._progress(self._story.name, "acknowledge", self._config.acknowledged_by)


def _check(step: Expect, event: Json) -> None:
    missing = [name for name in step.holding if event["data"].get(name) in (None, "", [], {})]
    if missing:
        raise StoryError(f"{step.name} lacks {', '.join(missing)}")
    wrong = step.check(event) if step.check else None
    if wrong:
        raise StoryError(f"{step.name}: {wrong}")


def _detail(event: Json) -> str:
    """The one thing worth showing of an event; numbers, codes and times only."""
    for name in ("remote_case_number", "new_cad_id", "status", "dispatch_by", "by", "escalation_id"):
        if event["data"].get(name):
            return f"{name.replace('_', ' ')} {event['data'][name]}"
    return ""


def _silent(_story: str, _step: str, _detail: str) -> None:
    """Nobody listens."""
