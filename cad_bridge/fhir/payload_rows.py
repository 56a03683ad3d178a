"""The language of the rule tables: one line says where an element must be, and what it must be.

::

    PAY-SR-07  3VIF6SC  ServiceRequest  intent = plan
    rule id    payloads subject         path, then what is demanded of each value found there

A path is FHIR element names with dots. ``name?`` is looked at only if it is there. ``name{selector}`` means those items
of the list that the selector picks, of which there must be one, but for ``name{selector}?``. ``name[x]`` is a choice.

Demanded of the values is nothing (that they are there), ``= text``, ``in a b`` (codes), ``code a b`` (without regard to
case), ``~ a b`` (systems but for scheme and case, X-60), ``canonical a b`` (but for a version), ``token`` (of the form
``system|value``); of one of them with ``has``; of their number ``<= n`` or ``not`` (none at all).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cad_bridge.fhir import codes, systems

Node = Mapping[str, Any]
Demand = Callable[[Any], bool]
JsonSchema = Mapping[str, Any] | bool
_PREFIXES = {
    "cs": "https://fhir.nhs.uk/CodeSystem/",
    "msg": "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-",
    "qst": "https://fhir.nhs.uk/Questionnaire/",
    "sd": "https://fhir.nhs.uk/StructureDefinition/",
    "sr": "https://fhir.nhs.uk/StructureDefinition/BARSServiceRequest-request-",
    "thl7": "http://terminology.hl7.org/",
}
"""How the beginnings of URLs are written in the tables."""


_BCP_47 = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*|[qx](-[A-Za-z0-9]{1,8})+"
_LANGUAGES = {
    "urn:ietf:bcp:47": re.compile(_BCP_47),
    # q1 to q5 are Braille and the sign languages: q4 is British Sign Language.
    "https://fhir.hl7.org.uk/CodeSystem/UKCore-HumanLanguage": re.compile(rf"{_BCP_47}|q[1-5]"),
}
"""The system, and UK Core's older one (S11), with what is a code in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One element on a path."""

    name: str
    is_choice: bool
    may_be_absent: bool
    may_be_unselected: bool
    selector: Callable[[Node], bool] | None

    def values(self, node: Node) -> Sequence[Any] | None:
        """What stands there, as a list; None where nothing does, which is different from nothing selected."""
        value = node.get(self.name)
        if value is None and self.is_choice:
            value = next((node[key] for key in node if _is_choice_of(key, self.name)), None)
        if value is None:
            return None
        values = value if isinstance(value, list) else (value,)
        if self.selector is None:
            return values
        return [item for item in values if isinstance(item, dict) and self.selector(item)]


@dataclass(frozen=True, slots=True)
class Row:
    """One rule: `payloads` are letters of `payload.PAYLOADS`, `subject` a name of `payload_view.SUBJECTS`."""

    rule: str
    payloads: str
    subject: str
    path: str
    text: str
    steps: tuple[Step, ...]
    demand: Demand | None
    one_suffices: bool
    """One of the values at the end of the path must be right; else all must."""
    limit: int | None
    """Most items that the list at the end of the path may hold."""
    surely: JsonSchema | None
    """Values that satisfy the demand for sure, as a schema; None where nothing is demanded."""
    plain: tuple[str, ...]
    """The names on a path without selector and choice; empty for the others."""


def table(text: str) -> tuple[Row, ...]:
    """The rows of a table; a line that begins with ``#`` says what the lines after it are about."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(_row(line) for line in lines if line and not line.startswith("#"))


def _row(line: str) -> Row:
    rule, payloads, subject, path, *demand = line.split(None, 4)
    words = demand[0] if demand else ""
    steps = tuple(_step(name) for name in path.split("."))
    limit = 0 if words == "not" else int(words[2:]) if words.startswith("<=") else None
    demanded = None if limit is not None else words.replace("has ", "in ", 1)
    return Row(
        rule=rule,
        payloads=payloads,
        subject=subject,
        path=path,
        text=_say(subject, path, words),
        steps=steps,
        demand=_demand(demanded) if demanded else None,
        one_suffices=words.startswith("has "),
        limit=limit,
        surely=_surely(demanded) if demanded else None,
        plain=_plain(steps),
    )


def _plain(steps: Sequence[Step]) -> tuple[str, ...]:
    is_plain = not any(step.is_choice or step.selector for step in steps)
    return tuple(step.name for step in steps) if is_plain else ()


def _is_choice_of(key: str, stem: str) -> bool:
    return key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper()


def _step(written: str) -> Step:
    name, _, selector = written.partition("{")
    may_be_absent = name.endswith("?") or selector.endswith("?")
    return Step(
        name=name.rstrip("?").removesuffix("[x]"),
        is_choice=name.endswith("[x]"),
        may_be_absent=may_be_absent,
        may_be_unselected=selector.endswith("?"),
        selector=SELECTORS[selector.rstrip("}?")] if selector else None,
    )


def _demand(words: str) -> Demand:
    """What is demanded of one value."""
    kind, _, operand = words.partition(" ")
    return _DEMANDS[kind](operand, frozenset(_expand(word) for word in operand.split()))


def _surely(words: str) -> JsonSchema:
    """Values as they are mostly sent: never more than `_demand` takes, but not every spelling that it takes."""
    kind, _, operand = words.partition(" ")
    if kind == "token":
        return {"type": "string", "pattern": r"^[^|\s]+\|[^|\s]+$"}
    if kind == "language":
        return False
    return {"enum": [operand] if kind == "=" else sorted(map(_expand, operand.split()))}


def _is_language(concept: Any) -> bool:
    """Whether a CodeableConcept holds a language."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return any(map(_names_language, codings if isinstance(codings, list) else ()))


