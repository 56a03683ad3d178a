"""What the R4B models of fhir.resources say about their fields, read into plain values.

Only this module knows how that package writes its metadata. Its R4B models equal R4 4.0.1 in every resource type that
BaRS uses, but for the value types of Extension, which are put right here.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

_NOT_R4 = {("Extension", "valueCodeableReference"), ("Extension", "valueRatioRange")}
"""R4B value types that R4 4.0.1 does not have. (R4B lacks valueMeta; it is refused, so that all we accept parses.)"""

_PRIMITIVE_CLASSES = {"EncodedBytes": "base64Binary", "UuidVersion": "uuid", "bool": "boolean"}
_ANY_RESOURCE = "ResourceType"
_PRIMITIVE_EXTENSION = "FHIRPrimitiveExtensionType"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One element of a type. Either `primitive` or `complex_type` is set, or neither where any resource may stand."""

    name: str
    primitive: str | None
    complex_type: str | None
    is_list: bool
    is_required: bool
    choice: str | None
    choice_is_required: bool
    codes: tuple[str, ...]
    targets: tuple[str, ...]


@cache
def fields_of(type_name: str) -> tuple[Field, ...]:
    """The elements of a resource or data type, without the extensions of primitives; ValueError if there is none."""
    model = get_fhir_model_class(type_name)
    return tuple(_fields(type_name, model.model_fields))


def is_resource(type_name: str) -> bool:
    """Whether the type says ``resourceType``."""
    return bool(get_fhir_model_class(type_name).has_resource_base())


def _fields(type_name: str, model_fields: dict[str, Any]) -> Iterator[Field]:
    for field in model_fields.values():
        name = field.alias
        annotation, metadata, is_list = _unwrap(field.annotation)
        if name == "fhir_comments" or annotation.__name__ == _PRIMITIVE_EXTENSION or (type_name, name) in _NOT_R4:
            continue
        extra = field.json_schema_extra or {}
        complex_type = annotation.__name__.removesuffix("Type") if hasattr(annotation, "get_model_klass") else None
        yield Field(
            name=name,
            primitive=None if complex_type else _primitive(annotation, metadata),
            complex_type=None if annotation.__name__ == _ANY_RESOURCE else complex_type,
            is_list=is_list,
            is_required=field.is_required() or extra.get("element_required", False),
            choice=extra.get("one_of_many"),
            choice_is_required=extra.get("one_of_many_required", False),
            codes=tuple(extra.get("enum_values", ())),
            targets=tuple(extra.get("enum_reference_types", ())),
        )


def _unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """The bare type, the FHIR markers on it, and whether it repeats."""
    is_list = False
    while True:
        origin = typing.get_origin(annotation)
        if origin is list:
            is_list, annotation = True, typing.get_args(annotation)[0]
        elif origin is typing.Annotated:
            return _first(annotation.__origin__), annotation.__metadata__, is_list
        elif origin in (typing.Union, types.UnionType):
            annotation = _first(annotation)
        else:
            return annotation, (), is_list


def _first(annotation: Any) -> Any:
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    return next(part for part in typing.get_args(annotation) if part is not type(None))


def _primitive(annotation: Any, metadata: tuple[Any, ...]) -> str:
    if not metadata:
        return _PRIMITIVE_CLASSES.get(annotation.__name__, "string")
    marker = type(metadata[0])
    return _PRIMITIVE_CLASSES.get(marker.__name__) or str(marker.__visit_name__)
