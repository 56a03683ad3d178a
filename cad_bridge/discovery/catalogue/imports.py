"""Importing a catalogue from a file: CSV, plain JSON, or a FHIR Bundle. All of it or nothing."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cad_bridge.discovery.catalogue.compose import resources_from_entries
from cad_bridge.discovery.catalogue.elements import Resource
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.join import entries_from_resources
from cad_bridge.discovery.catalogue.records import resources_in
from cad_bridge.discovery.catalogue.tokens import parse_token
from cad_bridge.discovery.catalogue.validate import ENDPOINT_STATUSES, is_usable_address, validate

COLUMNS = ("service_id", "ods_code", "name", "address", "use_cases", "status")
_USE_CASE = re.compile(r"a[0-9]+t[0-9]+\Z")
_SEPARATORS = re.compile(r"[\s,;]+")


class ImportRefusedError(Exception):
    """The file has errors; `problems` names each with its line or number."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(f"{len(problems)} problems in the catalogue file")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ImportedCatalogue:
    """A file that is free of errors: its entries, the resources that stand for them, and warnings.

    A warning names a service that can't be reached, or an element that is not as R4 has it.
    """

    entries: tuple[CatalogueEntry, ...]
    resources: tuple[Resource, ...]
    warnings: tuple[str, ...] = ()


def import_csv(text: str) -> ImportedCatalogue:
    """Read CSV with the columns of `COLUMNS`; `status` may be absent and is then ``active``.

    Raises:
        ImportRefusedError: a column or a value is missing or wrong, or a service id is there with two addresses.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    missing = set(COLUMNS[:-1]) - set(reader.fieldnames or ())
    if missing:
        raise ImportRefusedError((f"columns missing: {', '.join(sorted(missing))}",))
    try:
        rows = [(f"line {reader.line_num}", row) for row in reader]
    except csv.Error as fault:
        raise ImportRefusedError((f"line {reader.line_num}: not CSV",)) from fault
    return _from_rows(rows)


def import_json(text: str) -> ImportedCatalogue:
    """Read ``{"services": [{"service_id": ..., "use_cases": [...], ...}]}``, a list of such, or a FHIR Bundle.

    Raises:
        ImportRefusedError: as `import_csv`; also text that is not JSON.
    """
    try:
        document = json.loads(text)
    except ValueError as fault:
        raise ImportRefusedError(("not JSON",)) from fault
    if isinstance(document, dict) and document.get("resourceType") == "Bundle":
        return _from_bundle(document)
    rows = document.get("services") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise ImportRefusedError(("neither a list of services nor a FHIR Bundle",))
    return _from_rows([(f"service {number}", row) for number, row in enumerate(rows, start=1)])


_KINDS = ("Organization", "HealthcareService", "Endpoint")


def _from_bundle(document: dict[str, Any]) -> ImportedCatalogue:
    found = {kind: resources_in(document, kind) for kind in _KINDS}
    resources = tuple(resource for kind in _KINDS for resource in found[kind])
    warnings = _checked(resources)
    joined = entries_from_resources(found["HealthcareService"], found["Endpoint"], organizations=found["Organization"])
    if not joined.entries:
        raise ImportRefusedError(("the Bundle holds no service that can be reached",))
    problems = tuple(two_addresses(joined.entries))
    if problems:
        raise ImportRefusedError(problems)
    gaps = tuple(f"{issue.expression}: {issue.diagnostics}" for issue in joined.issues)
    return ImportedCatalogue(joined.entries, resources, (*warnings, *gaps))


def _checked(resources: Iterable[Resource]) -> tuple[str, ...]:
    """Warnings about the resources; raises ImportRefusedError where one can't be stored."""
    issues = [
        (f"{resource['resourceType']} {number}", issue)
        for number, resource in enumerate(resources, start=1)
        for issue in validate(resource, resource["resourceType"])
    ]
    problems = [f"{where}: {issue.expression}: {issue.diagnostics}" for where, issue in issues if issue.is_error]
    problems += [
        f"{resource['resourceType']} {number}: a resource of a Bundle needs its id"
        for number, resource in enumerate(resources, start=1)
        if not isinstance(resource.get("id"), str)
    ]
    if problems:
        raise ImportRefusedError(tuple(problems))
    return tuple(f"{where}: {issue.expression}: {issue.diagnostics}" for where, issue in issues)


def _from_rows(rows: Iterable[tuple[str, Any]]) -> ImportedCatalogue:
    entries: list[CatalogueEntry] = []
    problems: list[str] = []
    for where, row in rows:
        if not isinstance(row, Mapping):
            problems.append(f"{where}: not an object")
            continue
        wrong = list(_problems(row))
        problems.extend(f"{where}: {problem}" for problem in wrong)
        if not wrong:
            entries.append(_entry(row))
    problems.extend(two_addresses(entries))
    problems.extend(_two_owners(entries))
    if problems:
        raise ImportRefusedError(tuple(problems))
    return ImportedCatalogue(tuple(entries), resources_from_entries(entries))


def _problems(row: Mapping[str, Any]) -> Iterable[str]:
    token = parse_token(_cell(row, "service_id"))
    if not token.system or not token.value:
        yield "service_id must be system|value"
    yield from (f"{name} is missing" for name in ("ods_code", "name") if not _cell(row, name))
    if not is_usable_address(_cell(row, "address")):
        yield "address must be an https URL (http on a loopback address only)"
    if (_cell(row, "status") or "active") not in ENDPOINT_STATUSES:
        yield f"status must be one of {', '.join(sorted(ENDPOINT_STATUSES))}"
    if not _use_cases(row):
        yield "use_cases is missing"
    elif not all(_USE_CASE.match(code) for code in _use_cases(row)):
        yield "use_cases must be codes such as a6t1"


def _entry(row: Mapping[str, Any]) -> CatalogueEntry:
    return CatalogueEntry(
        service_id=str(parse_token(_cell(row, "service_id"))),
        ods_code=_cell(row, "ods_code"),
        name=_cell(row, "name"),
        address=_cell(row, "address"),
        use_cases=_use_cases(row),
        status=_cell(row, "status") or "active",
    )


def _use_cases(row: Mapping[str, Any]) -> frozenset[str]:
    value = row.get("use_cases")
    codes = value if isinstance(value, list) else _SEPARATORS.split(_cell(row, "use_cases"))
    return frozenset(str(code).strip().lower() for code in codes if str(code).strip())


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def two_addresses(entries: Iterable[CatalogueEntry]) -> Iterable[str]:
    """The services that have more than one active address, in words: each is a fault of the catalogue."""
    by_id: dict[str, set[str | None]] = {}
    for entry in entries:
        if entry.status == "active":
            by_id.setdefault(entry.service_id, set()).add(entry.address)
    return [f"{service_id} has more than one address" for service_id, found in by_id.items() if len(found) > 1]


def _two_owners(entries: Iterable[CatalogueEntry]) -> Iterable[str]:
    by_id: dict[str, set[str]] = {}
    for entry in entries:
        by_id.setdefault(entry.service_id, set()).add(entry.ods_code.upper())
    return [f"{service_id} has more than one ods_code" for service_id, found in by_id.items() if len(found) > 1]
