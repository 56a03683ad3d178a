"""Passwords, the throttle, shared looks at the database, and what no file of the board may contain."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher, extract_parameters

from cad_bridge.clock import ManualClock
from cad_bridge.web.board import passwords
from cad_bridge.web.board.pages import HERE, STATIC, error_page
from cad_bridge.web.board.passwords import FAILURES_ALLOWED, LOCKED_FOR, Passwords, Throttle
from cad_bridge.web.board.presenters import moments
from cad_bridge.web.board.sharing import Gathered, Shared
from cad_bridge.web.board.signin import _inside
from cad_bridge.web.context import User

CHEAP = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)


def users() -> dict[str, User]:
    user = User(username="dot", name="Dot", password_hash=CHEAP.hash("right"), services=("s",), roles=frozenset())
    return {"dot": user}


async def test_only_the_right_password_of_a_user_fits() -> None:
    checked = Passwords(users())
    assert (await checked.user("dot", "right")) == checked._users["dot"]
    assert await checked.user("dot", "wrong") is None
    assert await checked.user("nobody", "right") is None
    assert await checked.user("dot", "") is None


async def test_a_very_long_password_is_refused_and_not_hashed_whole() -> None:
    long = "x" * (passwords.LONGEST_PASSWORD + 1)
    known = users()["dot"]
    held = User(
        username="dot", name="Dot", password_hash=CHEAP.hash(long[:-1]), services=known.services, roles=known.roles
    )
    checked = Passwords({"dot": held})
    assert await checked.user("dot", long[:-1]) == held
    assert await checked.user("dot", long) is None


def test_the_hash_of_nobody_costs_the_same_to_check() -> None:
    assert extract_parameters(Passwords(users())._nobodys) == extract_parameters(CHEAP.hash("x"))


@pytest.mark.parametrize("known", [True, False])
async def test_an_unknown_name_is_checked_all_the_same(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = Passwords(users())
    seen: list[str] = []

    def fits(password_hash: str, password: str) -> bool:
        seen.append(password_hash)
        return False

    monkeypatch.setattr(checked, "_fits", fits)
    await checked.user("dot" if known else "nobody", "guess")
    assert seen == [checked._users["dot"].password_hash if known else checked._nobodys]


def test_five_failures_lock_a_name_for_a_minute_after_the_last() -> None:
    clock = ManualClock(datetime(2026, 11, 21, tzinfo=UTC))
    throttle = Throttle(clock)
    for _ in range(FAILURES_ALLOWED):
        assert throttle.locked_for("dot") is None
        throttle.failed("dot")
    assert throttle.locked_for("dot") == LOCKED_FOR
    assert throttle.locked_for("other") is None
    clock.advance(timedelta(seconds=59))
    assert throttle.locked_for("dot") == timedelta(seconds=1)
    clock.advance(timedelta(seconds=1))
    assert throttle.locked_for("dot") is None
    throttle.failed("dot")
    assert throttle.locked_for("dot") == LOCKED_FOR
    throttle.succeeded("dot")
    assert throttle.locked_for("dot") is None


def test_the_throttle_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "REMEMBERED", 3)
    throttle = Throttle(ManualClock(datetime(2026, 11, 21, tzinfo=UTC)))
    for name in "abcd":
        throttle.failed(name)
    assert list(throttle._failures) == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("then", "where"),
    [
        ("/board/cases/1", "/board/cases/1"),
        ("", "/board"),
        ("https://elsewhere.example", "/board"),
        ("//elsewhere.example/board/", "/board"),
        ("/board/\\elsewhere.example", "/board"),
        ("/board/../api", "/board/../api"),
        ("/boards", "/board"),
        ("/board//x", "/board"),
        ("/board/\r\nSet-Cookie: x", "/board"),
    ],
)
def test_signing_in_leads_to_no_other_site(then: str, where: str) -> None:
    assert _inside(then) == where


# --- one look for all ------------------------------------------------------------------------------

KEY = "s"


class Looks:
    """Counts the looks and answers with what was committed when each began."""

    def __init__(self) -> None:
        self.committed = 0
        self.began: list[int] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.has_begun = asyncio.Event()
        self.fails = False

    async def __call__(self, key: str) -> int:
        self.began.append(self.committed)
        self.has_begun.set()
        seen = self.committed
        await self.may_end.wait()
        if self.fails:
            raise LookupError("the database is away")
        return seen


async def test_all_who_ask_at_once_share_one_look() -> None:
    looks = Looks()
    shared = Shared(looks, fresh=60, pause=0)
    assert await asyncio.gather(*(shared.get(KEY) for _ in range(50))) == [0] * 50
    assert looks.began == [0]


async def test_nobody_gets_what_was_seen_before_the_last_notification() -> None:
    looks = Looks()
    shared = Shared(looks, fresh=60, pause=0)
    assert await shared.get(KEY) == 0
    looks.committed = 1
    assert await shared.get(KEY) == 0
    shared.changed()
    assert await shared.get(KEY) == 1
    assert looks.began == [0, 1]


async def test_a_look_that_began_before_the_notification_is_not_enough() -> None:
    looks = Looks()
    shared = Shared(looks, fresh=60, pause=0)
    looks.may_end.clear()
    first = asyncio.create_task(shared.get(KEY))
    await looks.has_begun.wait()
    looks.committed = 1
    shared.changed()
    second = asyncio.create_task(shared.get(KEY))
    await asyncio.sleep(0)
    looks.may_end.set()
    assert await first == 0
    assert await second == 1


async def test_what_is_too_old_is_looked_at_again() -> None:
    looks = Looks()
    shared = Shared(looks, fresh=-1, pause=0)
    await shared.get(KEY)
    looks.committed = 1
    assert await shared.get(KEY) == 1


async def test_a_failed_look_fails_those_who_asked_and_nobody_after_them() -> None:
    looks = Looks()
    shared = Shared(looks, fresh=60, pause=0)
    looks.fails = True
    with pytest.raises(LookupError):
        await shared.get(KEY)
    looks.fails = False
    assert await shared.get(KEY) == 0


async def test_one_who_leaves_takes_the_look_from_nobody() -> None:
    looks = Looks()
    shared = Shared(looks, fresh=60, pause=0)
    looks.may_end.clear()
    leaving, staying = (asyncio.create_task(shared.get(KEY)) for _ in range(2))
    await looks.has_begun.wait()
    leaving.cancel()
    looks.may_end.set()
    assert await staying == 0
    assert looks.began == [0]


async def test_no_look_outlives_the_board() -> None:
    looks = Looks()
    shared = Shared(looks, fresh=60, pause=0)
    looks.may_end.clear()
    waiting = asyncio.create_task(shared.get(KEY))
    await looks.has_begun.wait()
    await shared.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_all_who_ask_meanwhile_are_answered_by_one_question_that_began_later() -> None:
    may_end, has_begun, asked = asyncio.Event(), asyncio.Event(), []

    async def look(keys: Collection[str]) -> dict[str, int]:
        asked.append(sorted(keys))
        has_begun.set()
        await may_end.wait()
        return {key: len(asked) for key in keys if key != "unknown"}

    gathered = Gathered(look)
    first = asyncio.create_task(gathered.get("a"))
    await has_begun.wait()
    later = [asyncio.create_task(gathered.get(key)) for key in ("a", "b", "b", "unknown")]
    await asyncio.sleep(0)
    may_end.set()
    assert await first == 1
    assert await asyncio.gather(*later) == [2, 2, 2, None]
    assert asked == [["a"], ["a", "b", "unknown"]]


async def test_a_question_that_fails_fails_those_who_asked_it_and_nobody_after_them() -> None:
    failing = [True]

    async def look(keys: Collection[str]) -> dict[str, str]:
        if failing.pop() if failing else False:
            raise LookupError("the database is away")
        return dict.fromkeys(keys, "found")

    gathered = Gathered(look)
    with pytest.raises(LookupError):
        await gathered.get("a")
    assert await gathered.get("a") == "found"


async def test_no_question_outlives_the_board() -> None:
    has_begun = asyncio.Event()

    async def look(_: Collection[str]) -> dict[str, int]:
        has_begun.set()
        await asyncio.Event().wait()
        return {}

    gathered = Gathered(look)
    asking = asyncio.create_task(gathered.get("a"))
    await has_begun.wait()
    asking_later = asyncio.create_task(gathered.get("b"))
    await asyncio.sleep(0)
    await gathered.close()
    for waiting in (asking, asking_later):
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- files -----------------------------------------------------------------------------------------

TEMPLATES = sorted((HERE / "templates").glob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_script_or_style_stands_in_a_page(path: object) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", text, re.IGNORECASE)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text)


def test_no_text_is_ever_cut_by_the_style_sheet() -> None:
    css = re.sub(r"/\*.*?\*/", "", (STATIC / "board.css").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.search(
        r"text-overflow|line-clamp|overflow(?:-[xy])?\s*:\s*(?:hidden|clip)|max-height|@import|url\(", css
    )


def test_the_script_asks_no_other_host_and_writes_no_html() -> None:
    script = (STATIC / "board.js").read_text(encoding="utf-8")
    assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)


def test_the_script_spells_and_judges_times_as_the_server_does() -> None:
    script = (STATIC / "board.js").read_text(encoding="utf-8")
    assert f"hours >= {moments._IN_DAYS_FROM_HOURS}" in script
    assert "Math.ceil(seconds)" in script


@pytest.mark.parametrize(
    ("path", "is_ours"), [("/board", True), ("/board/x", True), ("/boards", False), ("/api", False)]
)
def test_errors_of_the_board_are_pages(path: str, is_ours: bool) -> None:
    answer = error_page(path, 404)
    assert (answer is not None) is is_ours
    if answer is not None:
        assert answer.status_code == 404
        assert b"no such page or case" in answer.body
