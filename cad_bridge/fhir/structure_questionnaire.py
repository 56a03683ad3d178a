"""The FHIR R4 invariants of Questionnaire and QuestionnaireResponse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cad_bridge.fhir.structure_rules import Invariant, Node, has_any, objects, text

_DISPLAY_ONLY = ("code", "required", "repeats", "readOnly", "item")
_COUNTED = frozenset({"boolean", "decimal", "integer", "string", "text", "url", "open-choice"})
_WITH_OPTIONS = frozenset(
    {"choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"}
)


def _items(questionnaire: Node) -> Iterator[Node]:
    stack = objects(questionnaire, "item")
    while stack:
        item = stack.pop()
        yield item
        stack.extend(objects(item, "item"))


def _link_ids_differ(questionnaire: Node) -> bool:
    ids = [item["linkId"] for item in _items(questionnaire) if isinstance(item.get("linkId"), str)]
    return len(ids) == len(set(ids))


_QUESTION = (
    Invariant("que-1", "A group needs items.", lambda n: n.get("type") != "group" or "item" in n, "item"),
    Invariant(
        "que-1",
        "A display item cannot have items, a code, or be required, repeated or read-only (que-1, que-3, que-6, que-9).",
        lambda n: n.get("type") != "display" or not has_any(n, *_DISPLAY_ONLY),
    ),
    Invariant(
        "que-4",
        "A question cannot have both answerOption and answerValueSet.",
        lambda n: not ("answerOption" in n and "answerValueSet" in n),
    ),
    Invariant(
        "que-5",
        "Only some types of question can have answer options.",
        lambda n: text(n, "type") in _WITH_OPTIONS or not has_any(n, "answerOption", "answerValueSet"),
    ),
    Invariant(
        "que-8",
        "A group or display item cannot have an initial value.",
        lambda n: n.get("type") not in ("group", "display") or "initial" not in n,
        "initial",
    ),
    Invariant(
        "que-10",
        "maxLength is only for simple questions.",
        lambda n: "maxLength" not in n or text(n, "type") in _COUNTED,
        "maxLength",
    ),
    Invariant(
        "que-11",
        "With answer options there is no initial value.",
        lambda n: not ("answerOption" in n and "initial" in n),
        "initial",
    ),
    Invariant(
        "que-12",
        "Several enableWhen need an enableBehavior.",
        lambda n: len(objects(n, "enableWhen")) <= 2 or "enableBehavior" in n,
        "enableBehavior",
    ),
    Invariant(
        "que-13",
        "Several initial values are only for an item that repeats.",
        lambda n: n.get("repeats") is True or len(objects(n, "initial")) <= 1,
        "initial",
    ),
)

_ENABLE_WHEN = (
    Invariant(
        "que-7",
        "With the operator exists the answer must be a boolean.",
        lambda n: n.get("operator") != "exists" or "answerBoolean" in n,
        "answer",
    ),
)

QUESTIONNAIRE_INVARIANTS: Mapping[str, tuple[Invariant, ...]] = {
    "Questionnaire": (Invariant("que-2", "Two items have the same linkId.", _link_ids_differ, "item"),),
    "QuestionnaireItem": _QUESTION,
    "QuestionnaireItemEnableWhen": _ENABLE_WHEN,
    "QuestionnaireResponseItem": (
        Invariant(
            "qrs-1", "Items cannot be under both an item and its answer.", lambda n: not ("answer" in n and "item" in n)
        ),
    ),
}
"""By type, as in `structure_rules.INVARIANTS`."""
