"""A message as the payload rules see it: which payload it is, and which of its resources plays which part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from cad_bridge.fhir import codes
from cad_bridge.fhir.elements import as_list, as_object, objects, text
from cad_bridge.fhir.payload_rows import SELECTORS

Node = Mapping[str, Any]
Kind = Literal[
    "request", "update", "cancellation", "acknowledgement", "interim", "rejection", "final", "status-response"
]
"""What a message is in the conversation; `acknowledgement` is the body of the synchronous answer."""

_SCENE_SAFETY_CATEGORY = "SS"
_INCIDENT_LOCATION = "ILOC"
REFERRAL_TO_CAS = "a3t1"
VALIDATIONS = frozenset({"a4t1", "a4t2", "a4t3"})
CAD_TO_CAD = frozenset({"a6t1", "a6t2", "a6t3"})


PAYLOAD_LETTERS = ("3", "V", "I", "F", "6", "S", "SR", "C", "")
"""All that `payload_of` can say."""


def payload_of(use_case: str | None, kind: Kind) -> str:
    """The letters of the guide's element table for the message: see `payload.PAYLOADS`. Empty where there is none."""
    if kind == "cancellation":
        return "C"
    is_answer = kind in ("interim", "rejection", "final", "status-response")
    if use_case == REFERRAL_TO_CAS:
        return "" if is_answer else "3"
    if use_case in VALIDATIONS:
        return ("F" if kind == "final" else "I") if is_answer else "V"
    if use_case in CAD_TO_CAD:
        return ("SR" if kind == "rejection" else "S") if is_answer else "6"
    return ""


@dataclass(frozen=True)
class MessageView:
    """The resources of one message by the part that they play. Reads anything; judges nothing."""

    bundle: Node
    kind: Kind
    use_case: str | None

    @cached_property
    def payload(self) -> str:
        """The letters of the element tables that apply."""
        return payload_of(self.use_case, self.kind)

    @cached_property
    def entries(self) -> list[Node]:
        """The entries that are objects."""
        return [entry for entry in as_list(self.bundle.get("entry")) if isinstance(entry, dict)]

    @cached_property
    def by_type(self) -> Mapping[str, list[Node]]:
        """The resources of each type, in order."""
        found: dict[str, list[Node]] = {}
        for entry in self.entries:
            resource = entry.get("resource")
            if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
                found.setdefault(resource["resourceType"], []).append(resource)
        return found

    @cached_property
    def by_reference(self) -> Mapping[str, Node]:
        """The resources by what a reference may call them: fullUrl, or ``Type/id``."""
        found: dict[str, Node] = {}
        for entry in self.entries:
            resource = entry.get("resource")
            if isinstance(resource, dict):
                full_url = text(entry.get("fullUrl"))
                if full_url is not None:
                    found.setdefault(full_url, resource)
                if isinstance(resource.get("id"), str):
                    found.setdefault(f"{resource.get('resourceType')}/{resource['id']}", resource)
        return found

    def only(self, resource_type: str) -> Node:
        """The first resource of the type, or an empty one."""
        return next(iter(self.by_type.get(resource_type, ())), {})

    def target(self, holder: object) -> Node | None:
        """The resource that a Reference names, if it is in the message."""
        reference = text(as_object(holder).get("reference"))
        return self.by_reference.get(reference) if reference else None

    @cached_property
    def header(self) -> Node:
        """The MessageHeader."""
        return self.only("MessageHeader")

    @cached_property
    def request(self) -> Node:
        """The ServiceRequest."""
        return self.only("ServiceRequest")

    @cached_property
    def requester_encounters(self) -> list[Node]:
        """The Encounter of the requester: that of the ServiceRequest, else the first of a request."""
        named = self.target(self.request.get("encounter"))
        encounters = self.by_type.get("Encounter", [])
        if named is not None:
            return [named]
        return encounters[:1] if self.payload in "3V6" else []

    @cached_property
    def responder_encounters(self) -> list[Node]:
        """The Encounter of the responder: the focus, else the last that is not the requester's (X-06)."""
        for focus in objects(self.header.get("focus")):
            target = self.target(focus)
            if target is not None and target.get("resourceType") == "Encounter":
                return [target]
        named = self.target(self.request.get("encounter"))
        return [encounter for encounter in self.by_type.get("Encounter", []) if encounter is not named][-1:]

    @cached_property
    def incident_locations(self) -> list[Node]:
        """Where help is needed: Locations of type incident, else those that the ServiceRequest names, else all."""
        locations = self.by_type.get("Location", [])
        typed = [location for location in locations if _is_incident(location)]
        named = [target for each in objects(self.request.get("locationReference")) if (target := self.target(each))]
        return typed or named or locations

    @cached_property
    def scene_safety_flags(self) -> list[Node]:
        """The Flags about the safety of the scene, by category, code system or profile."""
        return [flag for flag in self.by_type.get("Flag", []) if is_scene_safety(flag)]


def codings(concepts: object) -> list[Node]:
    """The codings of a CodeableConcept or of a list of them."""
    return [coding for concept in objects(concepts) for coding in objects(concept.get("coding", []))]


def is_scene_safety(flag: Node) -> bool:
    """Whether a Flag is about the safety of the scene."""
    return (
        any(coding.get("code") == _SCENE_SAFETY_CATEGORY for coding in codings(flag.get("category")))
        or any(coding.get("system") == codes.SCENE_SAFETY for coding in codings(flag.get("code")))
        or codes.SCENE_SAFETY_PROFILE in as_list(as_object(flag.get("meta")).get("profile"))
    )


def _is_incident(location: Node) -> bool:
    return any(coding.get("code") == _INCIDENT_LOCATION for coding in codings(location.get("type")))


def _others(view: MessageView) -> list[Node]:
    """In Application 6 the incident Location has rows of its own."""
    locations = view.by_type.get("Location", [])
    if view.payload != "6":
        return locations
    return [location for location in locations if not any(location is incident for incident in view.incident_locations)]


def _plain_flags(view: MessageView) -> list[Node]:
    return [flag for flag in view.by_type.get("Flag", []) if not is_scene_safety(flag)]


def _holder_of_cdss(view: MessageView) -> list[Node]:
    """The header, or its source where that names the CDSS: the profiles put the extension there."""
    header = view.header
    source = header.get("source")
    if isinstance(source, dict) and any(SELECTORS["cdss"](each) for each in objects(source.get("extension", []))):
        return [source]
    return [header] if header else []


def _current_encounters(view: MessageView) -> list[Node]:
    """The Encounter that the message is about: the requester's in a request, the responder's in an answer."""
    return view.requester_encounters if view.payload in "3V6" else view.responder_encounters


SUBJECTS: Mapping[str, Callable[[MessageView], Sequence[Node]]] = {
    "Bundle": lambda view: [view.bundle],
    "Encounter/current": _current_encounters,
    "Flag/other": _plain_flags,
    "Flag/scene-safety": lambda view: view.scene_safety_flags,
    "Location/incident": lambda view: view.incident_locations,
    "Location/other": _others,
    "MessageHeader/cdss": _holder_of_cdss,
}
"""What a row can be about; every other subject is a resource type and means each resource of that type."""


def subjects(view: MessageView, name: str) -> Sequence[Node]:
    """The objects in the message that rows about `name` apply to."""
    select = SUBJECTS.get(name)
    return select(view) if select else view.by_type.get(name, ())
