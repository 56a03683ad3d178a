"""The preconditions of $process-message, in order, up to the decision row (docs/protocol.md, section 1).

Pure. Between `open_message` and `judge` the caller looks up the conversation that the message names, which needs the
database. Access control and the duplicate check come before, the state of the case and the commit after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cad_bridge.fhir.check import check_message
from cad_bridge.fhir.encounters import own_among
from cad_bridge.fhir.facts import Facts, read_facts
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.structure import StructureResult, check_structure
from cad_bridge.fhir.structure_invariants import Collected
from cad_bridge.protocol.addressing import (
    Addressed,
    KnownConversation,
    address_request,
    address_response,
    check_endpoints,
)
from cad_bridge.protocol.decision import Decision, decide_row, describe, near_misses
from cad_bridge.protocol.decision_rows import Row
from cad_bridge.protocol.definitions import (
    REQUEST,
    RESPONSE,
    VERSIONS,
    check_definition,
    definition_for,
    receiving_side,
)
from cad_bridge.protocol.errors import INVARIANT, NOT_IMPLEMENTED, NOT_SUPPORTED, STRUCTURE, TOO_COSTLY, Fault, Refused
from cad_bridge.protocol.headers import RequestHeaders
from cad_bridge.protocol.media import SERVED_MAJORS, check_content_type, negotiate
from cad_bridge.protocol.services import LocalService, Site
from cad_bridge.protocol.versions import SupportedVersions
from cad_bridge.workflow.vocabulary import UseCase

_HEADER = "Bundle.entry.resource.ofType(MessageHeader)"
_CATEGORY = "Bundle.entry.resource.ofType(ServiceRequest).category"

ProfileCheck = Callable[..., Iterable[Issue]]
"""Called as ``check(bundle, facts, strict=..., collected=...)``: the profile and payload rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiveContext:
    """What the judgement needs to know beside the message."""

    site: Site
    check_structure: Callable[[bytes], StructureResult] = check_structure
    check_profile: ProfileCheck = check_message
    versions: Mapping[str, SupportedVersions] = field(default_factory=dict)
    """Supported Bundle.meta.versionId values per definition URL, where they differ from the default (X-13)."""
    served_majors: frozenset[int] = SERVED_MAJORS


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A message that could be read: what it says, not yet judged."""

    bundle: Mapping[str, Any]
    facts: Facts
    headers: RequestHeaders
    warnings: tuple[Issue, ...] = ()
    collected: Collected | None = None
    """What the check of the structure met in the bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message that passed every check which the message itself can answer."""

    bundle: Mapping[str, Any]
    facts: Facts
    decision: Decision
    service: LocalService
    conversation: KnownConversation | None
    foreign: bool
    """A response for a person to look at: it is kept and answered 200, and moves nothing (DESIGN decision 7)."""
    warnings: tuple[Issue, ...]

    @property
    def row(self) -> Row:
        """The decision row that fired."""
        return self.decision.row


def receive(
    raw: bytes,
    *,
    headers: RequestHeaders,
    context: ReceiveContext,
    conversations: Sequence[KnownConversation] = (),
) -> Accepted | Refused:
    """`open_message` and `judge` in one, where the conversation is known beforehand."""
    opened = open_message(raw, headers=headers, context=context)
    if isinstance(opened, Refused):
        return opened
    return judge(opened, context=context, conversations=conversations)


def open_message(raw: bytes, *, headers: RequestHeaders, context: ReceiveContext) -> Opened | Refused:
    """Steps 4 to 7: what was negotiated, whether the body is a FHIR message, and whether its version is supported."""
    negotiated = negotiate(headers.accept, served_majors=context.served_majors)
    if isinstance(negotiated, Refused):
        return negotiated
    if refused := check_content_type(headers.content_type):
        return refused
    structure = context.check_structure(raw)
    if structure.bundle is None or any(issue.is_error for issue in structure.issues):
        # a message that is too long to be looked at is too costly, not badly made.
        fault = TOO_COSTLY if any(issue.rule == "json-size" for issue in structure.issues) else STRUCTURE
        return Refused(fault=fault, issues=_errors(structure.issues))
    facts = read_facts(structure.bundle)
    if refused := _refusal(INVARIANT, _check_envelope(facts)) or _check_version(facts, context):
        return refused
    return Opened(
        bundle=structure.bundle,
        facts=facts,
        headers=headers,
        warnings=tuple(structure.issues),
        collected=structure.collected,
    )


def judge(
    opened: Opened, *, context: ReceiveContext, conversations: Sequence[KnownConversation] = ()
) -> Accepted | Refused:
    """Steps 8 to 14. `conversations` is what the look-up found for the message: see `KnownConversation`.

    A refusal names the organisation that speaks in it where the addressed service is known.
    """
    addressed = _address(opened, context.site, conversations)
    if isinstance(addressed, Refused):
        return addressed
    judged = _judge_for(addressed, opened, context)
    return replace(judged, ods_code=addressed.service.ods_code) if isinstance(judged, Refused) else judged


def _address(opened: Opened, site: Site, conversations: Sequence[KnownConversation]) -> Addressed | Refused:
    """Steps 8, 10, 11 and 12: a response is addressed by the conversation that it answers."""
    facts = opened.facts
    if refused := check_endpoints(facts):
        return refused
    if facts.event == RESPONSE and facts.response_identifier is not None:
        return address_response(facts, opened.headers, site, conversations=conversations)
    addressed = address_request(facts, opened.headers, site, conversations=conversations)
    if isinstance(addressed, Refused):
        return addressed
    return _check_event(facts) or addressed


def _judge_for(addressed: Addressed, opened: Opened, context: ReceiveContext) -> Accepted | Refused:
    """Steps 9, 13 and 14, for the service that the message is for."""
    facts, strict = opened.facts, addressed.service.strict
    warnings = [*opened.warnings, *addressed.warnings, *_access_findings(opened.headers, strict=strict)]
    if refused := _refusal(INVARIANT, warnings) or _check_use_case(facts, addressed.service):
        return refused
    if refused := _check_known_definition(facts):
        return refused
    warnings += _check_conformance(opened, addressed, context)
    if refused := _refusal(INVARIANT, warnings):
        return refused
    decision = decide_row(facts, strict=strict, own_encounters=addressed.own_encounters)
    if decision.fault is not None:
        return Refused(fault=decision.fault, issues=tuple(_row_issues(decision)))
    return Accepted(
        bundle=opened.bundle,
        facts=facts,
        decision=decision,
        service=addressed.service,
        conversation=addressed.conversation,
        foreign=addressed.foreign,
        warnings=(*warnings, *_row_warnings(decision)),
    )


def _check_envelope(facts: Facts) -> Iterator[Issue]:
    """Steps 5 and 6: a message, with one MessageHeader, whose focus can be found, and with a version."""
    if facts.bundle_type != "message":
        yield _error("Bundle.type", "Bundle.type must be message.", rule="CORE-BND-01")
    headers = facts.resource_counts.get("MessageHeader", 0)
    if headers != 1:
        text = f"A message has exactly one MessageHeader; this one has {headers}."
        yield _error(_HEADER, text, rule="CORE-MH-01")
    elif facts.focus_type is None:
        yield _error(
            f"{_HEADER}.focus", "MessageHeader.focus does not name an entry of the message.", rule="CORE-MH-09"
        )
    if facts.version_id is None:
        yield _error("Bundle.meta.versionId", "Bundle.meta.versionId is absent.", rule="CORE-VER-06")


def _check_version(facts: Facts, context: ReceiveContext) -> Refused | None:
    """Step 7: the version is supported for the definition cited, or for any where that is not known (X-13)."""
    definition = definition_for(facts.definition)
    if definition is None:
        supported = SupportedVersions.of(VERSIONS)
    else:
        supported = context.versions.get(definition.url, definition.supported)
    if (facts.version_id or "") in supported:
        return None
    text = f"Bundle.meta.versionId is not supported; releases of major version {supported.major} are."
    return Refused.because(NOT_SUPPORTED, text, expression="Bundle.meta.versionId", rule="CORE-VER-07")


def _check_event(facts: Facts) -> Refused | None:
    """Steps 10 and 11. Bookings are another application's; booking responses do not exist (CORE-ERR-PM-10)."""
    at = f"{_HEADER}.event"
    if facts.event == REQUEST:
        return None
    if facts.event == RESPONSE:
        at, absent = f"{_HEADER}.response", "identifier" if facts.has_response else "element"
        return Refused.because(
            INVARIANT, f"MessageHeader.response {absent} is absent.", expression=at, rule="CORE-MH-13"
        )
    if facts.event == "booking-request":
        return Refused.because(NOT_IMPLEMENTED, "Bookings are not built here.", expression=at, rule="CORE-ERR-OUT-01")
    return Refused.because(
        INVARIANT, "MessageHeader.eventCoding is not an event of this service.", expression=at, rule="CORE-MH-07"
    )


