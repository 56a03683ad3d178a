"""Who gets onto the board, and what of it they see: sign-in, sessions, services, downloads, headers."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from cad_bridge.clock import ManualClock
from cad_bridge.web.board.state import COOKIE
from tests.acceptance.board_visitor import CLAIRE, USERS, Visitor, visiting
from tests.by_hand import a_clock, by_hand, query, request_to_us
from tests.service import CLINICIAN_KEY, PASSWORD, Running

NOBODY = str(UUID(int=0, version=4))
PAGES = [
    "/board",
    "/board/find",
    "/board/services",
    f"/board/cases/{NOBODY}",
    f"/board/cases/{NOBODY}/messages/{NOBODY}",
]
FETCHED = ["/board/live", "/board/stream", f"/board/cases/{NOBODY}/stream"]
FORMS = [
    f"/board/cases/{NOBODY}/escalations/{NOBODY}/acknowledge",
    f"/board/cases/{NOBODY}/dispatch",
    "/board/sign-out",
]


@pytest.fixture
def clock() -> ManualClock:
    return a_clock()


@pytest.fixture
async def running(database_url: str, clock: ManualClock) -> AsyncIterator[Running]:
    async with by_hand(database_url, clock, user=USERS) as service:
        yield service


@pytest.fixture
async def stranger(running: Running) -> AsyncIterator[Visitor]:
    async with visiting(running) as visitor:
        yield visitor


@pytest.fixture
async def dot(running: Running) -> AsyncIterator[Visitor]:
    async with visiting(running, "dot") as visitor:
        yield visitor


# --- without a session -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_asks_to_sign_in_first_and_goes_on_there(stranger: Visitor, path: str) -> None:
    answer = await stranger.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/board/sign-in?then={path}"


@pytest.mark.parametrize("path", FETCHED)
async def test_what_a_script_fetches_says_that_nobody_is_signed_in(stranger: Visitor, path: str) -> None:
    assert (await stranger.get(path)).status_code == 401


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_does_nothing_without_a_session(stranger: Visitor, path: str) -> None:
    answer = await stranger.post(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/board/sign-in?then=")


# --- signing in ------------------------------------------------------------------------------------


async def test_signing_in_leads_where_one_wanted_to_go(stranger: Visitor) -> None:
    answer = await stranger.try_to_sign_in("dot", PASSWORD, then="/board/find")
    assert (answer.status_code, answer.headers["location"]) == (303, "/board/find")
    assert (await stranger.get("/board/sign-in")).headers["location"] == "/board"


async def test_the_cookie_is_for_this_site_only_and_the_database_knows_its_hash_only(
    stranger: Visitor, running: Running, database_url: str
) -> None:
    answer = await stranger.try_to_sign_in("dot", PASSWORD)
    (cookie,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith(f"{COOKIE}=")]
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/board", "max-age=43200"} <= flags
    assert "secure" not in flags
    token = stranger.client.cookies[COOKIE]
    ((kept,),) = query(database_url, "SELECT to_jsonb(board_sessions)::text FROM board_sessions")
    assert token not in kept
    assert sha256(token.encode()).hexdigest() in kept


async def test_the_cookie_is_secure_where_that_is_configured(database_url: str, clock: ManualClock) -> None:
    board = {"secure_cookie": True}
    async with by_hand(database_url, clock, user=USERS, board=board) as running, visiting(running) as visitor:
        answer = await visitor.get("/board/sign-in")
        assert "; secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("username", ["dot", "nobody", ""])
async def test_a_wrong_password_and_an_unknown_name_are_told_the_same(stranger: Visitor, username: str) -> None:
    answer = await stranger.try_to_sign_in(username, "wrong")
    assert answer.status_code == 401
    assert "The user name or the password is not right." in answer.text
    assert COOKIE not in stranger.client.cookies
    assert "wrong" not in answer.text


@pytest.mark.parametrize("username", ["dot", "nobody"])
async def test_tries_without_end_are_refused_for_a_while(stranger: Visitor, clock: ManualClock, username: str) -> None:
    for _ in range(5):
        assert (await stranger.try_to_sign_in(username, "wrong")).status_code == 401
    answer = await stranger.try_to_sign_in(username, PASSWORD)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"
    assert "Try again in 60 seconds" in answer.text
    clock.advance(timedelta(seconds=60))
    expected = 303 if username == "dot" else 401
    assert (await stranger.try_to_sign_in(username, PASSWORD)).status_code == expected


@pytest.mark.parametrize("csrf", ["", "made up"])
async def test_a_sign_in_form_of_another_site_is_refused(stranger: Visitor, csrf: str) -> None:
    await stranger.get("/board/sign-in")
    answer = await stranger.post("/board/sign-in", csrf=csrf, username="dot", password=PASSWORD)
    assert answer.status_code == 403
    assert COOKIE not in stranger.client.cookies


async def test_a_session_is_never_taken_over(stranger: Visitor) -> None:
    stranger.client.cookies.set(COOKIE, "planted", path="/board")
    await stranger.sign_in("dot")
    tokens = [cookie.value for cookie in stranger.client.cookies.jar if cookie.name == COOKIE]
    assert "planted" not in tokens[-1:]


async def test_a_form_that_is_no_form_is_answered_with_a_page_and_kept_nowhere(
    stranger: Visitor, database_url: str
) -> None:
    await stranger.get("/board/sign-in")
    answer = await stranger.client.post("/board/sign-in", files={"password": b"secret"})
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("text/html")
    assert query(database_url, "SELECT count(*) FROM refused_calls") == [(0,)]


# --- the end of a session --------------------------------------------------------------------------


async def test_signing_out_ends_the_session_and_clears_the_browser(dot: Visitor) -> None:
    token = dot.client.cookies[COOKIE]
    answer = await dot.post("/board/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/board/sign-in")
    assert answer.headers["clear-site-data"] == '"cookies", "storage"'
    dot.client.cookies.set(COOKIE, token, path="/board")
    assert (await dot.get("/board")).status_code == 303


async def test_another_site_cannot_sign_anybody_out(dot: Visitor) -> None:
    assert (await dot.post("/board/sign-out", csrf="guess")).status_code == 403
    assert (await dot.get("/board")).status_code == 200


async def test_a_session_ends_by_itself(dot: Visitor, clock: ManualClock) -> None:
    clock.advance(timedelta(hours=12) - timedelta(seconds=1))
    assert (await dot.get("/board")).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert (await dot.get("/board")).status_code == 303


async def test_a_user_who_leaves_the_configuration_is_signed_out(database_url: str, clock: ManualClock) -> None:
    async with by_hand(database_url, clock, user=USERS) as running, visiting(running, "dot") as visitor:
        token = visitor.client.cookies[COOKIE]
    async with by_hand(database_url, clock, user=[CLAIRE]) as running, visiting(running) as visitor:
        visitor.client.cookies.set(COOKIE, token, path="/board")
        assert (await visitor.get("/board")).status_code == 303


async def test_old_sessions_are_dropped(running: Running, clock: ManualClock, database_url: str) -> None:
    async with visiting(running, "dot"):
        clock.advance(timedelta(hours=13))
        async with visiting(running, "claire"):
            assert query(database_url, "SELECT username FROM board_sessions") == [("claire",)]


# --- whose cases -----------------------------------------------------------------------------------


async def _case_of_each_service(running: Running) -> tuple[dict[str, Any], dict[str, Any]]:
    ours = await running.open_case()
    assert (await running.post_message(request_to_us())).status_code == 200
    theirs = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"][0]
    return ours, theirs


async def test_people_see_the_cases_of_their_services_and_no_others(running: Running) -> None:
    requested, received = await _case_of_each_service(running)
    async with visiting(running, "dot") as dot, visiting(running, "claire") as claire:
        for visitor, seen in ((dot, [requested, received]), (claire, [received])):
            board = (await visitor.page("/board")).text
            assert (requested["case_number"] in board) is (requested in seen)
            assert received["case_number"] in board
        for path in ("", "/stream", f"/messages/{NOBODY}"):
            assert (await claire.get(f"/board/cases/{requested['id']}{path}")).status_code == 404
        assert (await dot.get(f"/board/cases/{requested['id']}")).status_code == 200
        found = await claire.page(f"/board/find?q={requested['case_number']}")
        assert "No case of your services has such a number." in found.text
        for form in (f"escalations/{NOBODY}/acknowledge", "reject", "dispatch"):
            answer = await claire.post(f"/board/cases/{requested['id']}/{form}", code="OTH", reason="x")
            assert answer.status_code in {403, 404}
    assert (await running.case(requested["id"]))["state"] == "sent"


async def test_a_case_is_found_by_its_number_or_theirs(running: Running, dot: Visitor) -> None:
    requested, received = await _case_of_each_service(running)
    for sought, found in ((requested["case_number"][4:9], requested), (received["remote_case_number"], received)):
        page = await dot.page(f"/board/find?q={sought}")
        assert [link.text for link in page.find("a", cls="b-number")] == [found["case_number"]]
    assert "No case has ended yet." in (await dot.page("/board/find")).text
    await running.api("POST", f"/cases/{requested['id']}/dispatch")
    assert requested["case_number"] in (await dot.page("/board/find")).text


# --- exact bytes and headers -----------------------------------------------------------------------


async def test_a_message_is_given_as_a_file_byte_for_byte(running: Running, dot: Visitor) -> None:
    _, received = await _case_of_each_service(running)
    answer = await running.api("GET", f"/cases/{received['id']}/messages", key=CLINICIAN_KEY)
    (message,) = answer.json()["messages"]
    page = await dot.page(f"/board/cases/{received['id']}")
    links = [link.attributes["href"] for link in page.one(id_="case-messages").find("a")]
    base = f"/board/cases/{received['id']}/messages/{message['id']}"
    assert links == [base, f"{base}/answer"]
    for path, kept in ((links[0], message["body_base64"]), (links[1], message["answer_base64"])):
        file = await dot.get(path)
        assert file.content == base64.b64decode(kept)
        assert file.headers["content-type"] == "application/fhir+json"
        assert re.fullmatch(r'attachment; filename="(message|answer)-[0-9a-f-]{36}\.json"',
                            file.headers["content-disposition"])  # fmt: skip


async def test_every_page_is_guarded_and_stored_nowhere(running: Running, dot: Visitor) -> None:
    case = await running.open_case()
    for path in ("/board", "/board/live", "/board/find", f"/board/cases/{case['id']}", "/board/nothing"):
        headers = (await dot.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self';"), path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store", path
        assert headers["x-frame-options"] == "DENY"


async def test_static_files_are_kept_by_the_browser_until_they_change(stranger: Visitor) -> None:
    page = await stranger.page("/board/sign-in")
    sheets = [link.attributes["href"] for link in page.find("link") if link.attributes["rel"] == "stylesheet"]
    own = next(href for href in sheets if "board.css" in href)
    answer = await stranger.get(own)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await stranger.get(own.partition("?")[0])).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/board/nothing", "/board/cases/no-id", f"/board/cases/{NOBODY}", "/board/static/../routes.py"]
)
async def test_what_is_not_there_is_said_on_a_page(dot: Visitor, path: str) -> None:
    answer = await dot.get(path)
    assert answer.status_code == 404
    assert "no such page or case" in answer.text


async def test_the_fragment_is_the_board_without_its_frame(running: Running, dot: Visitor) -> None:
    await running.open_case()
    whole, part = await dot.page("/board"), await dot.page("/board/live")
    assert whole.one(id_="live").attributes["data-version"] == part.one(id_="live").attributes["data-version"]
    assert [row.attributes["id"] for row in part.find("tr", cls="b-row")] == [
        row.attributes["id"] for row in whole.find("tr", cls="b-row")
    ]
    plain = await dot.get("/board/live", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert 'id="live"' in plain.text
