"""Statements that are no longer made: an update cannot leave a resource out, for it would live on at the receiver.

The element tables fix the status of a Flag and of an Observation (``active``, ``final``), and a receiver may refuse the
whole update for another one. What is taken back is therefore said in the elements that they leave free, so that a
person reads it too: a Flag that has ended and says so in its text, an Observation whose value is absent. The element
id ``withdrawn`` tells it apart from what other senders put there; published examples have Flags that are still active
long after their period has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from cad_bridge.fhir.build_elements import Json, filled
from cad_bridge.fhir.codes import NO_LONGER_ASKED, NO_LONGER_HOLDS, WITHDRAWN
from cad_bridge.fhir.read_elements import read_moment

_Retraction = Callable[[Json, datetime], Json]
_ENDED = frozenset({"inactive", "entered-in-error"})


def _flag(flag: Json, at: datetime) -> Json:
    """With its end, and with its words after ours. A start that lies after the end is left out (per-1)."""
    code, started = flag.get("code", {}), flag.get("period", {}).get("start")
    said = [NO_LONGER_HOLDS, *([code["text"]] if "text" in code else ())]
    period = filled({"id": WITHDRAWN, "start": started if _is_by(started, at) else None, "end": at})
    return {**flag, "code": {**code, "text": ": ".join(said)}, "period": period}


def _is_by(started: Any, at: datetime) -> bool:
    if not isinstance(started, str):
        return False
    moment = read_moment(started)
    return moment <= at if moment is not None else started <= at.date().isoformat()


def _observation(observation: Json, _: datetime) -> Json:
    """Without value and time: whoever passes over the reason of their absence has nothing to show that is wrong."""
    kept = {name: value for name, value in observation.items() if not name.startswith(("value", "effective"))}
    return {**kept, "dataAbsentReason": {"id": WITHDRAWN, "text": NO_LONGER_HOLDS}}


def _with(**elements: Any) -> _Retraction:
    return lambda resource, _: {**resource, **elements}


def _unverified(name: str) -> _Retraction:
    system = f"http://terminology.hl7.org/CodeSystem/{name}"
    status = {"coding": [{"system": system, "code": "entered-in-error", "display": "Entered in Error"}]}

    def unverified(resource: Json, _: datetime) -> Json:
        """Without clinicalStatus: none where the record was an error (ait-2, con-5)."""
        kept = {name: value for name, value in resource.items() if name != "clinicalStatus"}
        return {**kept, "verificationStatus": status}

    return unverified


_IN_ERROR = _with(status="entered-in-error")
_RETRACTED: Mapping[str, _Retraction] = {
    "Flag": _flag,
    "Observation": _observation,
    "Location": _with(status="inactive"),
    "MedicationStatement": _IN_ERROR,
    "Communication": _IN_ERROR,
    "Procedure": _IN_ERROR,
    "QuestionnaireResponse": _IN_ERROR,
    "Questionnaire": _with(),
    "AllergyIntolerance": _unverified("allergyintolerance-verification"),
    "Condition": _unverified("condition-ver-status"),
    "Task": _with(businessStatus={"text": NO_LONGER_ASKED}),
}
"""What a statement becomes. A Task stays requested, or the whole update would be refused (X-36); its CarePlan does not
name it any more. A Questionnaire stays as it is."""


def can_be_retracted(resource_type: str) -> bool:
    """Whether a resource of the type makes a statement that can be taken back."""
    return resource_type in _RETRACTED


def retracted(resource: Json, *, at: datetime) -> Json:
    """The resource as one that no longer holds since `at` (aware UTC); unchanged where it says so already."""
    return resource if is_retracted(resource) else _RETRACTED[str(resource.get("resourceType"))](resource, at)


def is_retracted(resource: Mapping[str, Any]) -> bool:
    """Whether a resource says that it no longer holds, by its status or in our own manner."""
    kind = resource.get("resourceType")
    if kind == "Flag" and _is_marked(resource.get("period")):
        return True
    if kind == "Observation" and _is_marked(resource.get("dataAbsentReason")):
        return True
    if kind == "Task":
        return resource.get("businessStatus") == {"text": NO_LONGER_ASKED}
    return _word(resource.get("status")) in _ENDED or _is_in_error(resource.get("verificationStatus"))


def _is_marked(element: Any) -> bool:
    return isinstance(element, Mapping) and element.get("id") == WITHDRAWN


def _is_in_error(status: Any) -> bool:
    codings = status.get("coding") if isinstance(status, Mapping) else None
    listed = codings if isinstance(codings, list) else ()
    return any(isinstance(coding, Mapping) and coding.get("code") == "entered-in-error" for coding in listed)


def is_active_flag(flag: Mapping[str, Any]) -> bool:
    """Whether a Flag holds; one without status does, for nothing says that it does not."""
    return _word(flag.get("status")) in {"active", None} and not is_retracted(flag)


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None
