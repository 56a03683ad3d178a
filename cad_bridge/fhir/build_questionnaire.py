"""Pre-triage sieve and nature of call as Questionnaire and QuestionnaireResponse (APP6-QST-01)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cad_bridge.fhir.build_clinical import People
from cad_bridge.fhir.build_elements import Json, coding, filled, reference
from cad_bridge.fhir.content_triage import PreTriageSieve, Triage
from cad_bridge.fhir.questionnaires import (
    BREATHING,
    CONSCIOUS,
    NATURE_OF_CALL,
    NATURE_OF_CALL_QUESTIONS,
    NOISY_BREATHING,
    PRE_TRIAGE_SIEVE,
    PUBLISHER,
    RESPONSE_REASON,
    SIEVE_CODES,
    VERSION,
    Question,
    Questionnaire,
)

Answers = Mapping[str, str]
"""Code of the answer by linkId of the question."""


def answered_questionnaires(triage: Triage) -> Iterator[tuple[Questionnaire, Answers]]:
    """The questionnaires that were answered; those that were not are not sent."""
    if triage.pre_triage_sieve:
        yield PRE_TRIAGE_SIEVE, _sieve_answers(triage.pre_triage_sieve)
    if triage.nature_of_call:
        yield NATURE_OF_CALL_QUESTIONS, {NATURE_OF_CALL: triage.nature_of_call.code}


def questionnaire_fields(questionnaire: Questionnaire) -> Json:
    """Elements of the Questionnaire, as published; its url is what the response names (APP6-QST-01)."""
    return {
        "url": questionnaire.url,
        "identifier": [{"value": questionnaire.identifier}],
        "version": VERSION,
        "name": questionnaire.name,
        "title": questionnaire.title,
        "status": "active",
        "date": questionnaire.revised,
        "publisher": PUBLISHER,
        "description": f"{questionnaire.name} Questionnaire for CAD-to-CAD",
        "item": [_question(question, questionnaire) for question in questionnaire.questions],
    }


def response_fields(questionnaire: Questionnaire, answers: Answers, people: People) -> Json:
    """Elements of the QuestionnaireResponse (APP6-QST-04, APP6-QST-05).

    Raises KeyError for an answer that is none of the question's own (APP6-QST-02).
    """
    return {
        "extension": [{"url": RESPONSE_REASON, "valueCodeableConcept": {"text": questionnaire.reason}}],
        "questionnaire": questionnaire.url,
        "status": "completed",
        "subject": reference(people.patient),
        "encounter": reference(people.encounter),
        "author": reference(people.practitioner),
        "item": [
            {
                "linkId": question.link_id,
                "text": question.text,
                "answer": [{"valueCoding": _answer(question, answers[question.link_id])}],
            }
            for question in questionnaire.questions
            if question.link_id in answers
        ],
    }


def _question(question: Question, questionnaire: Questionnaire) -> Json:
    return filled(
        {
            "linkId": question.link_id,
            "text": question.text,
            "type": "choice",
            "enableWhen": _condition(question, questionnaire),
            "required": question.required,
            "answerOption": [{"valueCoding": _answer(question, code)} for code in question.answers],
        }
    )


def _condition(question: Question, questionnaire: Questionnaire) -> list[Json] | None:
    if question.only_if is None:
        return None
    link_id, code = question.only_if
    other = next(one for one in questionnaire.questions if one.link_id == link_id)
    return [{"question": link_id, "operator": "=", "answerCoding": _answer(other, code)}]


def _answer(question: Question, code: str) -> Json:
    display = question.answers[code]
    return coding(question.system, code, display) if question.system else {"code": code, "display": display}


def _sieve_answers(sieve: PreTriageSieve) -> Answers:
    said = {BREATHING: sieve.breathing, CONSCIOUS: sieve.conscious, NOISY_BREATHING: sieve.noisy_breathing}
    return {link_id: _code_for(link_id, answer) for link_id, answer in said.items() if answer is not None}


def _code_for(link_id: str, answer: bool) -> str:
    return next(code for code, said in SIEVE_CODES[link_id].items() if said is answer)
