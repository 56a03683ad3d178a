"""For whom a message is, and to which conversation a response belongs (docs/protocol.md, section 1).

Requests are judged by their destination alone. Responses are judged by the conversation that they answer, because
published ones leave the endpoints as they were in the request, or get one of them wrong (defects V4, V5).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from cad_bridge.fhir import systems
from cad_bridge.fhir.encounters import NO_OWN_ENCOUNTERS, OwnEncounters
from cad_bridge.fhir.facts import Facts
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.protocol.errors import INVARIANT, NOT_FOUND, VALUE, Refused
from cad_bridge.protocol.headers import RequestHeaders
from cad_bridge.protocol.services import LocalService, Site

_HEADER = "Bundle.entry.resource.ofType(MessageHeader)"
_DESTINATION = f"{_HEADER}.destination.endpoint"
_RECEIVER = f"{_HEADER}.destination.receiver"
_SOURCE = f"{_HEADER}.source.endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownConversation:
    """A conversation that the look-up found for a message.

    For a response: one in which we asked, and that knows response.identifier as one of its Bundle ids (X-12,
    CORE-MH-18). For an update or cancellation: the one whose case it means.
    """

    case_id: UUID
    own_service: str
    """``system|value``."""
    remote_service: str
    correlation_id: str
    own_encounters: OwnEncounters = NO_OWN_ENCOUNTERS
    is_weak: bool = False
    """Found by the fullUrl of its ServiceRequest alone: neither an id that we issued nor the correlation id says so."""

    @property
    def ends(self) -> tuple[str, str]:
        """Our service and the other one, as endpoints are compared."""
        return systems.canonical_token(self.own_service), systems.canonical_token(self.remote_service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """The local service a message is for."""

    service: LocalService
    conversation: KnownConversation | None = None
    """The one it belongs to. Of a foreign response, the only one that it can mean, if there is only one."""
    foreign: bool = False
    """A response that does not come from and go to the services of its conversation: for a person, not for the case."""
    warnings: tuple[Issue, ...] = ()

    @property
    def own_encounters(self) -> OwnEncounters:
        """How our own Encounters in this conversation are recognised."""
        return self.conversation.own_encounters if self.conversation else NO_OWN_ENCOUNTERS


def check_endpoints(facts: Facts) -> Refused | None:
    """Both endpoints have the form ``system|value`` (S6): without them nobody can be answered (CORE-MH-02)."""
    bad = [
        (name, expression)
        for name, endpoint, expression in (
            ("destination.endpoint", facts.destination_endpoint, _DESTINATION),
            ("source.endpoint", facts.source_endpoint, _SOURCE),
        )
        if endpoint is None or not systems.is_token(endpoint)
    ]
    issues = tuple(
        _issue(VALUE.issue_code, expression, f"MessageHeader.{name} is not of the form system|value.", rule="S6")
        for name, expression in bad
    )
    return Refused(fault=VALUE, issues=issues) if issues else None


def address_request(
    facts: Facts, headers: RequestHeaders, site: Site, *, conversations: Sequence[KnownConversation] = ()
) -> Addressed | Refused:
    """The service that a request names, if it is ours and nothing contradicts it (CORE-MH-04, CORE-MH-05, G-02)."""
    service = site.service(facts.destination_endpoint or "")
    if service is None:
        return _not_ours()
    if headers.target is not None and site.service(headers.target.service_id) is not service:
        text = "The NHSD-Target-Identifier header names another service than the destination endpoint."
        return Refused.because(INVARIANT, text, expression=_DESTINATION, rule="G-02")
    if facts.receiver_ods is not None and facts.receiver_ods != service.ods_code.upper():
        text = "The receiving organisation is not the one that provides the destination service."
        return Refused.because(NOT_FOUND, text, expression=_RECEIVER, rule="CORE-MH-04")
    meant = _meant(facts, conversations)
    warnings = (*_receiver_unnamed(facts, strict=service.strict), *_weakly_meant(facts, meant))
    return Addressed(service=service, conversation=meant, warnings=warnings)


def address_response(
    facts: Facts, headers: RequestHeaders, site: Site, *, conversations: Sequence[KnownConversation]
) -> Addressed | Refused:
    """The service and conversation that a response belongs to (CORE-MH-14, DESIGN decision 7)."""
    if not conversations:
        return _unknown_conversation()
    fitting = _single(_straight(facts, conversations), headers) or _single(_swapped(facts, conversations), headers)
    conversation = fitting or _single(list(conversations), headers)
    service = _answering_service(facts, headers, site, conversation)
    if service is None:
        return _not_ours()
    return Addressed(
        service=service,
        conversation=conversation,
        foreign=fitting is None,
        warnings=tuple(_response_warnings(facts, headers, service, fitting)),
    )


def _unknown_conversation() -> Refused:
    text = "MessageHeader.response.identifier does not name a message of a conversation held here."
    return Refused.because(NOT_FOUND, text, expression=f"{_HEADER}.response.identifier", rule="CORE-MH-14")


def _not_ours() -> Refused:
    return Refused.because(
        NOT_FOUND, "The destination endpoint is not a service here.", expression=_DESTINATION, rule="CORE-MH-05"
    )


def _answering_service(
    facts: Facts, headers: RequestHeaders, site: Site, conversation: KnownConversation | None
) -> LocalService | None:
    candidates = (
        conversation.own_service if conversation else None,
        headers.target.service_id if headers.target else None,
        facts.destination_endpoint,
    )
    return next((s for service_id in candidates if service_id and (s := site.service(service_id))), None)


def _meant(facts: Facts, conversations: Sequence[KnownConversation]) -> KnownConversation | None:
    """The conversation between the two services that the look-up found; none where several were found."""
    between = _straight(facts, conversations)
    return between[0] if len(between) == 1 else None


def _weakly_meant(facts: Facts, conversation: KnownConversation | None) -> Iterator[Issue]:
    """Senders reuse fullUrls across patients (DESIGN decision 7); a new request means no case that is there."""
    if conversation is not None and conversation.is_weak and facts.reason != "new":
        text = "Neither an id that we issued nor the correlation id names this case, only a fullUrl: check the patient."
        yield _warning("Bundle.entry.fullUrl", text, rule="decision 7")


def _straight(facts: Facts, conversations: Sequence[KnownConversation]) -> list[KnownConversation]:
    """From the other service, to us."""
    return [c for c in conversations if c.ends == (facts.destination_endpoint, facts.source_endpoint)]


def _swapped(facts: Facts, conversations: Sequence[KnownConversation]) -> list[KnownConversation]:
    """The endpoints left as they were in our request (V4)."""
    return [c for c in conversations if c.ends == (facts.source_endpoint, facts.destination_endpoint)]


def _single(conversations: list[KnownConversation], headers: RequestHeaders) -> KnownConversation | None:
    """The only one, or the only one with the correlation id of the message (V10)."""
    if len(conversations) > 1:
        conversations = [c for c in conversations if c.correlation_id.lower() == headers.correlation_id]
    return conversations[0] if len(conversations) == 1 else None


def _response_warnings(
    facts: Facts, headers: RequestHeaders, service: LocalService, conversation: KnownConversation | None
) -> Iterator[Issue]:
    if conversation is None:
        text = (
            "The response does not come from and go to the services of the conversation it names: a person must look."
        )
        yield _warning(_SOURCE, text, rule="decision 7")
        return
    if facts.destination_endpoint != conversation.ends[0]:
        yield _tolerated(service, _DESTINATION, "The endpoints are those of the request, not swapped.", rule="V4")
    if facts.receiver_ods is not None and facts.receiver_ods != service.ods_code.upper():
        yield _tolerated(service, _RECEIVER, "The receiving organisation is not ours.", rule="V5")
    if headers.correlation_id != conversation.correlation_id.lower():
        text = "X-Correlation-Id is not that of the conversation."
        yield _tolerated(service, "http.X-Correlation-Id", text, rule="CORE-TI-06")
    yield from _receiver_unnamed(facts, strict=service.strict)


def _receiver_unnamed(facts: Facts, *, strict: bool) -> Iterator[Issue]:
    if facts.receiver_ods is None:
        severity = Severity.ERROR if strict else Severity.WARNING
        text = "The receiving Organization has no ODS code; the endpoint alone says that the message is for us."
        yield _issue(INVARIANT.issue_code, _RECEIVER, text, rule="S8", severity=severity)


def _tolerated(service: LocalService, expression: str, text: str, *, rule: str) -> Issue:
    severity = Severity.ERROR if service.strict else Severity.WARNING
    return _issue(INVARIANT.issue_code, expression, text, rule=rule, severity=severity)


def _warning(expression: str, text: str, *, rule: str) -> Issue:
    return _issue(INVARIANT.issue_code, expression, text, rule=rule, severity=Severity.WARNING)


def _issue(code: str, expression: str, text: str, *, rule: str, severity: Severity = Severity.ERROR) -> Issue:
    return Issue(severity=severity, code=code, expression=expression, diagnostics=text, rule=rule)
