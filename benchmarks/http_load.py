"""A load of BaRS messages that costs the sender little, so that what is measured is the receiver.

Every message is made beforehand; only the ids that a receiver issued are put into the later messages of a story.
Connections are kept open, as a proxy keeps them.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from tests import messages
from tests.service import OUR_CAS

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CASE_NUMBER = "BENCHMARK-CASE"
_LATER = 0.1
"""Seconds from one message of a story to the next."""


@dataclass(frozen=True, slots=True)
class Template:
    """A request, its update and its cancellation, with names for what is not known before the request is answered."""

    request: bytes
    update: bytes
    cancellation: bytes
    issued: dict[str, bytes]
    """By fullUrl: what stands for the id that the receiver issues."""


def template() -> Template:
    """One story of three messages."""
    known = messages.validation_request(destination=OUR_CAS, case_number=_CASE_NUMBER)
    issued = {entry["fullUrl"]: f"issued-id-{number:03}" for number, entry in enumerate(known["entry"])}
    entries = [{"fullUrl": full_url, "resource": {"id": id_}} for full_url, id_ in issued.items()]
    answer = {"entry": entries}
    return Template(
        request=orjson.dumps(known),
        update=orjson.dumps(messages.update(known, answer, summary="More is known now")),
        cancellation=orjson.dumps(messages.cancellation(known, answer)),
        issued={full_url: id_.encode() for full_url, id_ in issued.items()},
    )


class Story:
    """One case: a request that nobody has sent before, an update and a cancellation of it."""

    def __init__(self, made_like: Template) -> None:
        """Every id and the case number are new."""
        self._like, self._names = made_like, dict[bytes, bytes]()
        self.correlation_id = str(uuid4())
        self.request = self._renamed(made_like.request)

    def later(self, answer: bytes) -> list[bytes]:
        """The messages that follow the answer to the request."""
        issued = {entry["fullUrl"]: entry["resource"].get("id", "") for entry in orjson.loads(answer)["entry"]}
        following = [self._renamed(self._like.update), self._renamed(self._like.cancellation)]
        for full_url, placeholder in self._like.issued.items():
            given = issued[self._renamed(full_url.encode()).decode()].encode()
            following = [body.replace(placeholder, given) for body in following]
        return following

    def _renamed(self, body: bytes) -> bytes:
        renamed = _UUID.sub(lambda found: self._names.setdefault(found[0], str(uuid4()).encode()), body)
        return renamed.replace(_CASE_NUMBER.encode(), self.correlation_id.encode())


@dataclass
class Offered:
    """What became of the messages of one run."""

    took_ms: list[float] = field(default_factory=list)
    failed: int = 0
    lag: float = 0.0
    """Seconds by which the sender itself was late at most."""
    drained: float = 0.0
    """Seconds from the last message that was due to the last answer."""


class Sender:
    """Sends over connections that are kept open; as many as there are messages at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, body: bytes, correlation_id: str) -> tuple[int, bytes]:
        """Status and body of the answer."""
        reader, writer = opened = await self._connection()
        head = (
            f"POST /FHIR/R4/$process-message HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n"
            f"X-Request-Id: {uuid4()}\r\nX-Correlation-Id: {correlation_id}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answered = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answered.partition("content-length:")[2].partition("\r\n")[0])
        answer = await reader.readexactly(length)
        self._free.append(opened)
        return int(answered.split(" ", 2)[1]), answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that the receiver has not closed for being idle, or a new one."""
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        """Close every connection."""
        for _, writer in self._free:
            writer.close()


async def offer(sender: Sender, made_like: Template, *, rate: float, seconds: float) -> Offered:
    """Send at a steady rate whatever the answers do; latency counts from the time at which a message was due."""
    stories = [Story(made_like) for _ in range(int(rate * seconds / 3))]
    result, begin, tasks = Offered(), time.perf_counter(), list[asyncio.Task[Any]]()
    due = begin
    for number, story in enumerate(stories):
        due = begin + number * 3 / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        result.lag = max(result.lag, time.perf_counter() - due)
        tasks.append(asyncio.create_task(_tell(sender, story, due, result)))
    await asyncio.gather(*tasks)
    result.drained = time.perf_counter() - due
    return result


async def _tell(sender: Sender, story: Story, due: float, result: Offered) -> None:
    answer = await _post(sender, story.request, story.correlation_id, due, result)
    for body in story.later(answer) if answer is not None else ():
        due = max(due + _LATER, time.perf_counter())
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await _post(sender, body, story.correlation_id, due, result)


async def _post(sender: Sender, body: bytes, correlation_id: str, due: float, result: Offered) -> bytes | None:
    status, answer = await sender.post(body, correlation_id)
    result.took_ms.append((time.perf_counter() - due) * 1000)
    if status != 200:
        result.failed += 1
        return None
    return answer