def _names_language(coding: Any) -> bool:
    written = _LANGUAGES.get(str(coding.get("system"))) if isinstance(coding, dict) else None
    return written is not None and written.fullmatch(str(coding.get("code"))) is not None


def _system(allowed: frozenset[str]) -> Demand:
    bare = frozenset(map(_bare, allowed))
    return lambda value: isinstance(value, str) and (value in allowed or _bare(value) in bare)


_DEMANDS: Mapping[str, Callable[[str, frozenset[str]], Demand]] = {
    "=": lambda operand, _: lambda value: value == operand,
    "in": lambda _, allowed: lambda value: isinstance(value, str) and value in allowed,
    "code": lambda _, allowed: lambda value: isinstance(value, str) and value.casefold() in allowed,
    "canonical": lambda _, allowed: lambda value: isinstance(value, str) and value.partition("|")[0] in allowed,
    "~": lambda _, allowed: _system(allowed),
    "language": lambda *_: _is_language,
    "token": lambda *_: lambda value: isinstance(value, str) and systems.is_token(value),
}


def _expand(word: str) -> str:
    prefix, colon, rest = word.partition(":")
    return f"{_PREFIXES[prefix]}{rest}" if colon and prefix in _PREFIXES else word


@lru_cache(maxsize=1024)
def _bare(system: str) -> str:
    """A system without scheme and case, by its canonical name if it has several."""
    return systems.canonical(system).casefold().removeprefix("https://").removeprefix("http://")


def _say(subject: str, path: str, words: str) -> str:
    """The rule in plain English."""
    plain = ".".join(step.rstrip("?").partition("{")[0].rstrip("?") for step in path.split("."))
    element = f"{subject.partition('/')[0]}.{plain}"
    kind, _, operand = words.removeprefix("has ").partition(" ")
    said = _SAID.get(kind, "must be {alternatives}")
    return f"{element} {said}.".format(operand=operand, alternatives=" or ".join(map(_expand, operand.split())))


_SAID = {
    "": "must be there",
    "=": "must be '{operand}'",
    "token": "must be of the form system|value",
    "language": "must be a language code of BCP 47",
    "not": "must not be there",
    "<=": "may be there {operand} time(s) at most",
}


def _of(wanted: str) -> Callable[[Node], bool]:
    """Codings and identifiers of one system."""
    bare = _bare(wanted)

    def selector(coding: Node) -> bool:
        system = coding.get("system")
        return isinstance(system, str) and (system == wanted or _bare(system) == bare)

    return selector


def _url(*wanted: str) -> Callable[[Node], bool]:
    """Extensions by URL, without regard to case: the guide and the definitions differ in it (X-43, X-44)."""
    folded = frozenset(url.casefold() for url in wanted)

    def selector(extension: Node) -> bool:
        url = extension.get("url")
        return isinstance(url, str) and url.casefold() in folded

    return selector


_LOCATION_PARTS = ("UPRN", "PAF", "eastings", "northings", "what3words", "accuracy")

_UKCORE_EXTENSION = f"{codes.UKCORE}/StructureDefinition/Extension-UKCore-"

SELECTORS: Mapping[str, Callable[[Node], bool]] = {
    "category": _of(systems.MESSAGE_CATEGORY),
    "cdss": _url(codes.CDSS_EXTENSION),
    "coverage": _url(f"{_UKCORE_EXTENSION}Coverage"),
    "ethnic-category": _url(codes.ETHNIC_CATEGORY_EXTENSION),
    "location": _url(codes.LOCATION_EXTENSION),
    "location-part": _url(*_LOCATION_PARTS),
    "nhs-number": _of(systems.NHS_NUMBER),
    "ods": _of(systems.ODS_CODE),
    "ods-site": _of("https://fhir.nhs.uk/Id/ods-site-code"),
    "proficiency": _url("http://hl7.org/fhir/StructureDefinition/patient-proficiency"),
    "rank": _url(codes.CONTACT_RANK_EXTENSION),
    "response-reason": _url("http://hl7.org/fhir/StructureDefinition/questionnaireresponse-reason"),
    "software": _url(codes.CDSS_SOFTWARE),
    "source-of-request": _url(f"{_UKCORE_EXTENSION}SourceOfServiceRequest"),
    "use-case": _of(systems.USE_CASE),
    "verification": _url(codes.NHS_NUMBER_VERIFICATION_EXTENSION),
    "version": _url(codes.CDSS_VERSION),
}
