"""Before the first request of a use case goes to a service, it is asked what it takes (CORE-WF-01, CORE-CN-01).

A use case that the service says it does not take is refused here, with words for the user, and nothing is sent. A
service that says nothing at all is a different matter: an emergency case is not held up because a description is
missing, unless the site wants it so (`[bars] negotiation = "strict"`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlencode

import orjson

from cad_bridge.delivery.calls import BarsCalls, Called
from cad_bridge.engine.core import Engine
from cad_bridge.fhir.echo import parse_verbatim
from cad_bridge.protocol.answers import Answer, Origin, Verdict, no_answer
from cad_bridge.protocol.definitions import REQUEST_CANCELLED, definition_for
from cad_bridge.protocol.negotiation import (
    CannotSend,
    RemoteDefinition,
    check_capability,
    choose_definition,
    read_capability,
    read_message_definitions,
)
from cad_bridge.protocol.queries import definition_query
from cad_bridge.protocol.versions import CORE_VERSION, Version
from cad_bridge.store import claims, negotiated
from cad_bridge.store.negotiated import Negotiated
from cad_bridge.store.rows import Parcel
from cad_bridge.workflow.vocabulary import MessageKind

KEPT = timedelta(hours=12)
"""The guide allows a day and recommends half of it."""
REFUSALS_KEPT = timedelta(minutes=1)
"""A service that has just been mended must not be shunned for half a day."""

ASK_SECONDS = 5.0
"""How long a request waits for each description, whatever the limit for other calls is."""

Mode = Literal["strict", "lenient", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """The parcel, ready to be sent, or why it is not."""

    parcel: Parcel
    instead: Answer | None = None


class Negotiator:
    """Asks services what they take, and remembers."""

    def __init__(self, engine: Engine, *, mode: Mode) -> None:
        self._engine = engine
        self._mode = mode

    async def clear(self, parcel: Parcel, calls: BarsCalls) -> Cleared:
        """Negotiate for a request that has not been tried yet; every other message follows one that was."""
        if self._mode == "off" or parcel.kind != MessageKind.REQUEST or parcel.attempts or parcel.checked:
            return Cleared(parcel=parcel)
        found = await self._known(parcel) or await self._ask(parcel, calls)
        if isinstance(found, Answer):
            return Cleared(parcel=parcel, instead=found)
        if found.advice is not None:
            return Cleared(parcel=parcel, instead=_refused(found.advice))
        return Cleared(parcel=await self._in_version(parcel, found.version))

    async def _known(self, parcel: Parcel) -> Negotiated | None:
        return await negotiated.look_up(
            self._engine.database,
            service=parcel.remote_service,
            use_case=parcel.use_case,
            now=self._engine.now(),
        )

    async def _ask(self, parcel: Parcel, calls: BarsCalls) -> Negotiated | Answer:
        statement = await self._get(parcel, calls, "/metadata")
        query = urlencode(definition_query(service_id=parcel.remote_service, use_case=parcel.use_case))
        definitions = await self._get(parcel, calls, f"/MessageDefinition?{query}")
        for called in (statement, definitions):
            if called.answer.verdict in {Verdict.RETRY, Verdict.RENEW_TOKEN} and self._mode == "strict":
                return called.answer
        found = self._judge(parcel, statement, definitions)
        if found is None:
            # Nobody described anything: it goes as it is, and is asked again next time.
            return Negotiated(version=None, reason=None, advice=None)
        until = self._engine.now() + (REFUSALS_KEPT if found.advice else KEPT)
        await negotiated.remember(
            self._engine.database,
            found,
            service=parcel.remote_service,
            use_case=parcel.use_case,
            expires_at=until,
        )
        return found

    async def _get(self, parcel: Parcel, calls: BarsCalls, path: str) -> Called:
        writer = self._engine.writer
        headers = writer.read_headers(parcel.local_service, parcel.remote_service, parcel.correlation_id)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await calls.get(path, headers)
        except TimeoutError:
            return Called(answer=no_answer())

    def _judge(self, parcel: Parcel, statement: Called, definitions: Called) -> Negotiated | None:
        """What the two answers allow; None where neither says anything that counts."""
        problem = self._capability_problem(parcel, statement) or self._chosen(parcel, definitions)
        if isinstance(problem, CannotSend):
            return Negotiated(version=None, reason=problem.reason, advice=problem.advice)
        if isinstance(problem, RemoteDefinition):
            return Negotiated(version=str(problem.version), reason=None, advice=None)
        if self._mode == "strict":
            reason = "the service does not say what it takes"
            return Negotiated(version=None, reason=reason, advice="The chosen service does not say what it takes.")
        return None

    def _capability_problem(self, parcel: Parcel, called: Called) -> CannotSend | None:
        resource = _resource(called, "CapabilityStatement")
        if resource is None:
            return None
        wanted = [d for url in (parcel.definition, REQUEST_CANCELLED) if (d := definition_for(url)) is not None]
        core = Version.parse(CORE_VERSION)
        assert core is not None
        return check_capability(read_capability(resource), wanted, core=core, needs_read=True)

    def _chosen(self, parcel: Parcel, called: Called) -> RemoteDefinition | CannotSend | None:
        wanted = definition_for(parcel.definition)
        assert wanted is not None, "our own messages cite a definition that we know"
        resource = _resource(called, "Bundle")
        if resource is None and not _says_none(called.answer):
            return None
        offered = read_message_definitions(resource) if resource is not None else ()
        return choose_definition(offered, wanted, service_id=parcel.remote_service, use_case=parcel.use_case)

    async def _in_version(self, parcel: Parcel, version: str | None) -> Parcel:
        """The message in the version that was negotiated (CORE-VER-08); every try then sends the same bytes."""
        body = parcel.body
        if version is not None:
            bundle = parse_verbatim(body)
            if bundle["meta"].get("versionId") != version:
                body = orjson.dumps({**bundle, "meta": {**bundle["meta"], "versionId": version}})
        async with self._engine.database.begin() as connection:
            changed = body if body != parcel.body else None
            await claims.mark_checked(connection, parcel, at=self._engine.now(), body=changed)
        return replace(parcel, body=body, checked=True)


def _resource(called: Called, type_: str) -> dict[str, Any] | None:
    if not called.answer.is_delivered or called.body is None:
        return None
    try:
        said = orjson.loads(called.body)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) and said.get("resourceType") == type_ else None


def _says_none(answer: Answer) -> bool:
    """A 404 in the words of BaRS: nothing is served for this context (CORE-CN-15); any other 404 says nothing."""
    return answer.http_status == 404 and answer.origin is Origin.RECEIVER


def _refused(advice: str) -> Answer:
    return Answer(verdict=Verdict.REFUSED, origin=Origin.RECEIVER, advice=advice)
