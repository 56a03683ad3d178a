"""Reading a BaRS message bundle as the raw JSON that it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .codes import ARP, MESSAGE_CATEGORY, USE_CASES
from .identity import Json
from .outcomes import bad_request


class Message:
    """A message bundle. Accessors raise RefusedError (400 invariant) for what every message must have."""

    def __init__(self, bundle: Json) -> None:
        self.bundle = bundle

    @classmethod
    def parse(cls, body: bytes) -> Message:
        """Reads a body. Raises RefusedError where it is not JSON, no message bundle, or without one MessageHeader."""
        try:
            bundle = json.loads(body)
        except ValueError as error:
            raise bad_request("structure", "The body is not JSON") from error
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
            raise bad_request("structure", "The body is not a Bundle")
        if bundle.get("type") != "message":
            raise bad_request("invariant", "Bundle.type must be message")
        message = cls(bundle)
        if len(message.of_type("MessageHeader")) != 1:
            raise bad_request("invariant", "A message has exactly one MessageHeader")
        return message

    @property
    def id(self) -> str | None:
        """Bundle.id."""
        value = self.bundle.get("id")
        return value if isinstance(value, str) else None

    @property
    def version(self) -> str | None:
        """Bundle.meta.versionId."""
        value = self.bundle.get("meta", {}).get("versionId")
        return value if isinstance(value, str) else None

    @property
    def entries(self) -> list[Json]:
        """Bundle.entry."""
        entries: list[Json] = self.bundle.get("entry", [])
        return entries

    @property
    def resources(self) -> list[Json]:
        """The resources of all entries."""
        return [entry["resource"] for entry in self.entries if isinstance(entry.get("resource"), dict)]

    @property
    def types(self) -> list[str]:
        """The resource type of every entry."""
        return [str(resource.get("resourceType")) for resource in self.resources]

    def of_type(self, name: str) -> list[Json]:
        """The resources of one type, in the order of the bundle."""
        return [resource for resource in self.resources if resource.get("resourceType") == name]

    def one(self, name: str) -> Json:
        """The first resource of a type. Raises RefusedError where there is none."""
        found = self.of_type(name)
        if not found:
            raise bad_request("invariant", f"{name} is missing")
        return found[0]

    def full_url(self, resource: Json) -> str:
        """The fullUrl of a resource of this bundle."""
        for entry in self.entries:
            if entry.get("resource") is resource:
                return str(entry.get("fullUrl"))
        raise KeyError("not a resource of this bundle")

    def resolve(self, reference: str | None) -> Json | None:
        """The resource with this fullUrl."""
        for entry in self.entries:
            if reference is not None and entry.get("fullUrl") == reference:
                resource: Json = entry["resource"]
                return resource
        return None

    @property
    def header(self) -> Json:
        """The MessageHeader."""
        return self.one("MessageHeader")

    @property
    def event(self) -> str:
        """MessageHeader.eventCoding.code."""
        return str(self.header.get("eventCoding", {}).get("code"))

    @property
    def reason(self) -> str:
        """MessageHeader.reason.coding.code."""
        codings = self.header.get("reason", {}).get("coding", [{}])
        return str(codings[0].get("code"))

    @property
    def definition(self) -> str:
        """MessageHeader.definition."""
        return str(self.header.get("definition"))

    @property
    def source_endpoint(self) -> str | None:
        """MessageHeader.source.endpoint: where responses go (CORE-MH-06)."""
        endpoint = self.header.get("source", {}).get("endpoint")
        return endpoint if isinstance(endpoint, str) else None

    @property
    def destination_endpoint(self) -> str | None:
        """The endpoint of the first MessageHeader.destination."""
        destinations = self.header.get("destination") or [{}]
        endpoint = destinations[0].get("endpoint")
        return endpoint if isinstance(endpoint, str) else None

    @property
    def response_identifier(self) -> str | None:
        """MessageHeader.response.identifier without a urn:uuid: prefix (CORE-MH-17)."""
        identifier = self.header.get("response", {}).get("identifier")
        return identifier.removeprefix("urn:uuid:") if isinstance(identifier, str) else None

    @property
    def focus(self) -> Json | None:
        """The resource that MessageHeader.focus names."""
        focus = self.header.get("focus") or [{}]
        return self.resolve(focus[0].get("reference"))

    @property
    def service_request(self) -> Json:
        """The ServiceRequest."""
        return self.one("ServiceRequest")

    @property
    def category(self) -> str | None:
        """`validation` or `referral`, by system and not by position (CORE-CN-09)."""
        return self._category_code(MESSAGE_CATEGORY)

    @property
    def use_case(self) -> str | None:
        """The use-case category, lower case (CORE-CN-10)."""
        return self._category_code(USE_CASES)

    def _category_code(self, system: str) -> str | None:
        for concept in self.service_request.get("category", []):
            for held in concept.get("coding", []):
                if held.get("system") == system and isinstance(held.get("code"), str):
                    return str(held["code"]).lower()
        return None

    @property
    def arp(self) -> str | None:
        """The ARP code of the CarePlan, if it carries one (APP4-VS-17)."""
        for plan in self.of_type("CarePlan"):
            for held in _codings(plan):
                if held.get("system") == ARP:
                    return str(held.get("code"))
        return None

    @property
    def case_numbers(self) -> list[str]:
        """Every Encounter.identifier value: the human-readable numbers."""
        return [
            str(identifier["value"])
            for encounter in self.of_type("Encounter")
            for identifier in encounter.get("identifier", [])
            if "value" in identifier
        ]

    def texts(self) -> Iterator[str]:
        """Every piece of text anywhere in the message."""
        yield from _texts(self.bundle)


def _codings(care_plan: Json) -> Iterator[Json]:
    for activity in care_plan.get("activity", []):
        for outcome in activity.get("outcomeCodeableConcept", []):
            yield from outcome.get("coding", [])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
