"""Pre-triage sieve and nature of call of a received message.

Answers are matched by linkId and code alone: published messages lack systems, and print wrong question texts (defects
S20). An answer outside the national list, or one whose display says the opposite of its code, is never interpreted.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cad_bridge.fhir.content_triage import PreTriageSieve
from cad_bridge.fhir.content_types import Code
from cad_bridge.fhir.questionnaires import (
    BREATHING,
    CONSCIOUS,
    NATURE_OF_CALL_DISPLAYS,
    NATURE_OF_CALL_QUESTIONS,
    NOISY_BREATHING,
    PRE_TRIAGE_SIEVE,
    QUESTIONNAIRES,
    RESPONSE_REASON,
    SIEVE_CODES,
    Question,
    Questionnaire,
)
from cad_bridge.fhir.read_index import MessageIndex
from cad_bridge.fhir.read_nodes import Node

_FIELDS = {BREATHING: "breathing", CONSCIOUS: "conscious", NOISY_BREATHING: "noisy_breathing"}


def read_questionnaires(index: MessageIndex) -> dict[str, Any]:
    """The fields of the triage that questionnaires fill; empty where none was sent."""
    for node in index.all("Questionnaire"):
        _mark_questionnaire(index, node)
    sieve = _response(index, PRE_TRIAGE_SIEVE)
    call = _response(index, NATURE_OF_CALL_QUESTIONS)
    fields = {
        "pre_triage_sieve": _sieve(sieve) if sieve else None,
        "nature_of_call": _nature_of_call(call) if call else None,
    }
    return {name: value for name, value in fields.items() if value}


def check_breathing(index: MessageIndex, sieve: PreTriageSieve | None, *, cpr_start: datetime | None) -> None:
    """An issue where CPR is under way on a patient who is said to breathe: both are shown (defects S22)."""
    if sieve and sieve.breathing and cpr_start:
        said = "The sieve says that the patient breathes, and CPR is under way: ask the sender."
        index.ledger.warn("Bundle.entry.resource.ofType(Procedure)", "business-rule", said, "S22")


def _mark_questionnaire(index: MessageIndex, node: Node) -> None:
    """The national questions are known; those of a local questionnaire are shown as sent, with an issue."""
    for known in QUESTIONNAIRES:
        if _last_part(node.child("url")) == known.name or node.child("name").word == known.name:
            offered = {item.child("linkId").word: _codes_of(item) for item in node.items("item")}
            if offered == {question.link_id: set(question.answers) for question in known.questions}:
                node.done()
                index.take(node)
                return
    node.ledger.warn(node.path, "business-rule", "This is none of the national questionnaires.", "APP6-QST-02")


def _codes_of(item: Node) -> set[str | None]:
    return {option.child("valueCoding").child("code").word for option in item.items("answerOption")}


def _response(index: MessageIndex, questionnaire: Questionnaire) -> Node | None:
    """The first response to a questionnaire; others of the same stay as sent, with an issue."""
    found = [node for node in index.standing("QuestionnaireResponse") if _answers(node, questionnaire)]
    if not found:
        return None
    for surplus in found[1:]:
        surplus.ledger.warn(surplus.path, "business-rule", "The same questions are answered again.", "APP6-QST-01")
    _mark_response(found[0], questionnaire)
    index.take(found[0])
    return found[0]


def _answers(node: Node, questionnaire: Questionnaire) -> bool:
    """Whether it answers the questionnaire: by its canonical, else by its reason."""
    named = _last_part(node.child("questionnaire"))
    if named is not None:
        return named == questionnaire.name
    reason = _reason(node).word or ""
    return reason.strip().lower().startswith(questionnaire.reason.lower())


def _mark_response(node: Node, questionnaire: Questionnaire) -> None:
    node.expect("status", "completed")
    node.child("questionnaire").done()
    _reason(node).text()
    asked = {_folded(question.text) for question in questionnaire.questions}
    for item in node.items("item"):
        if _folded(item.child("text").word or "") in asked:
            item.child("text").text()


def _sieve(node: Node) -> PreTriageSieve | None:
    answers = {_FIELDS[question.link_id]: _yes_or_no(node, question) for question in PRE_TRIAGE_SIEVE.questions}
    said = {name: answer for name, answer in answers.items() if answer is not None}
    if said.get("breathing") is False and len(said) > 1:
        node.ledger.warn(node.path, "business-rule", "Questions that only a breathing patient is asked.", "S21")
    return node.make(PreTriageSieve, **said) if said else None


def _yes_or_no(node: Node, question: Question) -> bool | None:
    coding = _answer(node, question)
    if coding is None:
        return None
    code, display = coding.child("code").word, coding.child("display").word
    if code not in question.answers:
        coding.ledger.warn(coding.path, "code-invalid", "This is none of the national answers.", "APP6-QST-08")
        return None
    opposite = next(words for other, words in question.answers.items() if other != code)
    if display is not None and _folded(display) == _folded(opposite):
        said = "Code and display contradict each other: the answer is not used, and shown as sent."
        coding.ledger.warn(coding.path, "business-rule", said, "APP6-QST-07")
        return None
    coding.done()
    return SIEVE_CODES[question.link_id][code]


def _nature_of_call(node: Node) -> Code | None:
    coding = _answer(node, NATURE_OF_CALL_QUESTIONS.questions[0])
    code = coding.child("code").token() if coding else None
    if coding is None or code is None:
        return None
    display = coding.child("display").text()
    if code not in NATURE_OF_CALL_DISPLAYS:
        said = "The nature of call is not of the national list; it is shown as sent."
        coding.ledger.warn(coding.path, "code-invalid", said, "APP6-QST-08")
    elif display is not None and _folded(display) == _folded(NATURE_OF_CALL_DISPLAYS[code]):
        display = NATURE_OF_CALL_DISPLAYS[code]
    return coding.make(Code, code=code, display=display or NATURE_OF_CALL_DISPLAYS.get(code))


def _answer(node: Node, question: Question) -> Node | None:
    """The coding that answers a question; None where there is none, or more than one."""
    codings = [
        answer.child("valueCoding")
        for item in node.items("item")
        if item.child("linkId").word == question.link_id
        for answer in item.items("answer")
        if answer.child("valueCoding").exists
    ]
    if len(codings) > 1:
        node.ledger.warn(node.path, "business-rule", "A question has more than one answer.", "APP6-QST-05")
    return codings[0] if len(codings) == 1 else None


def _reason(node: Node) -> Node:
    for extension in node.items("extension"):
        if extension.child("url").word == RESPONSE_REASON:
            return extension.child("valueCodeableConcept").child("text")
    return Node(None, f"{node.path}.extension", node.ledger)


def _last_part(canonical: Node) -> str | None:
    """The name at the end of a canonical URL, without version."""
    word = canonical.word
    return word.split("|", 1)[0].rstrip("/").rsplit("/", 1)[-1].upper() if word else None


def _folded(words: str) -> str:
    """Question and display texts but for case, blanks, final question marks and the SNOMED tag in brackets."""
    return " ".join(words.lower().split("(finding)")[0].rstrip(" ?").split())
