"""Which rows of the tables a resource breaks.

Of most resources a JSON schema made of the rows sees in compiled code, at a tenth of the cost, that all is right that
is there; what is missing is seen in one comparison of names. The schema knows only what the rows surely accept: where
it does not accept, the rows are judged one by one, and so are the few that it cannot say. The verdict is always theirs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jsonschema_rs

from cad_bridge.fhir.payload_rows import Demand, Node, Row, Step

Miss = tuple[Node, str]
"""The object in which something is missing or wrong, and the element of it."""
_Path = tuple[Row, Sequence[Step]]
"""A row with what is left of its path."""
_SOMETHING = {"type": ["array", "boolean", "number", "object", "string"], "minItems": 1}


class RowCheck:
    """The rows about one subject, ready to be asked of a resource."""

    def __init__(self, rows: Iterable[Row]) -> None:
        """Compile the rows; they speak in the order in which they are given."""
        self._rows = tuple(rows)
        self._rank = {id(row): rank for rank, row in enumerate(self._rows)}
        self._others = tuple(row for row in self._rows if not row.plain)
        self._demanding = tuple(row for row in self._rows if row.plain and _is_demanded((row, row.steps)))
        self._demanded = frozenset(row.plain[0] for row in self._demanding)
        schema = plain_schema(self._rows) | {"required": []}
        self._present = jsonschema_rs.Draft202012Validator(schema, offline=True)

    def broken(self, node: Node) -> list[tuple[Row, Miss]]:
        """The rows that the resource breaks, each with the place; empty when all hold."""
        if not self._present.is_valid(node):
            return broken_rows(self._rows, node)
        found = broken_rows(self._others, node)
        if node.keys() >= self._demanded:
            return found
        found += [(row, (node, row.plain[0])) for row in self._demanding if row.plain[0] not in node]
        return sorted(found, key=lambda each: self._rank[id(each[0])])


def row_checks(rows: Mapping[str, Iterable[Row]]) -> Mapping[str, RowCheck]:
    """The check of each subject."""
    return {subject: RowCheck(about) for subject, about in rows.items()}


def plain_schema(rows: Iterable[Row]) -> dict[str, Any]:
    """A schema of resources that break none of the rows without selector and choice; it may refuse some of them."""
    return _object([(row, row.steps) for row in rows if row.plain])


def broken_rows(rows: Iterable[Row], node: Node) -> list[tuple[Row, Miss]]:
    """The rows that the resource `node` breaks, judged one by one.

    Most rows hold in one way: a single value at each step, all there, and right. That is seen here without a call, at
    a fifth of the cost; only what is not so simple is followed step by step, and the verdict is that of `_follow`.
    """
    found: list[tuple[Row, Miss]] = []
    for row in rows:
        value: Any = node
        for name in row.plain:
            if type(value) is list and len(value) == 1:
                value = value[0]
            if type(value) is not dict or name not in value:
                break
            value = value[name]
        else:
            if row.plain and row.limit is None and _is_right(value, row.demand):
                continue
        misses: list[Miss] = []
        _follow(node, row.steps, 0, row, misses)
        if misses:
            found.extend((row, miss) for miss in misses)
    return found


def _is_right(value: Any, demand: Demand | None) -> bool:
    if type(value) is list:
        return demand is None and bool(value)
    return value is not None and (demand is None or demand(value))


def _follow(node: Node, steps: Sequence[Step], index: int, row: Row, found: list[Miss]) -> None:
    step = steps[index]
    values = step.values(node)
    is_last = index == len(steps) - 1
    if is_last and row.limit is not None:
        if values is not None and len(values) > row.limit:
            found.append((node, step.name))
    elif not values:
        if not (step.may_be_absent if values is None else step.may_be_unselected):
            found.append((node, step.name))
    elif is_last:
        if row.demand is not None and not _satisfied(row, values):
            found.append((node, step.name))
    else:
        for child in values:
            if isinstance(child, dict):
                _follow(child, steps, index + 1, row, found)


def _satisfied(row: Row, values: Sequence[Any]) -> bool:
    demand = row.demand or bool
    return any(map(demand, values)) if row.one_suffices else all(map(demand, values))


def _object(paths: Iterable[_Path]) -> dict[str, Any]:
    """The schema of an object from which the paths begin."""
    by_name: dict[str, list[_Path]] = defaultdict(list)
    for row, steps in paths:
        by_name[steps[0].name].append((row, steps))
    demanded = [name for name, found in by_name.items() if any(map(_is_demanded, found))]
    return {
        "type": "object",
        "required": demanded,
        "properties": {name: _element(found) for name, found in by_name.items()},
    }


def _is_demanded(path: _Path) -> bool:
    row, steps = path
    return not steps[0].may_be_absent and not (len(steps) == 1 and row.limit is not None)


def _element(paths: Sequence[_Path]) -> dict[str, Any]:
    """The schema of what stands at the first step of the paths: one value, or a list of them."""
    inner = [(row, steps[1:]) for row, steps in paths if len(steps) > 1]
    ends = [_end(row) for row, steps in paths if len(steps) == 1 and (row.limit is not None or row.surely is not None)]
    schema: dict[str, Any] = dict(_SOMETHING)
    if inner:
        one = _object(inner)
        schema |= one | {"type": ["array", "object"], "items": one}
    return schema | ({"allOf": ends} if ends else {})


def _end(row: Row) -> dict[str, Any]:
    """The schema of values at the end of a path."""
    if row.limit is not None:
        return {"type": "array", "maxItems": row.limit}
    several = {"contains" if row.one_suffices else "items": row.surely}
    return {"anyOf": [{"type": "array", **several}, row.surely]}
