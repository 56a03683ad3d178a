"""Seeded mutants of messages: one place changed in one way."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.unit.fhir.messages import url

Json = dict[str, Any]
Path = tuple[str | int, ...]
NOTHING = object()
"""What a mutation gives that does not apply to the place."""


@dataclass(frozen=True)
class Mutant:
    """A changed copy of a message; `value` is what stands at `path` now, or `NOTHING` if the element is gone."""

    bundle: Json
    path: Path
    mutation: str
    value: Any

    @property
    def entry(self) -> int | None:
        """The entry that was changed, unless it was the bundle itself."""
        index = self.path[1] if self.path[0] == "entry" and len(self.path) > 2 else None
        return index if isinstance(index, int) else None


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all elements."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def mutants(bundle: Json, random: Random, *, count: int, kinds: Collection[str]) -> Iterator[Mutant]:
    """`count` mutants of the message, of some kinds, at any place."""
    found = list(places(bundle))
    names = sorted(kinds)
    made = 0
    while made < count:
        path, name = random.choice(found), random.choice(names)
        changed = copy.deepcopy(bundle)
        holder = at(changed, path[:-1])
        value = MUTATIONS[name](random, holder, path[-1])
        if value is not NOTHING or path[-1] not in keys(holder):
            made += 1
            yield Mutant(changed, path, name, value)


def every_mutant(bundle: Json, random: Random, *, kinds: Collection[str]) -> Iterator[Mutant]:
    """The mutants of each kind at every place of the message; three where chance decides what stands there then."""
    for path in places(bundle):
        for name in sorted(kinds) + 2 * sorted({"rechoose", "swap"} & set(kinds)):
            changed = copy.deepcopy(bundle)
            holder = at(changed, path[:-1])
            value = MUTATIONS[name](random, holder, path[-1])
            if value is not NOTHING or path[-1] not in keys(holder):
                yield Mutant(changed, path, name, value)


def at(node: Any, path: Path) -> Any:
    for key in path:
        node = node[key]
    return node


def keys(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))


def _set(holder: Any, key: Any, value: Any) -> Any:
    holder[key] = value
    return value


def _drop(_: Random, holder: Any, key: Any) -> Any:
    del holder[key]
    return NOTHING


def _wrap(_: Random, holder: Any, key: Any) -> Any:
    return _set(holder, key, [holder[key]])


def _unwrap(_: Random, holder: Any, key: Any) -> Any:
    value = holder[key]
    return _set(holder, key, value[0]) if isinstance(value, list) and value else NOTHING


def _empty(_: Random, holder: Any, key: Any) -> Any:
    value = holder[key]
    return _set(holder, key, type(value)()) if isinstance(value, list | dict | str) else NOTHING


def _truncate(random: Random, holder: Any, key: Any) -> Any:
    value = holder[key]
    if isinstance(value, str | list) and len(value) > 1:
        return _set(holder, key, value[: random.randrange(1, len(value))])
    return NOTHING


def _duplicate(_: Random, holder: Any, key: Any) -> Any:
    if not isinstance(holder, list):
        return NOTHING
    holder.append(copy.deepcopy(holder[key]))
    return holder[-1]


def _unknown(random: Random, holder: Any, key: Any) -> Any:
    """An element beside this one that is not defined, or at a place where it is not."""
    if not isinstance(holder, dict):
        return NOTHING
    name = random.choice(["foo", "fhir_comments", "resource_type", "Status", f"{key}s", f"_{key}"])
    return _set(holder, name, random.choice(["x", 1, {}, [], {"extension": [{"url": "http://x", "valueCode": "x"}]}]))


def _swap(random: Random, holder: Any, key: Any) -> Any:
    """Another text that is as well-formed: another code, URI or reference."""
    value = holder[key]
    if not isinstance(value, str) or key == "resourceType":
        return NOTHING
    if ":" in value and "T" not in value:
        return _set(holder, key, random.choice(["http://example.org/other", f"{value}-x"]))
    return _set(holder, key, random.choice(["active", "completed", "other", "male", "order", value[::-1]]))


def _retype(random: Random, holder: Any, key: Any) -> Any:
    """The value of an extension in another type."""
    if not isinstance(holder, dict) or "url" not in holder or not str(key).startswith("value"):
        return NOTHING
    del holder[key]
    name, value = random.choice([("valueCode", "x"), ("valueString", "x"), ("valueInteger", 1), ("valueBoolean", True)])
    return _set(holder, name, value)


def _retarget(random: Random, holder: Any, key: Any) -> Any:
    """A reference to something else: by a fullUrl that all our own messages have."""
    if key != "reference":
        return NOTHING
    return _set(holder, key, url(random.choice(["patient", "sender", "incident", "request", "nobody"])))


def _unname(_: Random, holder: Any, key: Any) -> Any:
    """A reference that names nothing any more."""
    if key != "reference":
        return NOTHING
    del holder[key]
    return _set(holder, "display", "x")


def _rechoose(random: Random, holder: Any, key: Any) -> Any:
    """Another type of a choice."""
    if key != "occurrencePeriod":
        return NOTHING
    del holder[key]
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "h"}}
    return _set(holder, *random.choice([("occurrenceDateTime", "2026-03-02"), ("occurrenceTiming", timing)]))


TEXTS = (
    *("banana", "1", "true", "yes", " x", "x y", "2021-02-30", "2021-13-01", "20:00", "urn:uuid:x", "a" * 70, "2021"),
    *("2021-02-28T10:00:00", "2021-02-28T24:00:00Z", "2021-02-28T10:00Z", "Patient/1", "Ecounter/1", "a/b c"),
)

MUTATIONS: dict[str, Callable[[Random, Any, Any], Any]] = {
    "boolean": lambda random, holder, key: _set(holder, key, random.choice([True, False])),
    "drop": _drop,
    "duplicate": _duplicate,
    "empty": _empty,
    "null": lambda _, holder, key: _set(holder, key, None),
    "number": lambda random, holder, key: _set(holder, key, random.choice([0, 1, -1, 1.5, 1.0, 2**40])),
    "object": lambda random, holder, key: _set(holder, key, random.choice([{"a": 1}, {"id": "x"}])),
    "rechoose": _rechoose,
    "retarget": _retarget,
    "retype": _retype,
    "swap": _swap,
    "text": lambda random, holder, key: _set(holder, key, random.choice(TEXTS)),
    "truncate": _truncate,
    "unknown": _unknown,
    "unname": _unname,
    "unwrap": _unwrap,
    "wrap": _wrap,
}

WELL_FORMED = ("drop", "duplicate", "rechoose", "retarget", "retype", "swap", "unname")
"""Mutations that leave a message well-formed FHIR more often than not."""
