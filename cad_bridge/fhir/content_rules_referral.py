"""What only CAD to CAD referrals can carry, and what BaRS demands of it. Rules name the field, never its value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cad_bridge.fhir.content_rules import Breach, Path, is_cad_to_cad
from cad_bridge.fhir.questionnaires import NATURE_OF_CALL_DISPLAYS

if TYPE_CHECKING:
    from cad_bridge.fhir.content import Request
    from cad_bridge.fhir.content_triage import LogEntry, RequestedAction, Triage


def referral_rules(request: Request) -> Iterator[Breach]:
    """Every rule of CAD to CAD referrals that a request to be sent breaks."""
    if not is_cad_to_cad(request):
        yield from _no_place(request)
        return
    if request.use_case != "a6t1" and request.requested_action is None:
        yield Breach(("requested_action",), "missing", "say what is asked of the other service")
    if request.scene_safety.status == "unsafe" and not request.scene_safety.reasons:
        yield Breach(("scene_safety", "reasons"), "missing", "say why the scene is unsafe")
    yield from _questions(request.triage)
    yield from _log(request.call_log, "call_log")
    yield from _log(request.crew_notes, "crew_notes")
    yield from _asked_for(request)


def _no_place(request: Request) -> Iterator[Breach]:
    for loc, value in (
        (("triage", "pre_triage_sieve"), request.triage.pre_triage_sieve),
        (("triage", "nature_of_call"), request.triage.nature_of_call),
        (("call_log",), request.call_log),
        (("crew_notes",), request.crew_notes),
        (("resource_requested",), request.resource_requested),
        (("actions",), request.actions),
    ):
        if value:
            yield Breach(loc, "value", "has a place in CAD to CAD referrals only")


def _questions(triage: Triage) -> Iterator[Breach]:
    """APP6-QST-02 and APP6-QST-06."""
    sieve, at = triage.pre_triage_sieve, ("triage", "pre_triage_sieve")
    if sieve and sieve.breathing is None:
        yield Breach((*at, "breathing"), "missing", "is asked first")
    elif sieve and not sieve.breathing and (sieve.conscious is not None or sieve.noisy_breathing is not None):
        yield Breach(at, "value", "of a patient who is not breathing nothing more is asked")
    call = triage.nature_of_call
    if call is None:
        return
    if call.code not in NATURE_OF_CALL_DISPLAYS:
        yield Breach(("triage", "nature_of_call", "code"), "value", "is not a national nature of call code")
    elif call.display != NATURE_OF_CALL_DISPLAYS[call.code]:
        yield Breach(("triage", "nature_of_call", "display"), "value", "follows from the code")


def _log(entries: tuple[LogEntry, ...], name: str) -> Iterator[Breach]:
    for index, entry in enumerate(entries):
        if entry.at is None:
            yield Breach((name, index, "at"), "missing", "say when it was recorded")
        if entry.topic is not None:
            yield Breach((name, index, "topic"), "value", "follows from the list it is in")


def _asked_for(request: Request) -> Iterator[Breach]:
    triage, resource = request.triage, request.resource_requested
    if resource:
        if request.use_case == "a6t1":
            message = "an out of area referral hands the whole case over: it asks for no resource"
            yield Breach(("resource_requested",), "value", message)
        yield from _period(resource, ("resource_requested",))
    for index, action in enumerate(request.actions):
        yield from _period(action, ("actions", index))
    by_clinician_alone = request.practitioner.clinician and triage.system is None
    if request.actions and not by_clinician_alone:
        message = "actions are for triage by a clinician without a decision support system"
        yield Breach(("actions",), "value", message)
    if by_clinician_alone and triage.arp and triage.summary and not (request.actions or resource):
        yield Breach(("actions",), "missing", "a clinician's triage without a system says what is to be done")


def _period(action: RequestedAction, at: Path) -> Iterator[Breach]:
    if action.by and action.not_before and action.by < action.not_before:
        yield Breach((*at, "by"), "value", "must not be before not_before")
