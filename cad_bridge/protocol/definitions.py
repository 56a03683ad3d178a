"""The BaRS MessageDefinitions and use cases in scope, and how a message measures up to the definition it cites.

The counts are those of the published definitions; docs/protocol.md, section 6, lists the published exceptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cad_bridge.fhir import codes
from cad_bridge.fhir.facts import Facts
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.protocol.versions import SupportedVersions
from cad_bridge.workflow.vocabulary import VALIDATION_USE_CASES, Side, UseCase

REQUEST, RESPONSE = codes.EVENT_REQUEST, codes.EVENT_RESPONSE

REQUEST_REFERRAL = codes.DEFINITION_REQUEST_REFERRAL
REQUEST_VALIDATION = codes.DEFINITION_REQUEST_VALIDATION
REQUEST_CANCELLED = codes.DEFINITION_REQUEST_CANCELLED
RESPONSE_INTERIM = codes.DEFINITION_RESPONSE_INTERIM
RESPONSE_FULL = codes.DEFINITION_RESPONSE_FULL
RESPONSE_SHORT = f"{codes.DEFINITION_BASE}-response-referral-short"
RESPONSE_REFERRAL = f"{codes.DEFINITION_BASE}-response-referral"

VERSIONS = ("1.0.0-beta", "1.0.0", "1.1.0")
"""Bundle.meta.versionId values that the published examples carry; a service may be configured to take others."""
_SUPPORTED = SupportedVersions.of(VERSIONS)

_UNBOUNDED = 10**9
_BARS = "https://fhir.nhs.uk/StructureDefinition/BARS"
_UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """Where a use case belongs: one application only (CORE-CN-21), and one message category."""

    application: int
    category: str


WORKFLOWS: Mapping[UseCase, Workflow] = MappingProxyType(
    {
        UseCase.CAS_REFERRAL: Workflow(application=3, category="referral"),
        UseCase.CAS_VALIDATION: Workflow(application=4, category="validation"),
        UseCase.FALLS_VALIDATION: Workflow(application=4, category="validation"),
        UseCase.COMMUNITY_VALIDATION: Workflow(application=4, category="validation"),
        UseCase.OUT_OF_AREA: Workflow(application=6, category="referral"),
        UseCase.CALL_ASSIST: Workflow(application=6, category="referral"),
        UseCase.MUTUAL_AID: Workflow(application=6, category="referral"),
    }
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """How often a resource type may stand in a message, and the profile it follows there."""

    type: str
    profile: str
    min: int
    max: int = _UNBOUNDED

    @property
    def max_text(self) -> str:
        """As MessageDefinition.focus.max has it."""
        return "*" if self.max == _UNBOUNDED else str(self.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDefinition:
    """A published MessageDefinition. Keyed by `url`: the published ids are shared by several definitions."""

    url: str
    aliases: frozenset[str] = frozenset()
    version: str
    event: str
    use_cases: frozenset[UseCase]
    """The use cases that it serves by the application pages; the artefacts name only some."""
    resources: tuple[Allowed, ...]
    """In the order of the artefact. A type may stand there twice: the sum counts."""
    supported: SupportedVersions = _SUPPORTED
    advertised: bool = True
    """Whether we offer it; the no-show feedback definition is understood only."""

    @property
    def name(self) -> str:
        """The last part of the URL."""
        return self.url.removeprefix(f"{codes.DEFINITION_BASE}-")


def _uk_core(text: str) -> tuple[Allowed, ...]:
    """From ``Type min..max`` lines, profiled by UK Core."""
    return tuple(_allowed(line, _UK_CORE) for line in text.split(","))


def _allowed(line: str, base: str) -> Allowed:
    name, counts = line.split()
    low, high = counts.split("..")
    return Allowed(name, f"{base}{name}", int(low), _UNBOUNDED if high == "*" else int(high))


def _message(header: str, service_request: str) -> tuple[Allowed, ...]:
    return (
        Allowed("Bundle", f"{_BARS}BundleMessage", 1, 1),
        Allowed("MessageHeader", f"{_BARS}MessageHeader-servicerequest-{header}", 1, 1),
        Allowed("ServiceRequest", f"{_BARS}ServiceRequest-request-{service_request}", 1, 1),
    )


_FLAGS = (
    Allowed("Flag", f"{_BARS}Flag-scene-safety", 0),
    Allowed("Flag", "http://hl7.org/fhir/StructureDefinition/Flag", 0),
)
_INCIDENT = Allowed("Location", "https://fhir.hl7.org.uk/StructureDefinition/BARSLocation-incident-location", 0, 1)
_PEOPLE = "Practitioner 1..*,PractitionerRole 1..*"
_HISTORY = "MedicationStatement 0..*,AllergyIntolerance 0..*"
_VALIDATION_BODY = (
    *_uk_core(f"CarePlan 1..1,Location 1..1,Organization 2..*,{_PEOPLE},Observation 0..*"),
    *_FLAGS,
    *_uk_core(f"Consent 1..*,{_HISTORY},HealthcareService 1..1"),
)
_SHORT_BODY = _uk_core(f"Patient 1..1,Encounter 2..2,Organization 1..*,{_PEOPLE},HealthcareService 0..*")
_CAD_TO_CAD = frozenset({UseCase.OUT_OF_AREA, UseCase.CALL_ASSIST, UseCase.MUTUAL_AID})
_REFERRALS = _CAD_TO_CAD | {UseCase.CAS_REFERRAL}

DEFINITIONS: tuple[MessageDefinition, ...] = (
    MessageDefinition(
        url=REQUEST_REFERRAL,
        version="1.0.0-beta",
        event=REQUEST,
        use_cases=_REFERRALS,
        resources=(
            *_message("request", "referral"),
            *_uk_core("Patient 1..1,Encounter 1..1,CarePlan 1..1"),
            _INCIDENT,
            *_uk_core(f"Location 0..*,Organization 2..*,{_PEOPLE},Observation 0..*"),
            *_FLAGS,
            *_uk_core(f"{_HISTORY},Questionnaire 0..*,QuestionnaireResponse 0..*,Consent 1..*,HealthcareService 1..1"),
            *_uk_core("Condition 0..*,Task 0..*,Communication 0..*,Procedure 0..*"),
        ),
    ),
    MessageDefinition(
        url=REQUEST_VALIDATION,
        version="1.1.0",
        event=REQUEST,
        use_cases=VALIDATION_USE_CASES,
        resources=(
            *_message("request", "validation"),
            *_uk_core("Patient 1..1,Encounter 1..1"),
            *_VALIDATION_BODY,
        ),
    ),
    MessageDefinition(
        url=REQUEST_CANCELLED,
        version="1.0.0",
        event=REQUEST,
        use_cases=frozenset(UseCase),
        resources=(*_message("request", "referral"), *_uk_core("Patient 1..1,Organization 2..*")),
    ),
    MessageDefinition(
        url=RESPONSE_INTERIM,
        version="1.1.0",
        event=RESPONSE,
        use_cases=VALIDATION_USE_CASES,
        resources=(*_message("response", "validation"), *_SHORT_BODY),
    ),
    MessageDefinition(
        url=RESPONSE_FULL,
        version="1.1.0",
        event=RESPONSE,
        use_cases=VALIDATION_USE_CASES,
        resources=(
            *_message("response", "validation"),
            *_uk_core("Patient 1..1,Encounter 2..3"),
            *_VALIDATION_BODY,
        ),
    ),
    MessageDefinition(
        url=RESPONSE_SHORT,
        aliases=frozenset({f"{codes.DEFINITION_BASE}-request-response-short"}),
        version="1.0.0-beta",
        event=RESPONSE,
        use_cases=_CAD_TO_CAD,
        resources=(*_message("response", "referral"), *_SHORT_BODY),
    ),
    MessageDefinition(
        url=RESPONSE_REFERRAL,
        version="1.0.0-beta",
        event=RESPONSE,
        use_cases=frozenset({UseCase.CAS_REFERRAL}),
        advertised=False,
        resources=(
            *_message("request", "referral"),
            *_uk_core("Patient 1..1,Encounter 0..1,CarePlan 0..1,Location 0..1,Organization 2..*"),
            *_uk_core(f"{_PEOPLE},Observation 0..*"),
            *_FLAGS,
            *_uk_core(f"{_HISTORY},QuestionnaireResponse 0..*,Consent 1..*,HealthcareService 1..1"),
            *_uk_core("Appointment 0..1,Condition 0..*,Task 0..*"),
        ),
    ),
)

_BY_URL = {url.lower(): d for d in DEFINITIONS for url in (d.url, *d.aliases)}
_TWO_ENCOUNTERS = frozenset({REQUEST_REFERRAL, REQUEST_VALIDATION})
_NEVER_MORE = frozenset({"MessageHeader", "ServiceRequest", "Patient", "CarePlan", "Encounter"})


def definition_for(url: str | None) -> MessageDefinition | None:
    """The definition that MessageHeader.definition cites, by URL or alias (X-38); ``None`` where it is not known."""
    if url is None:
        return None
    return _BY_URL.get(url.strip().lower().replace("http://", "https://", 1))


def receiving_side(event: str) -> Side:
    """Which side a message of that event is received by: responders get requests, requesters get responses."""
    return Side.REQUESTER if event == RESPONSE else Side.RESPONDER


def received_definitions(use_case: UseCase, side: Side) -> tuple[MessageDefinition, ...]:
    """The definitions of the messages that one side of a use case receives (CORE-CN-07)."""
    return tuple(d for d in DEFINITIONS if d.advertised and use_case in d.use_cases and receiving_side(d.event) is side)


def check_definition(facts: Facts, *, strict: bool = False, acknowledgement: bool = False) -> list[Issue]:
    """Compare a message with the definition it cites: event and resource counts (CORE-MH-11, X-61).

    An unknown definition is not judged here. `acknowledgement` is for the synchronous body, which mirrors a request and
    adds the receiver's Encounter.
    """
    definition = definition_for(facts.definition)
    if definition is None:
        return []
    return [*_check_event(definition, facts), *_check_counts(definition, facts, strict, acknowledgement)]


def counts_of(definition: MessageDefinition, *, update: bool = False) -> dict[str, tuple[int, int]]:
    """Minimum and maximum per resource type, summed over the definition's lines, with the published exceptions."""
    counts: dict[str, tuple[int, int]] = {}
    for allowed in definition.resources[1:]:
        low, high = counts.get(allowed.type, (0, 0))
        counts[allowed.type] = (low + allowed.min, min(high + allowed.max, _UNBOUNDED))
    if definition.url in _TWO_ENCOUNTERS and update:
        counts["Encounter"] = (1, 2)
    if definition.url == REQUEST_REFERRAL and not update:
        counts["Location"] = (1, _UNBOUNDED)
    return counts


