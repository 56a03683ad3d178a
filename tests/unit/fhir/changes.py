"""Ways to break a conforming message, and what the profile rules say then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.profile import check_profile
from tests.unit.fhir.messages import NHS, Json, Sort, message

Change = Callable[[Json], Any]


def first(bundle: Json, resource_type: str) -> Json:
    found: Json = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == resource_type)
    return found


def issues_after(change: Change, sort: Sort, *, strict: bool = False) -> list[Issue]:
    bundle = message(sort)
    change(bundle)
    return check_profile(bundle, use_case=sort.use_case, kind=sort.kind, strict=strict)


def rules_after(change: Change, sort: Sort) -> set[str]:
    return {issue.rule for issue in issues_after(change, sort)}


def errors_after(change: Change, sort: Sort) -> set[str]:
    return {issue.rule for issue in issues_after(change, sort) if issue.is_error}


def setting(resource_type: str, /, **elements: Any) -> Change:
    return lambda bundle: first(bundle, resource_type).update(elements)


def dropping(resource_type: str, element: str) -> Change:
    return lambda bundle: first(bundle, resource_type).pop(element, None)


def parts(**values: str) -> list[Json]:
    listed = [{"url": name, "valueString": value} for name, value in values.items()]
    return [{"url": f"{NHS}/StructureDefinition/LocationExtension", "extension": listed}]
