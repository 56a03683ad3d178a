"""Plain JSON of our values: times in ISO 8601 UTC, codes and ids as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import orjson


def dumps(value: Any) -> str:
    """JSON text, for the database."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # An integer of more than 64 bits, for one: slower, and nothing is refused that was taken before.
        return json.dumps(value, default=_plain)


def as_json(value: Any) -> Any:
    """The same as values: what a reader of the JSON text gets."""
    return orjson.loads(dumps(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
