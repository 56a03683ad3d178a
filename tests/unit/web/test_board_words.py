"""There are words for everything that the workflows can come to, and each case stands in the right list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cad_bridge.store.queries import ENDED_STATES
from cad_bridge.web.board.presenters import timeline, words
from cad_bridge.web.board.presenters.cases import (
    EscalationCard,
    case_row,
    escalation_card,
    most_pressing_first,
    sections,
    what_is_due,
)
from cad_bridge.web.board.presenters.states import STATES, state_words
from cad_bridge.workflow.decide import WORKFLOWS
from cad_bridge.workflow.vocabulary import (
    DeadlineKind,
    Duty,
    EscalationReason,
    EventType,
    MessageKind,
    Priority,
    Side,
    UseCase,
)
from tests.contents import plain_request
from tests.unit.web.board_pages import CAS, EOC, NOW, OWN_CAS, as_stored, escalation, site, stored_case

CONTENT = as_stored(plain_request())
REQUESTER, RESPONDER = Side.REQUESTER, Side.RESPONDER
LISTED = {"dispatch", "review", "out", "ours", "answered"}


@pytest.mark.parametrize("key", WORKFLOWS, ids=lambda key: f"{key[0]}-{key[1]}")
def test_every_state_of_every_workflow_has_words(key: tuple[UseCase, Side]) -> None:
    assert set(WORKFLOWS[key].table.states) - set(STATES[key]) == set()


def test_every_reason_kind_and_event_has_words() -> None:
    assert set(words.ESCALATIONS) == {reason.value for reason in EscalationReason}
    assert set(words.DEADLINES) == {kind.value for kind in DeadlineKind}
    assert {kind.value for kind in MessageKind} <= set(words.MESSAGES)
    assert set(timeline._TELLING) == {type_.value for type_ in EventType}
    assert set(words.USE_CASES) == set(words.ASKED) == {use_case.value for use_case in UseCase}


def test_a_state_that_is_not_known_is_named_and_stays_among_the_open_cases() -> None:
    found = state_words(UseCase.CAS_VALIDATION, REQUESTER, "brand_new")
    assert found.name == "Unknown state: brand_new"
    assert found.group in LISTED


@pytest.mark.parametrize("key", WORKFLOWS, ids=lambda key: f"{key[0]}-{key[1]}")
def test_no_open_case_is_left_off_the_board(key: tuple[UseCase, Side]) -> None:
    """What the board asks the database for and does not list has ended, or was handed over for good."""
    asked_for = set(WORKFLOWS[key].table.states) - set(ENDED_STATES) | {"completed"}
    for state in asked_for & set(WORKFLOWS[key].table.states):
        group = state_words(*key, state).group
        assert group in LISTED or state == "handed_over", state


BREACH, DISPATCH_BY = NOW + timedelta(minutes=20), NOW + timedelta(minutes=100)
SOON, NEEDED_BY = NOW + timedelta(minutes=3), NOW + timedelta(minutes=45)


@pytest.mark.parametrize(
    ("use_case", "side", "state", "deadlines", "due", "label"),
    [
        ("a4t1", REQUESTER, "sent", {}, BREACH, "to breach"),
        ("a4t1", REQUESTER, "pending", {}, BREACH, "to breach"),
        ("a4t1", REQUESTER, "awaiting_review", {"review": SOON}, BREACH, "to breach"),
        ("a4t1", REQUESTER, "undelivered", {}, BREACH, "to breach"),
        ("a4t1", REQUESTER, "returned", {"dispatch": SOON}, SOON, "until it escalates"),
        ("a4t1", REQUESTER, "dispatch_required", {}, DISPATCH_BY, "to the C3 target"),
        ("a4t1", REQUESTER, "breached", {}, DISPATCH_BY, "to the C3 target"),
        ("a4t1", REQUESTER, "completed", {}, None, ""),
        ("a4t1", REQUESTER, "closed", {}, None, ""),
        ("a4t1", RESPONDER, "received", {"intake": SOON}, BREACH, "to breach"),
        ("a4t1", RESPONDER, "finished", {}, None, ""),
        ("a3t1", RESPONDER, "accepted", {}, BREACH, "to call back"),
        ("a3t1", RESPONDER, "in_progress", {}, None, ""),
        ("a6t1", REQUESTER, "sent", {}, DISPATCH_BY, "to the C3 target"),
        ("a6t2", REQUESTER, "returned", {"dispatch": SOON}, SOON, "until it escalates"),
        ("a6t2", RESPONDER, "received", {"intake": SOON}, SOON, "to accept it"),
        ("a6t3", RESPONDER, "accepted", {}, NEEDED_BY, "until the resource is needed"),
        ("a6t1", RESPONDER, "accepted", {}, NEEDED_BY, "until the resource is needed"),
        ("a6t3", RESPONDER, "in_progress", {}, None, ""),
    ],
)
def test_what_a_case_counts_down_to(
    use_case: str, side: Side, state: str, deadlines: dict[str, object], due: object, label: str
) -> None:
    needed_by = NEEDED_BY if side is RESPONDER else None
    case = stored_case(CONTENT, use_case=UseCase(use_case), side=side, state=state, needed_by=needed_by).case
    found, count = what_is_due(case, deadlines=deadlines, now=NOW)  # type: ignore[arg-type]
    assert found == due
    assert (count.label if count else "") == label


def test_a_case_that_never_left_us_is_not_said_to_be_in_time() -> None:
    _, count = what_is_due(stored_case(CONTENT, state="undelivered").case, deadlines={}, now=NOW)
    assert count is not None
    assert count.word == "act now"


def test_the_open_escalation_of_a_category_2_comes_before_older_ones_of_others() -> None:
    def card(arp: str, raised: int, repeated: int = 0) -> EscalationCard:
        stored = stored_case(CONTENT, arp=Priority.parse(arp))
        row = case_row(stored, site=site(), deadlines={}, now=NOW)
        raised_at = NOW - timedelta(minutes=raised)
        opened = replace(escalation("breach", level=repeated), raised_at=raised_at)
        return escalation_card(opened, row, stored=stored, events=(), site=site(), now=NOW)

    cards = [card("C3", 30), card("C4", 9, repeated=2), card("C2", 1), card("C1", 0), card("C5", 40)]
    assert [found.case.arp for found in most_pressing_first(cards)] == ["C1", "C2", "C4", "C5", "C3"]


@pytest.mark.parametrize(
    ("use_case", "side", "duty", "said"),
    [
        ("a4t1", REQUESTER, Duty.SENDER, ""),
        ("a6t1", REQUESTER, Duty.SENDER, "Ours to dispatch"),
        ("a6t1", REQUESTER, Duty.RECEIVER, "Theirs to dispatch"),
        ("a6t1", RESPONDER, Duty.RECEIVER, "Ours to dispatch"),
        ("a3t1", RESPONDER, Duty.RECEIVER, "Our duty of care"),
    ],
)
def test_who_has_to_dispatch_is_said(use_case: str, side: Side, duty: Duty, said: str) -> None:
    stored = stored_case(CONTENT, use_case=UseCase(use_case), side=side, state="sent", dispatch_duty=duty)
    assert case_row(stored, site=site(), deadlines={}, now=NOW).duty == said


def test_rows_stand_by_what_is_due_first_in_the_list_of_their_state() -> None:
    def row(number: str, state: str, minutes: int, side: Side = REQUESTER) -> object:
        stored = stored_case(CONTENT, state=state, side=side, breach_at=NOW + timedelta(minutes=minutes))
        conversation = replace(stored.conversation, case_number=number)
        return case_row(stored.evolve(conversation=conversation), site=site(), deadlines={}, now=NOW)

    rows = [row("A", "pending", 30), row("B", "sent", 10), row("C", "in_progress", 20), row("D", "breached", -5)]
    rows += [row("E", "completed", 9), row("F", "received", 8, RESPONDER), row("G", "received", 7, RESPONDER)]
    found = sections(rows, site=site(), services=[EOC, OWN_CAS])  # type: ignore[arg-type]
    assert {section.key: [r.number for r in section.rows] for section in found} == {
        "dispatch": ["D"],
        "review": [],
        "out": ["B", "C", "A"],
        "ours": ["G", "F"],
        "answered": ["E"],
    }


@pytest.mark.parametrize(
    ("services", "shown"),
    [
        ([EOC], ["dispatch", "out", "ours", "answered"]),
        ([OWN_CAS], ["ours"]),
        ([CAS], []),
    ],
)
def test_empty_lists_stand_only_where_the_services_could_fill_them(services: list[str], shown: list[str]) -> None:
    found = sections([], site=site(), services=services)
    assert [section.key for section in found if section.shown] == shown


def test_a_remote_service_that_is_not_configured_is_called_what_it_calls_itself() -> None:
    stored = stored_case(CONTENT | {"sending_service": {"name": "Far Trust"}}, side=RESPONDER, state="received")
    unknown = replace(stored.conversation, remote_service="https://fhir.nhs.uk/Id/dos-service-id|77")
    row = case_row(stored.evolve(conversation=unknown), site=site(), deadlines={}, now=NOW)
    assert row.other == "Far Trust (77)"
