"""A message through the pipeline, for the tests of `protocol.receive` and `protocol.addressing`."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from cad_bridge.fhir import systems
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.structure import StructureResult
from cad_bridge.protocol.addressing import KnownConversation
from cad_bridge.protocol.errors import Refused
from cad_bridge.protocol.headers import RequestHeaders
from cad_bridge.protocol.receive import Accepted, ReceiveContext, receive
from cad_bridge.protocol.services import LocalService, Role, Site, Software
from cad_bridge.workflow.vocabulary import UseCase
from tests.unit.protocol.messages import AST, CAS, CASE_ID, CORRELATION_ID, OWN, REQUEST_ID, raw

REQUEST_UUID = UUID(REQUEST_ID)
ELSEWHERE = f"{systems.SERVICE_ID}|2000000099"
CAS_SERVICE = LocalService(
    id=CAS,
    ods_code="RCAS",
    name="CAS",
    role=Role.CAS,
    use_cases=frozenset({UseCase.CAS_VALIDATION, UseCase.CAS_REFERRAL}),
)
AST_SERVICE = LocalService(id=AST, ods_code="RAST", name="AST", role=Role.AST, use_cases=frozenset(UseCase))
HEADERS = RequestHeaders(request_id=REQUEST_ID, correlation_id=CORRELATION_ID)
CONVERSATION = KnownConversation(
    case_id=CASE_ID, own_service=AST, remote_service=CAS, correlation_id=CORRELATION_ID, own_encounters=OWN
)


def structure(body: bytes) -> StructureResult:
    """Any JSON object is well formed here; what is not FHIR is the structure check's own business."""
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return StructureResult(bundle=value, issues=())
    return StructureResult(bundle=None, issues=(finding("structure", "The body is not JSON."),))


def finding(code: str, text: str, *, severity: Severity = Severity.ERROR) -> Issue:
    return Issue(severity=severity, code=code, expression="Bundle", diagnostics=text, rule="test")


def no_profile(*_: Any, **__: Any) -> list[Issue]:
    return []


def context(*services: LocalService, **changes: Any) -> ReceiveContext:
    site = Site(
        services={s.id: s for s in services or (CAS_SERVICE, AST_SERVICE)},
        remotes={},
        software=Software(name="cad_bridge", version="1", instance="i"),
    )
    return ReceiveContext(**({"site": site, "check_structure": structure, "check_profile": no_profile} | changes))


def received(
    bundle: dict[str, Any],
    *conversations: KnownConversation,
    headers: RequestHeaders = HEADERS,
    within: ReceiveContext | None = None,
) -> Accepted | Refused:
    return receive(raw(bundle), headers=headers, context=within or context(), conversations=conversations)


def accepted(bundle: dict[str, Any], *conversations: KnownConversation, **more: Any) -> Accepted:
    result = received(bundle, *conversations, **more)
    assert isinstance(result, Accepted), result
    return result


def refused(bundle: dict[str, Any], *conversations: KnownConversation, **more: Any) -> tuple[int, str, str]:
    """HTTP status, BaRS code and the first issue's code."""
    result = received(bundle, *conversations, **more)
    assert isinstance(result, Refused), result
    return result.fault.http_status, result.fault.code, result.issues[0].code


def rules(result: Accepted) -> list[str]:
    return [issue.rule for issue in result.warnings]
