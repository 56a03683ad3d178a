"""Schema errors in plain English, each with its FHIRPath and FHIR issue code, and never with a value.

jsonschema-rs quotes the message, which is patient data; only its kind of error, the path and the place in the schema
are used here. Not even the name of an unknown element is repeated, for a sender may write anything there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.schema import (
    entry_validator,
    message_schema,
    message_validator,
    resource_schema,
    resource_validator,
)
from cad_bridge.fhir.schema_primitives import PRIMITIVES
from cad_bridge.fhir.structure_paths import Path, fhir_path

Schema = Mapping[str, Any]

_JSON_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}
_FORMATS = {
    "base64Binary": "base64",
    "code": "a code: no blanks but single ones inside",
    "date": "a date (YYYY, YYYY-MM or YYYY-MM-DD) that exists",
    "dateTime": "a date that exists, or a date with time to the second and time zone",
    "id": "an id: 1 to 64 letters, digits, hyphens and dots",
    "idOrUrn": "an id: 1 to 64 letters, digits, hyphens and dots",
    "instant": "a date that exists with time to the second and time zone",
    "mediaType": "a media type",
    "oid": "a URI of form urn:oid:",
    "time": "a time hh:mm:ss",
    "uuid": "a URI of form urn:uuid:",
}
_FORMAT_OF = {
    schema["pattern"]: _FORMATS.get(name, "a URI: no blanks")
    for name, schema in PRIMITIVES.items()
    if "pattern" in schema
}
_MOST_CODES_LISTED = 20
_MOST_NODES = 20_000
"""Values of a part that are explained. A whole message of 46 KB has 2,500."""


@dataclass(frozen=True, slots=True)
class _Explanation:
    code: str
    rule: str
    text: str
    element: str | None = None
    on_parent: bool = False


def explain_message(bundle: dict[str, Any]) -> Iterator[Issue]:
    """What is wrong with a Bundle that the message schema refuses: of its own elements, then entry by entry.

    Only entries at fault are explained, each as far as `_MOST_NODES` reach: jsonschema-rs lists all errors before it
    gives the first, which a hostile message could make a matter of minutes.
    """
    entries = bundle.get("entry")
    schema = message_schema()
    if not isinstance(entries, list) or not entries:
        yield from _explain(message_validator(), bundle, schema, ())
        return
    own = {key: value for key, value in bundle.items() if key != "entry"}
    if not message_validator().is_valid(own):
        yield from _explain(message_validator(), own, schema, ())
    for index, entry in enumerate(entries):
        if not entry_validator().is_valid(entry):
            yield from _explain(entry_validator(), entry, schema, ("entry", index))


def explain_resource(resource: dict[str, Any], *, at: Path) -> Iterator[Issue]:
    """What is wrong with a resource of a type that the message schema does not hold; `at` is where it stands."""
    resource_type = resource["resourceType"]
    validator = resource_validator(resource_type)
    if not validator.is_valid(resource):
        yield from _explain(validator, resource, resource_schema(resource_type), at)


def _explain(validator: jsonschema_rs.Validator, part: Any, schema: Schema, at: Path) -> Iterator[Issue]:
    errors = validator.iter_errors(_pruned(part, [_MOST_NODES]))
    found = False
    for error in errors:
        found = True
        yield from _issues_of(error, schema, at)
    if not found and not validator.is_valid(part):
        yield _issue(at, _Explanation("structure", "r4-type", "Something far down in this long part is wrong."))


def _pruned(value: Any, budget: list[int]) -> Any:
    """A copy without what comes after the first thousands of nodes; of every list the first item stays."""
    budget[0] -= 1
    if isinstance(value, dict):
        return {key: _pruned(child, budget) for key, child in value.items()}
    if isinstance(value, list):
        kept = [_pruned(item, budget) for item in value[:1]]
        for item in value[1:]:
            if budget[0] <= 0:
                break
            kept.append(_pruned(item, budget))
        return kept
    return value


def _issues_of(error: jsonschema_rs.ValidationError, schema: Schema, at: Path) -> Iterator[Issue]:
    """The issues that one schema error stands for."""
    name = error.kind.name
    rule, element = _comment(error, schema)
    if name == "anyOf" and not rule:
        for nested in error.kind.context[0]:  # type: ignore[attr-defined]
            yield from _issues_of(nested, schema, at)
        return
    explanation = _RULES[rule](element) if rule else _KINDS[name](error, schema)
    yield _issue((*at, *error.instance_path), explanation)


def _issue(path: Path, explanation: _Explanation) -> Issue:
    if explanation.on_parent:
        path = path[:-1]
    if explanation.element:
        path = (*path, explanation.element)
    return Issue(
        severity=Severity.ERROR,
        code=explanation.code,
        expression=fhir_path(path),
        diagnostics=explanation.text,
        rule=explanation.rule,
    )


def _comment(error: jsonschema_rs.ValidationError, schema: Schema) -> tuple[str, str]:
    """The rule of FHIR that the failed part of the schema stands for, and what it is about."""
    rule, _, about = str(_parent(error, schema).get("$comment", "")).partition("|")
    return rule, about


def _parent(error: jsonschema_rs.ValidationError, schema: Schema) -> Schema:
    node: Any = schema
    for step in error.schema_path[:-1]:
        node = node[step]
    return node if isinstance(node, dict) else {}


def _unknown_elements(error: jsonschema_rs.ValidationError, schema: Schema) -> _Explanation:
    known = {name.lower(): name for name in _parent(error, schema)["properties"]}
    unexpected: list[str] = error.kind.unexpected  # type: ignore[attr-defined]
    meant = sorted({known[name.lower()] for name in unexpected if name.lower() in known})
    text = f"{len(unexpected)} element(s) here are not defined by FHIR R4."
    if meant:
        text += f" Perhaps meant: {', '.join(meant)}."
    return _Explanation("structure", "r4-unknown-element", text)


def _missing(element: str) -> _Explanation:
    return _Explanation("required", "r4-required", f"{element} is required.", element)


def _required(error: jsonschema_rs.ValidationError, _: Schema) -> _Explanation:
    return _missing(error.kind.property)  # type: ignore[attr-defined]


def _type(error: jsonschema_rs.ValidationError, _: Schema) -> _Explanation:
    wanted = " or ".join(_JSON_TYPES[name] for name in error.kind.types if name != "null")  # type: ignore[attr-defined]
    return _Explanation("structure", "r4-type", f"This must be {wanted} in JSON.")


def _enum(error: jsonschema_rs.ValidationError, _: Schema) -> _Explanation:
    options = [str(option) for option in error.kind.options if option is not None]  # type: ignore[attr-defined]
    listed = ", ".join(options) if len(options) <= _MOST_CODES_LISTED else f"{len(options)} codes"
    return _Explanation("code-invalid", "r4-binding", f"This is not a code of the required value set: {listed}.")


def _pattern(error: jsonschema_rs.ValidationError, _: Schema) -> _Explanation:
    wanted = _FORMAT_OF[error.kind.pattern]  # type: ignore[attr-defined]
    return _Explanation("value", "r4-format", f"This must be {wanted}.")


def _constant(error: jsonschema_rs.ValidationError, _: Schema) -> _Explanation:
    wanted = error.kind.expected_value  # type: ignore[attr-defined]
    return _Explanation("structure", "r4-resource-type", f"The resourceType here must be {wanted}.")


def _always(code: str, rule: str, text: str) -> Callable[[jsonschema_rs.ValidationError, Schema], _Explanation]:
    return lambda _error, _schema: _Explanation(code, rule, text)


_OUT_OF_RANGE = _always("value", "r4-format", "This number is out of the range of its type.")

_KINDS: Mapping[str, Callable[[jsonschema_rs.ValidationError, Schema], _Explanation]] = {
    "additionalProperties": _unknown_elements,
    "const": _constant,
    "enum": _enum,
    "maximum": _OUT_OF_RANGE,
    "minItems": _always("structure", "ele-1", "A list may not be empty; it is left out instead."),
    "minLength": _always("value", "r4-format", "A text may not be empty."),
    "minimum": _OUT_OF_RANGE,
    "pattern": _pattern,
    "required": _required,
    "type": _type,
    "wholeNumber": _always("value", "r4-format", "This must be a whole number, written without a fraction."),
}

_RULES: Mapping[str, Callable[[str], _Explanation]] = {
    "binding": lambda value_set: _Explanation(
        "code-invalid", "r4-binding", f"One coding must be of the required value set {value_set}.", on_parent=True
    ),
    "choice": lambda choice: _Explanation(
        "structure", "r4-choice", f"{choice}[x] is there in more than one type.", choice
    ),
    "ele-1": lambda _: _Explanation("structure", "ele-1", "An element must have a value or children."),
    "ext-1": lambda _: _Explanation("invariant", "ext-1", "An extension has either one value or extensions."),
    "reference-form": lambda _: _Explanation(
        "value", "reference-form", "This is no form of a reference, or it names no resource type of FHIR R4."
    ),
    "required": _missing,
}
