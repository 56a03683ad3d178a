"""On which line of a file the element stands that a finding is about: for people who mend the file."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass

Place = tuple[str | int, ...]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
_STEP = re.compile(r"(?P<name>\w+)(?:\((?P<type>\w+)\))?(?:\[(?P<index>\d+)\])?", re.ASCII)


@dataclass(slots=True)
class _Frame:
    """An object or list that is being read, and the place in it."""

    step: str | int | None


class JsonLines:
    """The lines of one JSON text. The text may be no JSON at all: then only the place of the defect is known."""

    def __init__(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace")
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[Place, int] = {}
        self._types: dict[Place, str] = {}
        self.defect = _defect(text)
        """The line on which the text stops being JSON; None where it is JSON."""
        if self.defect is None:
            self._read(text)

    def line(self, expression: str) -> int | None:
        """The line, from 1, of the element that an expression names, or of the nearest one around it that is there."""
        if self.defect is not None:
            return self.defect
        place: Place = ()
        for step in list(_STEP.finditer(expression))[1:]:
            inner = self._inner(place, step)
            if inner is None:
                break
            place = inner
        return self._lines.get(place) if place else None

    def _read(self, text: str) -> None:
        frames: list[_Frame] = []
        for token in _TOKEN.finditer(text):
            mark = token[0]
            if mark in "]}":
                frames.pop()
            elif mark == ",":
                step = frames[-1].step
                frames[-1].step = step + 1 if isinstance(step, int) else None
            elif mark != ":":
                self._take(frames, mark, token.start())

    def _take(self, frames: list[_Frame], mark: str, at: int) -> None:
        """A name, or the beginning of a value."""
        if frames and frames[-1].step is None:
            frames[-1].step = str(json.loads(mark))
        place = tuple(frame.step for frame in frames if frame.step is not None)
        self._lines.setdefault(place, bisect_right(self._starts, at))
        if place and place[-1] == "resourceType" and mark != '"resourceType"':
            self._types.setdefault(place[:-1], mark.strip('"'))
        if mark in "[{":
            frames.append(_Frame(0 if mark == "[" else None))

    def _inner(self, place: Place, step: re.Match[str]) -> Place | None:
        if step["name"] == "ofType":
            return self._of_type(place, str(step["type"]))
        named = self._named(place, step["name"])
        if named is None or step["index"] is None:
            return named
        indexed = (*named, int(step["index"]))
        return indexed if indexed in self._lines else named

    def _named(self, place: Place, name: str) -> Place | None:
        """A member by its name, or by the name that a choice such as value[x] has in JSON."""
        if (*place, name) in self._lines:
            return (*place, name)
        choice = re.compile(rf"{name}[A-Z]\w*", re.ASCII)
        members = (known for known in self._lines if len(known) == len(place) + 1 and known[:-1] == place)
        found = next((known for known in members if choice.fullmatch(str(known[-1]))), None)
        if found is None and name == "resource" and place and place[-1] == "entry":
            return place
        return found

    def _of_type(self, place: Place, type_: str) -> Place | None:
        """The first resource of a type among the entries."""
        found = (known for known, name in self._types.items() if name == type_ and known[: len(place)] == place)
        return next(found, None)


def _defect(text: str) -> int | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except (RecursionError, ValueError):
        return 1
    return None