def _check_use_case(facts: Facts, service: LocalService) -> Refused | None:
    """Step 9: both category codings are there, and the service plays that side of that use case (CORE-CN-08)."""
    missing = [
        _error(_CATEGORY, f"ServiceRequest.category has no {name}, or two that differ.", rule="CORE-CN-09")
        for name, value in (("message category", facts.category), ("use-case category", facts.use_case))
        if value is None
    ]
    if missing:
        return Refused(fault=INVARIANT, issues=tuple(missing))
    if facts.use_case in set(UseCase) and service.plays(UseCase(facts.use_case), receiving_side(facts.event or "")):
        return None
    text = "The destination service does not handle this use case in this direction."
    return Refused.because(NOT_SUPPORTED, text, expression=_CATEGORY, rule="CORE-CN-08")


def _check_known_definition(facts: Facts) -> Refused | None:
    """Step 13, first half: no definition is a broken rule, an unknown one is not supported (G-01)."""
    at = f"{_HEADER}.definition"
    if facts.definition is None:
        return Refused(fault=INVARIANT, issues=tuple(_definition_absent(facts, at)))
    if definition_for(facts.definition) is None:
        text = "The MessageDefinition that MessageHeader.definition names is not known here."
        return Refused.because(NOT_SUPPORTED, text, expression=at, rule="G-01")
    return None


