"""Pages of the board rendered from values, and a reader of what stands on them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

from cad_bridge.fhir.content import Outcome, Request
from cad_bridge.protocol.services import LocalService, RemoteService, Role, Site, Software
from cad_bridge.store.rows import Conversation, Escalation, Event, StoredCase
from cad_bridge.store.sessions import BoardSession
from cad_bridge.web.board.actions_shown import TAKES_OVER, actions_for, nothing_to_do
from cad_bridge.web.board.pages import render
from cad_bridge.web.board.presenters.case_page import CaseFacts, case_page
from cad_bridge.web.board.presenters.moments import at, iso
from cad_bridge.web.board.state import Viewer
from cad_bridge.web.context import User
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.vocabulary import Priority, Side, UseCase

NOW = datetime(2026, 11, 21, 15, 20, tzinfo=UTC)
EOC = "https://fhir.nhs.uk/Id/dos-service-id|2000000011"
CAS = "https://fhir.nhs.uk/Id/dos-service-id|2000000021"
OWN_CAS = "https://fhir.nhs.uk/Id/dos-service-id|2000000031"
CASE_ID = UUID(int=7, version=4)


def site() -> Site:
    """An EOC and a CAS of our own, and a CAS elsewhere."""
    own = {
        EOC: LocalService(id=EOC, ods_code="RX8", name="Test EOC", role=Role.AST, use_cases=frozenset(UseCase)),
        OWN_CAS: LocalService(
            id=OWN_CAS, ods_code="RYF", name="Own CAS", role=Role.CAS, use_cases=frozenset({UseCase.CAS_VALIDATION})
        ),
    }
    remote = {CAS: RemoteService(id=CAS, ods_code="RYE", name="Remote CAS")}
    return Site(services=own, remotes=remote, software=Software(name="cad_bridge", version="0", instance="test"))


def viewer(*roles: str) -> Viewer:
    """A signed-in person of both services."""
    user = User(
        username="dot", name="Dot Dispatcher", password_hash="", services=(EOC, OWN_CAS), roles=frozenset(roles)
    )
    session = BoardSession(token_sha256="0" * 64, username="dot", csrf="token", expires_at=NOW + timedelta(hours=1))
    return Viewer(user=user, session=session)


def as_stored(value: Request | Outcome) -> dict[str, Any]:
    """Content as it is kept with a case."""
    kept: dict[str, Any] = value.model_dump(mode="json", exclude_none=True)
    return kept


def stored_case(content: dict[str, Any], **changes: Any) -> StoredCase:
    """A case with this content; `changes` are fields of the case, or `outcome` and `warnings`."""
    beside = {name: changes.pop(name) for name in ("outcome", "warnings") if name in changes}
    case = Case(
        id=CASE_ID,
        side=Side.REQUESTER,
        use_case=UseCase.CAS_VALIDATION,
        state="pending",
        arp=Priority.C3,
        clock_start=NOW - timedelta(minutes=20),
        breach_at=NOW + timedelta(minutes=20),
        dispatch_by=NOW + timedelta(minutes=100),
        remote_case_number="CAS-0007",
        delivered=True,
    )
    conversation = Conversation(
        local_service=EOC,
        remote_service=CAS,
        case_number="TST-0042",
        journey_id=None,
        correlation_id=str(UUID(int=1, version=4)),
        request_bundle_id=str(UUID(int=2, version=4)),
        service_request_full_url=None,
        encounter_full_url="urn:uuid:x",
    )
    case = replace(case, **changes)
    if case.side is Side.RESPONDER:
        conversation = replace(conversation, local_service=OWN_CAS)
    return StoredCase(case=case, conversation=conversation, content=content, created_at=NOW, updated_at=NOW, **beside)


def event(type_: str, data: dict[str, Any], *, by: str = CAS, cursor: int = 1, side: str = "requester") -> Event:
    """An event of the case."""
    case = {"id": str(CASE_ID), "side": side, "use_case": "a4t1", "state": "breached"}
    return Event(
        cursor=cursor, id=UUID(int=cursor), type=type_, at=NOW, case_id=CASE_ID, case=case, data=data, rule="r", by=by
    )


def escalation(reason: str, *, data: dict[str, Any] | None = None, level: int = 0) -> Escalation:
    """An open escalation of the case."""
    return Escalation(
        id=UUID(int=99),
        case_id=CASE_ID,
        reason=reason,
        level=level,
        due_at=NOW - timedelta(minutes=1),
        raised_at=NOW - timedelta(minutes=1),
        data=data or {},
        acknowledged_at=None,
        acknowledged_by=None,
    )


def case_html(stored: StoredCase, *, roles: tuple[str, ...] = ("dispatcher",), **facts: Any) -> str:
    """The page of a case. `facts` are escalations, deadlines, events, messages, deliveries."""
    known = dict.fromkeys(("escalations", "deadlines", "events", "messages", "deliveries"), ()) | facts
    person = viewer(*roles)
    return render(
        "case.html",
        case=case_page(CaseFacts(stored=stored, **known), site=site(), now=NOW),
        version="1",
        actions=actions_for(stored.case, person),
        nothing_to_do=nothing_to_do(stored.case, person),
        may_acknowledge=True,
        done="",
        error="",
        typed={"action": ""},
        claimed_by="",
        takes_over=TAKES_OVER,
        viewer=person,
        csrf=person.session.csrf,
        now=at(NOW),
        now_iso=iso(NOW),
        services=["Test EOC"],
    )


VOID = frozenset({"meta", "link", "input", "br", "img"})
_UNSEEN = frozenset({"script", "style", "title", "noscript"})


@dataclass
class Element:
    """One element of a page."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """This element and all below it."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def texts(self, *, closed_details: bool = True) -> Iterator[str]:
        """Every run of text below; without `closed_details` only what is seen before anything is unfolded."""
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag in _UNSEEN:
                continue
            elif child.tag == "details" and not closed_details and "open" not in child.attributes:
                summary = next(part for part in child.children if isinstance(part, Element) and part.tag == "summary")
                yield from summary.texts(closed_details=False)
            else:
                yield from child.texts(closed_details=closed_details)

    @property
    def text(self) -> str:
        """All text below, blanks run together."""
        return " ".join(" ".join(self.texts()).split())

    def find(self, tag: str | None = None, *, cls: str | None = None, id_: str | None = None) -> list[Element]:
        """The elements below that fit."""
        return [
            element
            for element in self.walk()
            if (tag is None or element.tag == tag)
            and (cls is None or cls in element.attributes.get("class", "").split())
            and (id_ is None or element.attributes.get("id") == id_)
        ]

    def one(self, tag: str | None = None, *, cls: str | None = None, id_: str | None = None) -> Element:
        """The only element below that fits."""
        (found,) = self.find(tag, cls=cls, id_=id_)
        return found


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("#root", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def read(html: str) -> Element:
    """The page as elements. Fails where they are not properly nested."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert builder._open == [builder.root], "every element is closed"
    return builder.root


def item(page: Element, label: str) -> str:
    """What stands beside a label, blanks run together. Fails where the label is not there exactly once."""
    (found,) = items(page, label)
    return found


def items(page: Element, label: str) -> list[str]:
    """What stands beside each occurrence of a label."""
    found = []
    for element in page.walk():
        parts = [child for child in element.children if isinstance(child, Element) and child.tag in {"dt", "dd"}]
        found += [
            dd.text for dt, dd in itertools.pairwise(parts) if dt.tag == "dt" and dt.text == label and dd.tag == "dd"
        ]
    return found
