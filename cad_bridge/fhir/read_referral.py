"""What only referrals carry: presenting complaint, CPR, log entries and tasks of a received message.

`read_request.read_request` reads every request and uses these.
"""

from __future__ import annotations

from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.fhir.content_triage import LogEntry, RequestedAction, ResourceRequest
from cad_bridge.fhir.read_elements import codings_of, moment_of, same_system, system_of, text_and_code, words_of
from cad_bridge.fhir.read_index import MessageIndex
from cad_bridge.fhir.read_nodes import Node

_LISTS = {codes.CALL_LOG_ENTRY: "call_log", codes.CREW_NOTE: "crew_notes"}


def read_complaint(index: MessageIndex) -> dict[str, Any]:
    """Presenting complaint from the first Condition of that category (APP6-REF-19); empty if there is none."""
    for node in index.standing("Condition"):
        categories = [coding for concept in node.items("category") for coding in codings_of(concept)]
        if not any(_is_snomed(coding, codes.PRESENTING_COMPLAINT) for coding in categories):
            continue
        text, code = text_and_code(node.child("code"))
        if text is None and code is None:
            continue
        for coding in (*categories, *codings_of(node.child("clinicalStatus"))):
            if coding.child("code").word in {codes.PRESENTING_COMPLAINT, "active"}:
                coding.done()
        index.take(node)
        found = {"presenting_complaint": text, "presenting_complaint_code": code}
        return {name: value for name, value in found.items() if value}
    return {}


def read_resuscitation(index: MessageIndex) -> dict[str, Any]:
    """Start of CPR from the first Procedure that is CPR (APP6-REF-20); empty if there is none."""
    for node in index.standing("Procedure"):
        codings = codings_of(node.child("code"))
        if not any(_is_snomed(coding, codes.CPR) for coding in codings):
            continue
        start = moment_of(node.child("performedPeriod").child("start")) or moment_of(node.child("performedDateTime"))
        if start is None:
            continue
        node.expect("status", "in-progress")
        for coding in codings:
            if _is_snomed(coding, codes.CPR):
                coding.done()
        index.take(node)
        return {"cpr_start": start}
    return {}


def read_log(index: MessageIndex) -> dict[str, tuple[LogEntry, ...]]:
    """Call log and crew notes (APP6-REF-17), in the order sent.

    What is called neither stands in the call log under the name that the sender gave it.
    """
    found: dict[str, list[LogEntry]] = {"call_log": [], "crew_notes": []}
    for node in index.standing("Communication"):
        entries = _log_entries(node)
        if entries:
            node.expect("status", "completed")
            index.take(node)
            found[_list_of(node.child("topic"))] += entries
    return {name: tuple(entries) for name, entries in found.items()}


def read_tasks(index: MessageIndex, *, authored: frozenset[str]) -> dict[str, Any]:
    """The resource asked for, and actions (APP6-REF-15, APP6-REF-16).

    `authored` are moments at which the message as a whole was made: a Task that says one of them says nothing new.
    """
    resource: ResourceRequest | None = None
    actions: list[RequestedAction] = []
    for node in index.standing("Task"):
        asked = _task(node)
        if asked is None:
            continue
        index.take(node)
        node.expect("status", "requested")
        node.expect("intent", "plan")
        node.expect("authoredOn", *authored)
        if isinstance(asked, ResourceRequest) and resource is None:
            resource = asked
        else:
            actions.append(RequestedAction(**asked.model_dump(include=set(RequestedAction.model_fields))))
    return {"resource_requested": resource, "actions": tuple(actions)}


def _log_entries(node: Node) -> list[LogEntry]:
    at = moment_of(node.child("sent"))
    named = node.child("topic").child("text").text()
    topic = None if (named or "").strip().lower() in {known.lower() for known in _LISTS} else named
    texts = (payload.child("contentString").text() for payload in node.items("payload"))
    return [entry for text in texts if text and (entry := node.make(LogEntry, at=at, text=text, topic=topic))]


def _list_of(topic: Node) -> str:
    words = (words_of(topic) or "").lower()
    return "crew_notes" if "crew" in words and "log" not in words else "call_log"


def _task(node: Node) -> RequestedAction | None:
    concept, description = node.child("code"), node.child("description")
    coded = concept.child("text").exists or codings_of(concept)
    text, code = text_and_code(concept) if coded else (None, None)
    text = text or description.text() or words_of(concept)
    if text is None:
        return None
    period = node.child("restriction").child("period")
    fields = {
        "text": text,
        "code": code,
        "not_before": moment_of(period.child("start")),
        "by": moment_of(period.child("end")),
    }
    if concept.child("id").word != codes.RESOURCE_REQUESTED:
        node.expect("description", text)
        return node.make(RequestedAction, **fields)
    resource = node.make(ResourceRequest, **fields, number=_number(node))
    if resource:
        node.expect("description", text, resource.in_words)
    return resource


def _number(node: Node) -> int | None:
    for item in node.items("input"):
        if item.child("type").child("text").word == codes.HOW_MANY:
            item.child("type").child("text").text()
            return item.child("valuePositiveInt").positive()
    return None


def _is_snomed(coding: Node, code: str) -> bool:
    return coding.child("code").word == code and same_system(system_of(coding), codes.SNOMED)
