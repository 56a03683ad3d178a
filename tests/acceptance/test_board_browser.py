"""The board in a real browser: it counts, it keeps itself up to date, it says when it does not know."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cad_bridge.web.board import stream
from cad_bridge.web.board.presenters.moments import left
from tests.acceptance.board_visitor import CLAIRE, DOT, USERS
from tests.by_hand import NOWHERE, a_clock, by_hand, query, request_to_us
from tests.service import PASSWORD, Running, configuration, request_body, serving
from tests.unit.web.test_board_case import GUID

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture
async def running(database_url: str) -> AsyncIterator[Running]:
    """A service whose loops run; nobody answers what it sends."""
    async with serving(configuration(base_url=NOWHERE, user=USERS), database_url) as service:
        yield service


async def sign_in(page: Page, running: Running, username: str = "dot") -> None:
    """By keyboard alone: the first field has the focus."""
    await page.goto(f"{running.url}/board")
    await page.locator("#username:focus").wait_for()
    await page.keyboard.type(username)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{running.url}/board")


def minutes(number: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=number)).isoformat()


async def in_view(page: Page, selector: str, text: str | re.Pattern[str]) -> None:
    """Wait until something on the page says so."""
    await page.locator(selector).filter(has_text=text).first.wait_for()


_READ_COUNT = """row => {
    const count = row.querySelector('.b-count');
    return [count.dataset.due, document.getElementById('clock').dateTime,
            count.querySelector('.b-count__left').textContent, count.querySelector('.b-count__word').textContent];
}"""


async def test_a_countdown_runs_from_the_due_time_by_the_clock_of_the_server(
    running: Running, chromium_page: Page
) -> None:
    case = await running.open_case(breach_at=minutes(12.2))
    page = chromium_page
    await sign_in(page, running)
    row = page.locator(f"#c-{case['id']}")
    shown = await row.locator(".b-count__left").text_content()
    await in_view(page, f"#c-{case['id']} .b-count__left", re.compile(f"^(?!{shown}$)"))
    due, now, text, word = await row.evaluate(_READ_COUNT)
    seconds = (datetime.fromisoformat(due) - datetime.fromisoformat(now)).total_seconds()
    assert text == left(seconds)
    assert word == "soon"
    assert text < str(shown)


async def test_a_row_turns_urgent_and_late_in_words_and_colour_by_itself(
    database_url: str, chromium_page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(stream, "POLL_SECONDS", 0.05)
    clock = a_clock()
    async with by_hand(database_url, clock, user=USERS) as running:
        case = await running.open_case(breach_at=(clock() + timedelta(minutes=20)).isoformat())
        page = chromium_page
        await sign_in(page, running)
        row = page.locator(f"#c-{case['id']}")
        for minute, level, word in (
            (0, "calm", "in time"),
            (6, "soon", "soon"),
            (10, "urgent", "urgent"),
            (5, "over", "breached"),
        ):
            clock.advance(timedelta(minutes=minute))
            await in_view(
                page, f"#c-{case['id']}.b-row--{level} .b-count--{level} .b-count__word", re.compile(f"^{word}$")
            )
        assert str(await row.locator(".b-count__left").text_content()).startswith("\N{MINUS SIGN}")


@pytest.mark.req("APP4-VR-12")
async def test_an_escalation_appears_without_reload_and_is_acknowledged_by_name(
    running: Running, chromium_page: Page
) -> None:
    page = chromium_page
    await sign_in(page, running)
    await in_view(page, "#no-escalations", "No escalation is open.")
    await page.evaluate("window.neverReloaded = true")
    case = await running.open_case(breach_at=minutes(0.03))
    card = page.locator("#escalations .b-escalation")
    await card.wait_for()
    assert "Breach time passed" in str(await card.text_content())
    assert await page.evaluate("window.neverReloaded")
    assert await page.title() == "(1) Board - cad_bridge"
    announcer = page.locator("#announcer")
    assert await announcer.get_attribute("aria-live") == "assertive"
    assert await announcer.text_content() == f"Escalation: Breach time passed, case {case['case_number']}"
    await card.get_by_role("button", name="Acknowledge").focus()
    await page.keyboard.press("Enter")
    await in_view(page, ".b-band--good", "acknowledged, with your name and the time")
    await in_view(page, "#no-escalations", "No escalation is open.")
    (escalation,) = [e for e in (await running.case(case["id"]))["escalations"] if e["reason"] == "breach"]
    assert escalation["acknowledged_by"] == "Dot Person (dot)"


async def test_a_lost_connection_is_said_and_the_countdowns_go_on(database_url: str, chromium_page: Page) -> None:
    page = chromium_page
    config = configuration(base_url=NOWHERE, user=USERS)
    await page.clock.install()
    async with serving(config, database_url) as running:
        port = int(running.url.rpartition(":")[2])
        case = await running.open_case(breach_at=minutes(20))
        await sign_in(page, running)
        left_text = page.locator(f"#c-{case['id']} .b-count__left")
        before = str(await left_text.text_content())
        assert not await page.locator("#lost").is_visible()
    await page.clock.fast_forward(11_000)
    await in_view(page, "#lost", "Connection lost: act on these times.")
    assert await page.locator("#lost").is_visible()
    assert await page.locator("#lost").get_attribute("role") == "alert"
    assert _seconds(str(await left_text.text_content())) <= _seconds(before) - 11
    async with serving(config, database_url, port=port) as running:
        newer = await running.open_case(breach_at=minutes(30))
        await page.clock.fast_forward(4_000)
        await page.locator(f"#c-{newer['id']}").wait_for()
        await page.locator("#lost").wait_for(state="hidden")


def _seconds(text: str) -> int:
    minutes_, seconds = text.split(":")
    return int(minutes_) * 60 + int(seconds)


async def test_a_silent_server_is_a_lost_connection_too(running: Running, chromium_page: Page) -> None:
    """The connection stands and the page can be fetched, but no tick comes and nothing new is shown."""
    page = chromium_page
    await page.clock.install()
    await page.route("**/board/stream", lambda route: route.fulfill(status=503))
    await page.route("**/board/live", lambda route: route.fulfill(status=503))
    await sign_in(page, running)
    await page.clock.fast_forward(11_000)
    await in_view(page, "#lost", "Connection lost: act on these times.")


async def test_who_is_signed_out_elsewhere_is_told_so(running: Running, database_url: str, chromium_page: Page) -> None:
    page = chromium_page
    await sign_in(page, running)
    query(database_url, "DELETE FROM board_sessions")
    await running.open_case()
    await in_view(page, "#signed-out", "You have been signed out: act on these times.")
    await page.get_by_role("link", name="Sign in again").click()
    await page.wait_for_url("**/board/sign-in")


async def test_signing_out_leaves_nothing_behind_the_back_button(running: Running, chromium_page: Page) -> None:
    page = chromium_page
    case = await running.open_case()
    await sign_in(page, running)
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/board/sign-in")
    await page.go_back()
    await page.wait_for_url(re.compile("/board/sign-in"))
    await page.locator("#password").wait_for()
    assert case["case_number"] not in str(await page.text_content("body"))


async def test_two_people_see_their_own_services_and_nothing_else(
    running: Running, chromium_page: Page, chromium: Browser
) -> None:
    requested = await running.open_case()
    await sign_in(chromium_page, running)
    other = await chromium.new_context()
    claires = await other.new_page()
    await sign_in(claires, running, "claire")
    assert (await running.post_message(request_to_us())).status_code == 200
    incoming = claires.locator("#rows-ours .b-row")
    await incoming.wait_for()
    assert await claires.get_by_text(requested["case_number"]).count() == 0
    assert await claires.locator("#s-out").is_hidden()
    await chromium_page.locator("#rows-ours .b-row").wait_for()
    assert await chromium_page.locator("#rows-out .b-row").count() == 1
    side = await chromium_page.locator("#rows-ours .b-side").text_content()
    assert (side, await chromium_page.locator("#rows-out .b-side").text_content()) == ("We were asked", "We asked")
    await other.close()


RICH: dict[str, Any] = {
    "presenting_complaint": "Fall\nfrom a ladder, about 2 m",
    "chief_concern": "Head injury on blood thinners",
    "requested_action": "Please validate the ambulance response",
    "scene_safety": {"status": "unsafe", "reasons": ["Dog loose in the garden", "Icy path"]},
    "flags": [
        {"category": "SG", "text": "Lives alone, concern raised by neighbour", "date": "2026-11-21"},
        {"category": "RT", "text": "ReSPECT form in the kitchen drawer"},
        {"category": "AC", "text": "Fire service informed 14:55"},
    ],
    "allergies": [{"text": "Penicillin", "reaction": "Rash", "severity": "moderate"}],
    "medications": [{"text": "Apixaban", "dosage": "5 mg twice a day"}],
    "social_context": {
        "household_composition": {"code": "LivesAlone"},
        "social_circumstances": "Son visits at weekends",
    },
    "caller": {"relationship": "neighbour", "name": {"text": "Robin Bystander"}},
}


async def test_a_case_page_shows_all_of_it_with_nothing_cut(running: Running, chromium_page: Page) -> None:
    long = "Long story " * 400 + "THE-END"
    triage = request_body()["triage"] | {"summary": long, "notes": ["x" * 600]}
    case = await running.open_case(**RICH, triage=triage)
    page = chromium_page
    await sign_in(page, running)
    await page.get_by_role("link", name=case["case_number"]).first.click()
    await page.wait_for_url(f"**/board/cases/{case['id']}")
    seen = await page.inner_text("main")
    for text in _texts(RICH):
        assert text in seen, text
    assert long.strip() in seen
    assert not GUID.search(seen)
    assert await page.evaluate(_CUT) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for name, inner in value.items() if name not in _CODED for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value]


_CODED = {"category", "date", "status", "severity", "household_composition"}
_CUT = """() => [...document.querySelectorAll('main *')].filter(element => {
    const style = getComputedStyle(element);
    const hides = style.overflowX !== 'visible' || style.overflowY !== 'visible' || style.textOverflow === 'ellipsis';
    return hides && !element.matches('textarea, input, .nhsuk-u-visually-hidden, .nhsuk-u-visually-hidden *');
}).map(element => element.outerHTML.slice(0, 100))"""


async def test_without_script_the_board_still_tells_and_takes(database_url: str, chromium: Browser) -> None:
    clock = a_clock()
    async with by_hand(database_url, clock, user=USERS) as running:
        case = await running.open_case(breach_at=(clock() + timedelta(minutes=12)).isoformat())
        context = await chromium.new_context(java_script_enabled=False)
        page = await context.new_page()
        await sign_in(page, running)
        row = page.locator(f"#c-{case['id']}")
        assert await row.locator(".b-count").inner_text() == "12:00\nSOON"
        assert await page.locator("noscript meta[http-equiv=refresh]").count() == 1
        clock.advance(timedelta(minutes=13))
        await running.service.timers.sweep_once()
        await page.reload()
        await page.get_by_role("button", name="Acknowledge").first.click()
        await in_view(page, ".b-band--good", "acknowledged, with your name")
        await page.goto(f"{running.url}/board/cases/{case['id']}")
        await page.get_by_text("Resource going", exact=True).first.click()
        await page.get_by_role("button", name="Confirm: a resource is going").click()
        await in_view(page, ".b-head__state-name", "Resource going")
        await context.close()
    assert query(database_url, "SELECT state FROM cases") == [("dispatched",)]


async def test_what_is_being_written_stays_and_an_outdated_form_does_nothing(
    running: Running, chromium_page: Page
) -> None:
    case = await running.open_case()
    page = chromium_page
    await sign_in(page, running)
    await page.goto(f"{running.url}/board/cases/{case['id']}")
    await page.get_by_text("Cancel the request", exact=True).first.click()
    await page.locator("#reason-cancel").fill("Half a sen")
    await running.api("POST", f"/cases/{case['id']}/dispatch")
    await in_view(page, ".b-head__state-name", "Resource going")
    assert await page.locator("#reason-cancel").input_value() == "Half a sen"
    await in_view(page, "[data-stale]", "The case has changed since you began to write.")
    await page.locator("#reason-cancel").press("End")
    await page.keyboard.type("tence")
    await page.get_by_role("button", name="Cancel the request").click()
    await in_view(page, ".nhsuk-error-summary", "There is no open validation to cancel.")
    assert (await running.case(case["id"]))["state"] == "dispatched"


async def test_the_focus_stays_where_it_is_while_the_board_changes(running: Running, chromium_page: Page) -> None:
    page = chromium_page
    first = await running.open_case(breach_at=minutes(30))
    await sign_in(page, running)
    link = page.locator(f"#c-{first['id']} a")
    await link.focus()
    sooner = await running.open_case(breach_at=minutes(10))
    await page.locator(f"#c-{sooner['id']}").wait_for()
    assert await link.evaluate("link => link === document.activeElement")
    await running.api("POST", f"/cases/{first['id']}/cancel", json={"reason": "Not needed"})
    await page.locator(f"#c-{first['id']}").wait_for(state="detached")


_CLONES = """
INSERT INTO cases SELECT (jsonb_populate_record(c, jsonb_build_object(
    'id', gen_random_uuid(), 'case_number', 'N-' || n,
    'breach_at', now() + make_interval(mins => 60 + mod(n * 37, 300))))).*
