"""The page of services: who takes what, who can't be sent to, and how sending goes."""

from __future__ import annotations

from datetime import timedelta

from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.health import EndpointHealth
from cad_bridge.web.board.pages import render
from cad_bridge.web.board.presenters.moments import at, iso
from cad_bridge.web.board.presenters.services import ServiceLine, service_lines
from cad_bridge.web.known_services import KnownService
from tests.unit.web.board_pages import EOC, NOW, Element, read, viewer


def known(number: int, *, name: str = "", active: bool = True, **health: object) -> KnownService:
    service_id = f"x|{number}"
    entry = CatalogueEntry(
        service_id=service_id, ods_code=f"R{number}", name=name, address=None, use_cases=frozenset({"a6t1"})
    )
    made = EndpointHealth(service_id=service_id, **health)  # type: ignore[arg-type]
    return KnownService(entry=entry if name else None, active=active, health=made)


FAILING = known(
    3,
    name="Yorkshire",
    last_success_at=NOW - timedelta(hours=2),
    last_failure_at=NOW - timedelta(minutes=1),
    failures_since_success=4,
    last_failure="503",
)
MENDED = known(2, name="Wales", last_success_at=NOW, last_failure_at=NOW - timedelta(minutes=9), last_failure="timeout")
OFF = known(1, name="Anglia", active=False)
STRANGER = known(9, failures_since_success=1, last_failure_at=NOW)


def lines(*services: KnownService, ours: frozenset[str] = frozenset()) -> tuple[ServiceLine, ...]:
    return service_lines(services, ours=ours, now=NOW)


def page(*services: KnownService, operational: bool = True) -> Element:
    frame = {"viewer": viewer("dispatcher"), "csrf": "x", "now": at(NOW), "now_iso": iso(NOW), "services": ["EOC"]}
    shown = lines(*services, ours=frozenset({"x|1", EOC}))
    return read(render("services.html", lines=shown, boundaries="set-1", operational=operational, **frame))


def test_failing_services_stand_first_then_those_that_work() -> None:
    assert [line.name for line in lines(OFF, MENDED, STRANGER, FAILING)] == [
        "Unknown service",
        "Yorkshire",
        "Wales",
        "Anglia",
    ]


def test_a_failure_that_a_success_has_followed_is_over() -> None:
    (line,) = lines(MENDED)
    assert (line.state, line.failures, line.last_failure) == ("Working", 0, None)
    assert line.last_success is not None


def test_the_page_says_who_takes_what_and_how_sending_goes() -> None:
    rows = [row.text for row in page(OFF, FAILING, STRANGER).find("tr")]
    assert "Yorkshire" in rows[2]
    assert "Out of area" in rows[2]
    assert "FAILING" in rows[2]
    assert "4 tries without success" in rows[2]
    assert "503" not in rows[2], "codes are not for people"
    assert "Neither in the endpoint catalogue nor in the configuration" in rows[1]
    assert "Takes no messages now" in rows[3]
    assert "(ours)" in rows[3]
    assert "Never" in rows[3]


def test_the_page_names_the_boundaries_and_whether_they_may_decide() -> None:
    assert "not for operational use" not in page(OFF).text
    assert "Boundaries in force: set-1 not for operational use" in " ".join(page(OFF, operational=False).text.split())


def test_a_page_without_services_says_so() -> None:
    assert "No service is known" in page().text
