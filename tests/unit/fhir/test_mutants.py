"""Verdicts do not depend on the fast path: thousands of mutants, judged a second time by others.

What fhir.resources refuses we refuse; what we refuse beyond that is one of its known laxities. And what the published
profiles say in their differentials our tables say too, at the same element.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from cad_bridge.fhir.check import check_message, kind_of
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.payload import PAYLOADS, ROWS, checks_for, rows_for
from cad_bridge.fhir.payload_check import Miss, RowCheck, broken_rows
from cad_bridge.fhir.payload_rows import Row
from cad_bridge.fhir.payload_view import Kind, MessageView, subjects
from cad_bridge.fhir.profile import check_profile
from cad_bridge.fhir.profile_table import PROFILE_ROWS
from cad_bridge.fhir.schema_types import words
from cad_bridge.fhir.structure import check_structure
from tests.shared_material import SHARED, needs_shared
from tests.unit.fhir.differentials import NHS, UKCORE, Violation, resources_of, violations
from tests.unit.fhir.messages import SORTS, Sort, message
from tests.unit.fhir.mutants import MUTATIONS, NOTHING, WELL_FORMED, Json, Mutant, every_mutant, mutants

EXAMPLES = SHARED / "bars" / "examples"
OFFICIAL = sorted(path for folder in ("requests", "responses") for path in (EXAMPLES / folder).glob("*.json"))


def fhir_resources_refuses(bundle: Json) -> bool:
    try:
        Bundle.model_validate(bundle)
    except (ValidationError, KeyError, ValueError, TypeError, AttributeError):
        return True
    return False


def around_the_change(mutant: Mutant) -> Json:
    """The message without its unchanged entries, which the model accepts anyway."""
    if mutant.entry is None:
        return mutant.bundle
    return {**mutant.bundle, "entry": [mutant.bundle["entry"][mutant.entry]]}


def laxity(issue: Issue, mutant: Mutant) -> str | None:
    """What is known of fhir.resources that explains why it accepts what we refuse."""
    value, key = mutant.value, mutant.path[-1]
    if issue.rule == "r4-type":
        return _coercion(value)
    if issue.rule == "r4-unknown-element":
        names = json.dumps(mutant.bundle)
        return (
            "resource_type and fhir_comments are keys" if "resource_type" in names or "fhir_comments" in names else None
        )
    if issue.rule == "r4-required":
        is_resource = key in ("resourceType", "resource") or value == {"id": "x"} or value == {}
        return "an entry without resourceType" if is_resource else None
    return LAXITIES.get(issue.rule)


def _coercion(value: Any) -> str | None:
    if value is None:
        return "nulls"
    if isinstance(value, str):
        return "texts as numbers and booleans"
    if isinstance(value, bool | int | float):
        return "numbers as booleans, instants and decimals"
    return "an empty list is dropped whatever stands there" if value in ([], {}) else None


LAXITIES = {
    "r4-binding": "any code in a required binding",
    "r4-format": "empty and odd texts: blanks in a uri, ids over 64 characters, 1.0 as integer",
    "r4-resource-type": "a bundle that does not say that it is one",
    "r4-choice": "an extension beside another type of a choice",
    "ele-1": "empty arrays and objects",
    "json-null": "nulls in lists",
    "ext-1": "an extension with neither value nor extensions, or both",
    "reference-form": "any text as reference",
    "per-1": "a period that ends before it starts",
    "dom-3": "contained resources that nothing refers to",
} | dict.fromkeys(
    words(
        """
        bdl-1 bdl-2 bdl-3 bdl-4 bdl-5 bdl-7 bdl-8 bdl-9 bdl-10 bdl-11 bdl-12 cpt-2 org-1 org-2 org-3 pat-1 obs-3 obs-6
        obs-7 cpl-3 qty-3 ait-1 ait-2 con-4 con-5 ppc-1 que-1 que-2 que-4 que-5 que-7 que-8 que-10 que-11 que-12 que-13
        qrs-1 inv-1 att-1 ref-1 txt-1 txt-2 app-2 app-3
        """
    ),
    "invariants are not checked",
)


@cache
def originals() -> list[Json]:
    own = [message(sort) for sort in SORTS]
    return own + [orjson.loads(path.read_bytes()) for path in OFFICIAL]


def seeded(*, of_each: int, kinds: Collection[str] = MUTATIONS) -> Iterator[Mutant]:
    for number, bundle in enumerate(originals()):
        yield from mutants(bundle, Random(number), count=of_each, kinds=kinds)


@pytest.mark.timeout(120)
def test_what_the_models_of_fhir_resources_refuse_we_refuse_and_more_only_for_known_laxities() -> None:
    seen: Counter[tuple[bool, bool]] = Counter()
    for mutant in seeded(of_each=70):
        result = check_structure(orjson.dumps(mutant.bundle))
        theirs = fhir_resources_refuses(around_the_change(mutant))
        seen[result.is_refused, theirs] += 1
        where = f"{mutant.mutation} at {mutant.path}"
        assert result.is_refused or not theirs, f"accepted although fhir.resources refuses: {where}"
        if result.is_refused and not theirs:
            errors = [issue for issue in result.issues if issue.is_error]
            assert any(laxity(issue, mutant) for issue in errors), f"{where}: {errors}"
    assert min(seen[True, True], seen[True, False], seen[False, False]) > 200


@needs_shared
@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem[:10].strip("-"))
def test_official_messages_are_accepted_by_both(path: Any) -> None:
    assert not check_structure(path.read_bytes()).is_refused
    assert not fhir_resources_refuses(orjson.loads(path.read_bytes()))


OPENAPI = sorted((EXAMPLES / "openapi").glob("**/*.json"))


@needs_shared
@pytest.mark.parametrize("path", OPENAPI, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_is_no_r4_in_the_api_examples_is_refused(path: Any) -> None:
    bundle = orjson.loads(path.read_bytes())
    if bundle.get("resourceType") == "Bundle" and fhir_resources_refuses(bundle):
        assert check_structure(path.read_bytes()).is_refused


# --- profiles ------------------------------------------------------------------------------------------------

EXPRESSION = re.compile(r"Bundle(?:\.entry\[(\d+)\]\.resource)?\.?(\w*)")
PROFILE_RULES = (
    "BARS",
    "UKCore",
    "Extension-UKCore",
    "CDSSExtension",
    "LocationExtension",
    "extension-",
    "reference-t",
)
BEYOND_DIFFERENTIALS = ("reference-target", "BARSServiceRequest-request")
"""Targets that base R4 says; what both profiles say of a cancellation."""


def profiles_of(bundle: Json, use_case: str | None, kind: Kind) -> dict[int, list[str]]:
    """Which published profiles an entry is held against."""
    view = MessageView(bundle, kind, use_case)
    return {index: _profiles(resource, view) for index, resource in resources_of(bundle)}


def _profiles(resource: Json, view: MessageView) -> list[str]:
    resource_type, payload = resource.get("resourceType"), view.payload
    if resource_type == "MessageHeader" and payload:
        event = "response" if payload[0] in "IFS" else "request"
        return [f"{NHS}BARSMessageHeader-servicerequest-{event}"]
    if resource_type == "ServiceRequest" and payload not in ("", "C"):
        category = "validation" if payload in ("V", "I", "F") else "referral"
        return [f"{NHS}BARSServiceRequest-request-{category}"]
    if resource_type == "Flag" and any(resource is flag for flag in view.scene_safety_flags):
        return [f"{NHS}BARSFlag-scene-safety"]
    found = [f"{UKCORE}UKCore-{resource_type}"]
    if resource_type == "Location" and payload == "6" and any(resource is each for each in view.incident_locations):
        found.append(f"{UKCORE}BARSLocation-incident-location")
    return found if resource_type in WITH_UKCORE_PROFILE else []


WITH_UKCORE_PROFILE = words(
    """
    AllergyIntolerance CarePlan Communication Condition Consent Encounter HealthcareService Location MedicationStatement
    Observation Organization Patient Practitioner PractitionerRole Procedure Questionnaire QuestionnaireResponse
    ServiceRequest Task
    """
)


def told(issues: list[Issue]) -> dict[Violation, set[str]]:
    """The places that profile rules speak of, with the rules."""
    found: dict[Violation, set[str]] = {}
    for issue in issues:
        place = EXPRESSION.match(issue.expression)
        if place is not None and issue.rule.startswith(PROFILE_RULES):
            found.setdefault((int(place[1]) if place[1] else None, place[2]), set()).add(issue.rule)
    return found


def compare_with_differentials(mutant: Mutant, use_case: str | None, kind: Kind) -> bool:
    """Whether the published profiles find fault with the entry that was changed; we must then say so, and only then."""
    profiles = profiles_of(mutant.bundle, use_case, kind)
    if mutant.entry is not None:
        profiles = {index: names for index, names in profiles.items() if index == mutant.entry}
    theirs = violations(mutant.bundle, profiles)
    everything = told(check_profile(mutant.bundle, use_case=use_case, kind=kind, strict=False))
    ours = {place: rules for place, rules in everything.items() if place[0] is None or place[0] in profiles}
    where = f"{mutant.mutation} at {mutant.path}"
    assert theirs <= ours.keys(), f"{where}: not told: {theirs - ours.keys()}"
    for place in ours.keys() - theirs:
        is_binding = place[1] == "communication"
        assert is_binding or ours[place] <= set(BEYOND_DIFFERENTIALS), f"{where}: {place} {ours[place]}"
    return bool(theirs)


def ample(bundle: Json) -> Json:
    """The message with the elements added that profiles narrow and no element table asks for."""
    site = {"system": "https://fhir.nhs.uk/Id/ods-site-code", "value": "RX801"}
    concept = {"coding": [{"system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategory", "code": "A"}]}
    extension = f"{UKCORE}Extension-UKCore-"
    verified = {"url": f"{extension}NHSNumberVerificationStatus", "valueCodeableConcept": concept}
    key = [{"url": "type", "valueCodeableConcept": concept}, {"url": "value", "valueString": "x"}]
    level = {"url": "level", "valueCoding": {"code": "x"}}
    language = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-proficiency", "extension": [level]}],
        "language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en-GB"}]},
    }
    added: dict[str, Json] = {
        "MedicationStatement": {"identifier": [{"system": "http://example.org", "value": "1"}]},
        "Patient": {
            "extension": [
                {"url": f"{extension}EthnicCategory", "valueCodeableConcept": concept},
                {"url": f"{extension}BirthSex", "valueCodeableConcept": concept},
            ],
            "address": [{"city": "x", "extension": [{"url": f"{extension}AddressKey", "extension": key}]}],
            "communication": [language],
        },
        "ServiceRequest": {
            "extension": [
                {"url": f"{extension}SourceOfServiceRequest", "valueCodeableConcept": concept},
                {"url": f"{extension}Coverage", "valueCodeableConcept": concept},
            ]
        },
    }
    for _, resource in resources_of(bundle):
        resource.update(added.get(resource["resourceType"], {}))
        if resource["resourceType"] in ("Organization", "Location"):
            resource["identifier"] = [*resource.get("identifier", []), site]
        if resource["resourceType"] == "Patient":
            resource["identifier"][0]["extension"] = [verified]
        if resource["resourceType"] == "MessageHeader":
            assigner = {"assigner": resource["sender"], "value": "x", "system": "http://example.org"}
            resource["sender"] = {**resource["sender"], "identifier": assigner}
    copied: Json = orjson.loads(orjson.dumps(bundle))
    return copied


def is_well_formed(bundle: Json) -> bool:
    return not check_structure(orjson.dumps(bundle)).is_refused


@needs_shared
@pytest.mark.timeout(180)
@pytest.mark.parametrize("sort", {sort.payload: sort for sort in SORTS if sort.payload != "SR"}.values(), ids=str)
def test_profile_rules_say_what_the_published_differentials_say_of_each_element(sort: Sort) -> None:
    """Each element that the profiles narrow is there, and is left out, repeated and changed in turn."""
    broken = 0
    for mutant in every_mutant(ample(message(sort)), Random(1), kinds=WELL_FORMED):
        if is_well_formed(mutant.bundle):
            broken += compare_with_differentials(mutant, sort.use_case, sort.kind)
    assert broken > 10


@needs_shared
@pytest.mark.timeout(180)
def test_profile_rules_say_what_the_published_differentials_say_of_official_messages() -> None:
    for mutant in seeded(of_each=25, kinds=WELL_FORMED):
        if is_well_formed(mutant.bundle):
            facts = read_facts(mutant.bundle)
            compare_with_differentials(mutant, facts.use_case, kind_of(facts))


def test_the_profile_check_of_a_mutant_never_raises() -> None:
    for mutant in seeded(of_each=30):
        facts = read_facts(mutant.bundle)
        check_message(mutant.bundle, facts, strict=mutant.value is NOTHING)


SUBJECTS_OF_ROWS = sorted({row.subject for row in (*ROWS, *PROFILE_ROWS)})


@cache
def rows_about(subject: str) -> tuple[tuple[Row, ...], tuple[Row, ...], RowCheck]:
    """Every row of the subject: as it is, without the names that are seen at a glance, and compiled."""
    rows = tuple(row for row in (*ROWS, *PROFILE_ROWS) if row.subject == subject)
    return rows, tuple(replace(row, plain=()) for row in rows), RowCheck(rows)


def broken(found: list[tuple[Row, Miss]]) -> list[tuple[str, str, int, str]]:
    return [(row.rule, row.path, id(holder), element) for row, (holder, element) in found]


def test_rows_compiled_or_seen_at_a_glance_are_judged_as_if_followed_step_by_step() -> None:
    """On each mutant, well-formed or not, all rows of a subject at once: those of other payloads are broken, too."""
    judged: Counter[bool] = Counter()
    for mutant in seeded(of_each=40):
        facts = read_facts(mutant.bundle)
        view = MessageView(around_the_change(mutant), kind_of(facts), facts.use_case)
        for subject in SUBJECTS_OF_ROWS:
            rows, slow, compiled = rows_about(subject)
            for node in subjects(view, subject):
                followed = broken(broken_rows(slow, node))
                assert broken(broken_rows(rows, node)) == followed, f"{subject}: {mutant.mutation} at {mutant.path}"
                assert broken(compiled.broken(node)) == followed, f"{subject}: {mutant.mutation} at {mutant.path}"
                judged[bool(followed)] += 1
    assert judged[True] > 1000


@pytest.mark.parametrize("letters", sorted(PAYLOADS))
def test_the_rows_of_a_payload_compiled_are_judged_as_if_followed_step_by_step(letters: str) -> None:
    """The rows that apply together: here most resources break none, and the schema alone decides."""
    held = 0
    for mutant in mutants(ample(message(sort_of(letters))), Random(2), count=300, kinds=MUTATIONS):
        view = MessageView(around_the_change(mutant), "update", sort_of(letters).use_case)
        for subject, rows in rows_for(letters, with_ids=True).items():
            for node in subjects(view, subject):
                followed = broken(broken_rows([replace(row, plain=()) for row in rows], node))
                found = broken(checks_for(letters, with_ids=True)[subject].broken(node))
                assert found == followed, f"{subject}: {mutant.mutation} at {mutant.path}"
                held += not followed
    assert held > 20


def sort_of(letter: str) -> Sort:
    return next(sort for sort in SORTS if letter in sort.payload)