FROM cases c, generate_series(2, 300) n
"""


async def test_hundreds_of_cases_stand_in_order_of_their_breach_and_stay_so(
    running: Running, database_url: str, chromium_page: Page
) -> None:
    page = chromium_page
    await running.open_case(breach_at=minutes(500))
    query(database_url, _CLONES)
    await sign_in(page, running)
    rows = page.locator("#rows-out .b-row")
    assert await rows.count() == 300
    middle = await running.open_case(breach_at=minutes(200.5))
    soonest = await running.open_case(breach_at=minutes(20))
    for case in (middle, soonest):
        await page.locator(f"#c-{case['id']}").wait_for()
    due = await page.locator("#rows-out [data-due]").evaluate_all("all => all.map(one => Date.parse(one.dataset.due))")
    assert len(due) == 302
    assert due == sorted(due)
    assert await rows.first.get_attribute("id") == f"c-{soonest['id']}"


@pytest.mark.req("CORE-REN-11")
async def test_a_case_on_paper_says_all_that_the_screen_says(running: Running, chromium_page: Page) -> None:
    """Printed or saved as PDF: nothing stays folded, for the time when no screen works."""
    page = chromium_page
    case = await running.open_case(**RICH, journey_id="6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a10")
    await sign_in(page, running)
    await page.goto(f"{running.url}/board/cases/{case['id']}")
    on_screen = (await page.inner_text("#live")).split()
    assert case["journey_id"] not in on_screen, "folded on the screen"
    actions = set((await page.inner_text("#case-actions")).split())
    await page.emulate_media(media="print")
    on_paper = (await page.inner_text("#live")).split()
    assert set(on_screen) - actions - set(on_paper) == set()
    assert case["journey_id"] in on_paper
    assert not await page.locator("#case-actions").is_visible()


_KINDS = """() => {
    const kinds = ['.b-section__title', '.b-card__title', '.b-item > dt', '.b-item > dd', '.b-under', '.b-step__what',
                   '.b-arp', '.b-tag', '.b-source', '.b-glance dt', '.b-count:not(.b-count--big) .b-count__word'];
    const inside = (element) => element.closest('.b-summary, .b-card__title--inline') ||
        element.matches('.b-item--nested > dt, .b-card__title--inline');
    return Object.fromEntries(kinds.map(kind => [kind, [...document.querySelectorAll(kind)]
        .filter(element => !inside(element))
        .map(element => { const s = getComputedStyle(element);
            return [s.fontFamily, s.fontSize, s.paddingLeft, s.textTransform].join('|'); })]));
}"""
"""How things of one kind look, by kind."""


@pytest.mark.req("CORE-REN-06")
async def test_things_of_one_kind_look_alike_on_every_page(running: Running, chromium_page: Page) -> None:
    page = chromium_page
    case = await running.open_case(**RICH, breach_at=minutes(0.03))
    await sign_in(page, running)
    await page.locator(".b-escalation").wait_for()
    seen: dict[str, set[str]] = {}
    for path in ("/board", "/board/find", f"/board/cases/{case['id']}"):
        await page.goto(f"{running.url}{path}")
        for kind, looks in (await page.evaluate(_KINDS)).items():
            seen.setdefault(kind, set()).update(looks)
    assert {kind: looks for kind, looks in seen.items() if len(looks) > 1} == {}
    assert all(seen[kind] for kind in (".b-card__title", ".b-item > dt", ".b-under", ".b-arp", ".b-tag"))


_FAULTS = """() => {
    const faults = [];
    const all = (selector) => [...document.querySelectorAll(selector)];
    const expect = (right, fault) => { if (!right) faults.push(fault); };
    const ids = all('[id]').map(element => element.id);
    ids.forEach((id, place) => expect(ids.indexOf(id) === place, `the id ${id} is there twice`));
    all('input:not([type=hidden]), textarea').forEach(field => expect(field.labels.length, `no label: ${field.name}`));
    const isNamed = (element) => document.getElementById(element.getAttribute('aria-labelledby'));
    all('[aria-labelledby]').forEach(element => expect(isNamed(element), `no name: ${element.id}`));
    all('button, a, summary').forEach(control => expect(control.textContent.trim(), 'a control without a name'));
    const levels = all('h1, h2, h3, h4').map(heading => Number(heading.tagName[1]));
    expect(levels.filter(level => level === 1).length === 1, 'not one h1');
    levels.slice(1).forEach((level, place) => expect(level <= levels[place] + 1, 'a level of headings is left out'));
    ['main', 'header'].forEach(mark => expect(all(mark).length === 1, `not one ${mark}`));
    expect(document.documentElement.lang === 'en', 'no language');
    all('thead th').forEach(cell => expect(cell.scope === 'col', 'a column without a scope'));
    return faults;
}"""


_FAINT = """() => {
    const parse = (colour) => colour.match(/[0-9.]+/g).map(Number);
    const light = (value) => { const v = value / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parse(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const hasText = (element) => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const isFaint = (element) => {
        const style = getComputedStyle(element);
        const [a, b] = [luminance(parse(style.color)), luminance(behind(element))];
        const size = parseFloat(style.fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < (isLarge ? 3 : 4.5);
    };
    return [...document.querySelectorAll('body *')].filter(e => hasText(e) && e.checkVisibility() && isFaint(e))
        .map(e => e.outerHTML.slice(0, 120));
}"""
"""Text whose contrast with what lies behind it is less than WCAG 2 AA asks for."""


@pytest.mark.req("CORE-REN-01")
async def test_pages_are_built_so_that_everybody_can_use_them(running: Running, chromium_page: Page) -> None:
    page = chromium_page
    await page.goto(f"{running.url}/board/sign-in")
    assert await page.evaluate(_FAULTS) == []
    assert await page.evaluate(_FAINT) == []
    case = await running.open_case(**RICH, breach_at=minutes(0.03))
    await sign_in(page, running)
    await page.locator(".b-escalation").wait_for()
    for path in ("/board", "/board/find", "/board/services", f"/board/cases/{case['id']}"):
        await page.goto(f"{running.url}{path}")
        assert await page.evaluate(_FAULTS) == [], path
        assert await page.evaluate(_FAINT) == [], path
    await page.goto(f"{running.url}/board")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to main content"


def test_the_users_of_these_tests_differ_in_what_they_may_see() -> None:
    assert set(DOT["services"]) > set(CLAIRE["services"])
