"""Received bytes to JSON, with everything refused that JSON readers quietly let through.

A message is refused when it is too long, not UTF-8, not one JSON object, nested without end, or when it says the same
key twice: two readers of such a message may see two different patients (DESIGN decision 8). The order of the tests is
the order of their cost. Nothing here writes any part of the message into an issue.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson

from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.json_places import place_of_repeat, place_of_text

DEFAULT_MAX_BYTES = 1024 * 1024
"""1 MiB. The largest published message has 48 KB."""

DEEPEST_READABLE = 254
"""Arrays and objects inside each other, at most: what orjson writes back. The deepest published message has 11."""

_BACKSLASH = b"\\"
_TELLING_ESCAPE = re.compile(rb"\\u00(?:[01]|22)")
"""A quote or a control character, written as a code point."""
_ALLOWED_CONTROLS = "\t\n\r"
_TOO_DEEP = f"Objects and arrays are nested more than {DEEPEST_READABLE} levels deep."


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonText:
    """One received JSON object, or the issues that stopped it.

    `compact` is the same object written back without blanks; searches over it are exact, since a quote that stands
    unescaped in it can only be the beginning or the end of a JSON string.
    """

    value: dict[str, Any] | None
    compact: bytes
    issues: tuple[Issue, ...]


def read_json(raw: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES) -> JsonText:
    """Read `raw` as one JSON object; on any defect `value` is None and `issues` says what is wrong.

    Duplicate keys, control characters and nesting refuse the message although JSON itself could be read. Never raises.
    """
    try:
        value = _parse(raw, max_bytes)
        compact = _write(value)
        _refuse_what_json_allows(raw, value, compact)
    except _UnreadableError as why:
        return JsonText(value=None, compact=b"", issues=(why.issue,))
    return JsonText(value=value, compact=compact, issues=())


class _UnreadableError(Exception):
    def __init__(self, code: str, diagnostics: str, rule: str, *, at: str = "") -> None:
        super().__init__(rule)
        self.issue = Issue(severity=Severity.ERROR, code=code, expression=at, diagnostics=diagnostics, rule=rule)


def _parse(raw: bytes, max_bytes: int) -> dict[str, Any]:
    if len(raw) > max_bytes:
        raise _UnreadableError("too-costly", f"The message is longer than the {max_bytes} bytes accepted.", "json-size")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _UnreadableError("structure", _why_unreadable(raw, error), "json-syntax") from None
    if not isinstance(value, dict):
        raise _UnreadableError("structure", "The message is not a JSON object.", "json-object")
    return value


def _write(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        raise _UnreadableError("structure", _TOO_DEEP, "json-depth") from None


def _refuse_what_json_allows(raw: bytes, value: dict[str, Any], compact: bytes) -> None:
    has_escapes = _has_telling_escapes(raw)
    if repeats_a_key(raw) if has_escapes else _loses_quotes(raw, compact):
        text, at = "An object says the same key more than once.", place_of_repeat(raw, value)
        raise _UnreadableError("structure", text, "json-duplicate-key", at=at)
    if has_escapes and has_control_character(value):
        text, at = "A text holds a control character, against FHIR.", place_of_text(value, has_control_character)
        raise _UnreadableError("structure", text, "json-control", at=at)


def _has_telling_escapes(raw: bytes) -> bool:
    """The search for one byte is many times faster than that for several, and often there is no backslash at all."""
    return _BACKSLASH in raw and _TELLING_ESCAPE.search(raw) is not None


def _loses_quotes(raw: bytes, compact: bytes) -> bool:
    """A repeated key is lost in reading, and its two quotes with it, so that the number of quotes tells.

    The only other way to lose or win a quote is to write it as an escaped code point; then the slow way decides.
    """
    return raw.count(b'"') != compact.count(b'"')


def has_control_character(value: object) -> bool:
    """Whether a key or text holds a character below U+0020 other than tab, line feed and carriage return."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if any(character < " " and character not in _ALLOWED_CONTROLS for character in item):
                return True
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return False


def repeats_a_key(raw: bytes) -> bool:
    """Whether an object in this JSON says a key twice. Raises ValueError for text that is not JSON."""
    repeated = False

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len({key for key, _ in pairs}) != len(pairs)

    json.loads(raw, object_pairs_hook=note, parse_int=float, parse_float=float)
    return repeated


def _why_unreadable(raw: bytes, error: orjson.JSONDecodeError) -> str:
    """Plain English with the position; the reader's own words are not passed on, for they may quote the message."""
    if raw.startswith(b"\xef\xbb\xbf"):
        return "The message begins with a byte order mark, which JSON does not allow."
    if not raw.strip():
        return "The message is empty."
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return f"The message is not UTF-8: byte {wrong.start} cannot be read."
    if "depth limit" in error.msg:
        return _TOO_DEEP
    return f"The message is not JSON: it cannot be read from line {error.lineno}, column {error.colno}."