def _definition_absent(facts: Facts, at: str) -> Iterator[Issue]:
    """Without it, delete is no tolerated spelling of a cancellation either (V26)."""
    text = "MessageHeader.definition is absent."
    yield Issue(severity=Severity.ERROR, code="required", expression=at, diagnostics=text, rule="CORE-MH-11")
    if facts.reason == "delete":
        text = "The reason delete is understood only with the definition of a cancelled request."
        yield _error(f"{_HEADER}.reason", text, rule="X-05")


def _check_conformance(opened: Opened, addressed: Addressed, context: ReceiveContext) -> Iterator[Issue]:
    """Step 13, second half: resource counts, profile and payload rules, and what is tolerated about them."""
    facts, strict = opened.facts, addressed.service.strict
    yield from check_definition(facts, strict=strict)
    yield from context.check_profile(opened.bundle, facts, strict=strict, collected=opened.collected)
    tolerated = Severity.ERROR if strict else Severity.WARNING
    definition = definition_for(facts.definition)
    if definition is not None and facts.definition != definition.url:
        yield _finding(tolerated, f"{_HEADER}.definition", "Another name for the definition was used.", rule="X-38")
    if facts.event == REQUEST and facts.focus_type != "ServiceRequest":
        yield _finding(tolerated, f"{_HEADER}.focus", "A request's focus is its ServiceRequest.", rule="CORE-MH-09")
    own = addressed.own_encounters
    if facts.event == RESPONSE and addressed.conversation and not own_among(facts.encounters, own):
        text = "None of the Encounters is recognised as ours."
        yield _finding(tolerated, "Bundle.entry.resource.ofType(Encounter)", text, rule="X-08")


def _access_findings(headers: RequestHeaders, *, strict: bool) -> Iterator[Issue]:
    """Absent or unreadable access headers: refused where the service is strict (X-25)."""
    for issue in headers.access_issues:
        yield replace(issue, severity=Severity.ERROR) if strict else issue


def _row_issues(decision: Decision) -> Iterator[Issue]:
    """What fired, and the rows that were missed by one thing only (CORE-ERR-PM-04)."""
    refusal = "is not accepted by this strict service" if decision.row.fault is None else "is refused"
    text = f"'{decision.row.meaning}' {refusal}. The message has {describe(decision.circumstances)}."
    yield _error(_HEADER, text, rule=decision.row.id)
    for missed in near_misses(decision.circumstances):
        text = f"It would be '{missed.row.meaning}' ({missed.row.id}) with {missed.needed}."
        yield _error(_HEADER, text, rule=missed.row.id)


def _row_warnings(decision: Decision) -> Iterator[Issue]:
    if decision.row.warning is not None:
        yield _finding(Severity.WARNING, _HEADER, decision.row.warning, rule=decision.row.id)


def _refusal(fault: Fault, issues: Iterable[Issue]) -> Refused | None:
    errors = _errors(issues)
    return Refused(fault=fault, issues=errors) if errors else None


def _errors(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    return tuple(issue for issue in issues if issue.is_error)


def _error(expression: str, text: str, *, rule: str) -> Issue:
    return _finding(Severity.ERROR, expression, text, rule=rule)


def _finding(severity: Severity, expression: str, text: str, *, rule: str) -> Issue:
    return Issue(severity=severity, code="invariant", expression=expression, diagnostics=text, rule=rule)