def _check_event(definition: MessageDefinition, facts: Facts) -> Iterator[Issue]:
    if facts.event != definition.event:
        text = f"The definition {definition.name} is for {definition.event} messages only."
        yield _issue(Severity.ERROR, "Bundle.entry.resource.ofType(MessageHeader).definition", text)


def _check_counts(definition: MessageDefinition, facts: Facts, strict: bool, acknowledgement: bool) -> Iterator[Issue]:
    counts = counts_of(definition, update=acknowledgement or facts.reason == "update")
    tolerated = Severity.ERROR if strict else Severity.WARNING
    for name, (low, high) in counts.items():
        found = facts.resource_counts.get(name, 0)
        if found < low:
            text = f"The definition {definition.name} asks for at least {low} {name}; the message has {found}."
            yield _issue(Severity.ERROR, _entries_of(name), text)
        elif found > high:
            text = f"The definition {definition.name} allows at most {high} {name}; the message has {found}."
            yield _issue(Severity.ERROR if name in _NEVER_MORE else tolerated, _entries_of(name), text)
    others = sorted(name for name in facts.resource_counts if name not in counts)
    for name in others:
        text = f"The definition {definition.name} does not list {name}; it was kept."
        yield _issue(tolerated, _entries_of(name), text)


def _entries_of(name: str) -> str:
    return f"Bundle.entry.resource.ofType({name})"


def _issue(severity: Severity, expression: str, text: str) -> Issue:
    return Issue(severity=severity, code="invariant", expression=expression, diagnostics=text, rule="CORE-MH-11")
