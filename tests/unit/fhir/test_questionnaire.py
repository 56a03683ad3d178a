"""Pre-triage sieve and nature of call: the national questions and codes, sent and read."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from cad_bridge.fhir.build_clinical import People
from cad_bridge.fhir.build_questionnaire import response_fields
from cad_bridge.fhir.content import ReceivedRequest
from cad_bridge.fhir.content_triage import PreTriageSieve
from cad_bridge.fhir.content_types import Code
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.questionnaires import NATURE_OF_CALL_DISPLAYS, NATURE_OF_CALL_QUESTIONS, PRE_TRIAGE_SIEVE
from cad_bridge.fhir.read_request import read_request
from tests.contents import Json, resources, target
from tests.referral_contents import built, early, mutual_aid
from tests.shared_material import SHARED, needs_shared

SNOMED = "http://snomed.info/sct"
ASKED = {"pre_triage_sieve": {"breathing": True, "conscious": False, "noisy_breathing": False}}
MESSAGE = built(early(triage=ASKED | {"nature_of_call": {"code": "16UP"}}))
PEOPLE = People("urn:uuid:p", "urn:uuid:e", "urn:uuid:c")


@pytest.fixture
def bundle() -> Json:
    return copy.deepcopy(MESSAGE)


def response(bundle: Json, name: str) -> Json:
    found = resources(bundle, "QuestionnaireResponse")
    return next(one for one in found if one["questionnaire"].endswith(name))


def questionnaire(bundle: Json, name: str) -> Json:
    return next(one for one in resources(bundle, "Questionnaire") if one["name"] == name)


def answers(one: Json) -> dict[str, Json]:
    return {item["linkId"]: item["answer"][0]["valueCoding"] for item in one["item"]}


def read(bundle: Json) -> tuple[ReceivedRequest, list[Issue]]:
    return read_request(bundle)


def rules(issues: list[Issue]) -> set[str]:
    """Rules of this module's concern."""
    return {issue.rule for issue in issues if issue.rule.startswith("APP6-QST") or issue.rule in {"S21", "S22"}}


# --- sent ------------------------------------------------------------------------------------------------------------
@pytest.mark.req("APP6-QST-01", "APP6-QST-04")
@pytest.mark.parametrize(("name", "reason"), [("PTS", "Pre Triage Sieve"), ("NOC", "Nature of Call")])
def test_answers_go_with_the_questions_that_they_name(name: str, reason: str) -> None:
    asked, said = questionnaire(MESSAGE, name), response(MESSAGE, name)

    assert said["questionnaire"] == asked["url"] == f"https://fhir.nhs.uk/Questionnaire/{name}"
    assert said["extension"] == [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-reason",
            "valueCodeableConcept": {"text": reason},
        }
    ]
    assert said["status"] == "completed"
    assert target(MESSAGE, said["subject"])["resourceType"] == "Patient"
    assert target(MESSAGE, said["encounter"])["resourceType"] == "Encounter"
    assert target(MESSAGE, said["author"])["resourceType"] == "Practitioner"


@pytest.mark.req("APP6-QST-02", "APP6-QST-05")
@pytest.mark.parametrize("name", ["PTS", "NOC"])
def test_every_answer_is_one_of_its_question(name: str) -> None:
    options = {
        item["linkId"]: [option["valueCoding"] for option in item["answerOption"]]
        for item in questionnaire(MESSAGE, name)["item"]
    }
    texts = {item["linkId"]: item["text"] for item in questionnaire(MESSAGE, name)["item"]}

    said = answers(response(MESSAGE, name))
    assert all(coding in options[link_id] for link_id, coding in said.items())
    assert {item["linkId"]: item["text"] for item in response(MESSAGE, name)["item"]} == {
        link_id: texts[link_id] for link_id in said
    }


@pytest.mark.req("APP6-QST-07")
@pytest.mark.parametrize(
    ("sieve", "said"),
    [
        ({"breathing": False}, {"0": "1023001"}),
        ({"breathing": True}, {"0": "78064003"}),
        ({"breathing": True, "conscious": True}, {"0": "78064003", "1": "428913001"}),
        ({"breathing": True, "conscious": False}, {"0": "78064003", "1": "419045004"}),
        ({"breathing": True, "noisy_breathing": True}, {"0": "78064003", "2": "248573009"}),
        ({"breathing": True, "noisy_breathing": False}, {"0": "78064003", "2": "48348007"}),
    ],
)
def test_each_answer_of_the_sieve_has_its_own_code(sieve: Json, said: dict[str, str]) -> None:
    found = answers(response(built(early(triage={"pre_triage_sieve": sieve})), "PTS"))

    assert {link_id: coding["code"] for link_id, coding in found.items()} == said
    assert {coding["system"] for coding in found.values()} == {SNOMED}


@pytest.mark.req("APP6-QST-06")
def test_later_questions_depend_on_the_first_by_the_very_coding_that_answers_it() -> None:
    first, *later = questionnaire(MESSAGE, "PTS")["item"]
    breathing = first["answerOption"][0]["valueCoding"]

    assert "enableWhen" not in first
    assert [item["enableWhen"] for item in later] == [
        [{"question": "0", "operator": "=", "answerCoding": breathing}]
    ] * 2
    assert answers(response(MESSAGE, "PTS"))["0"] == breathing


def test_what_was_not_asked_is_not_sent() -> None:
    assert resources(built(early(triage={})), "Questionnaire") == []
    assert resources(built(early(triage={})), "QuestionnaireResponse") == []


@pytest.mark.req("APP6-QST-02")
@pytest.mark.parametrize("asked", [PRE_TRIAGE_SIEVE, NATURE_OF_CALL_QUESTIONS])
def test_a_code_of_another_list_cannot_be_sent(asked: Any) -> None:
    with pytest.raises(KeyError):
        response_fields(asked, {"0": "LOCAL"}, PEOPLE)


# --- read ------------------------------------------------------------------------------------------------------------
@pytest.mark.req("APP6-QST-03")
@pytest.mark.parametrize("code", NATURE_OF_CALL_DISPLAYS)
def test_all_codes_of_both_triage_systems_are_read_with_their_words(code: str) -> None:
    content, issues = read(built(early(triage={"nature_of_call": {"code": code}})))

    assert content.triage.nature_of_call == Code(code=code, display=NATURE_OF_CALL_DISPLAYS[code])
    assert rules(issues) == set()


def test_there_are_twelve_codes_of_each_triage_system() -> None:
    assert [sum(code.endswith(letter) for code in NATURE_OF_CALL_DISPLAYS) for letter in "MP"] == [12, 12]


@pytest.mark.req("APP6-QST-03")
def test_codes_are_read_without_systems_and_with_other_question_texts(bundle: Json) -> None:
    for one in resources(bundle, "QuestionnaireResponse"):
        for item in one["item"]:
            item["text"] = "Is the patient breathing?" if one["questionnaire"].endswith("PTS") else "nature of call??"
            item["answer"][0]["valueCoding"].pop("system", None)
    content, issues = read(bundle)

    assert content.triage.pre_triage_sieve == PreTriageSieve(breathing=True, conscious=False, noisy_breathing=False)
    assert content.triage.nature_of_call == Code(code="16UP", display="Under 16 unconscious")
    assert rules(issues) == set()


@pytest.mark.req("APP6-QST-08")
def test_a_nature_of_call_outside_the_list_is_shown_as_sent_with_an_issue(bundle: Json) -> None:
    response(bundle, "NOC")["item"][0]["answer"][0]["valueCoding"] = {"code": "XX9X", "display": "Local thing"}
    content, issues = read(bundle)

    assert content.triage.nature_of_call == Code(code="XX9X", display="Local thing")
    assert rules(issues) == {"APP6-QST-08"}


@pytest.mark.req("APP6-QST-08")
def test_an_answer_outside_the_sieve_is_not_interpreted_and_not_lost(bundle: Json) -> None:
    response(bundle, "PTS")["item"][1]["answer"][0]["valueCoding"] = {"code": "1", "display": "Drowsy"}
    content, issues = read(bundle)

    assert content.triage.pre_triage_sieve == PreTriageSieve(breathing=True, noisy_breathing=False)
    assert "Drowsy" in {one.value for one in content.also_sent}
    assert rules(issues) == {"APP6-QST-08"}


@pytest.mark.req("APP6-QST-07")
@pytest.mark.parametrize(
    ("code", "display"),
    [("248573009", "Normal breath sounds"), ("48348007", "Noisy respiration (finding)")],
)
def test_a_code_that_its_display_contradicts_is_believed_neither_way(bundle: Json, code: str, display: str) -> None:
    response(bundle, "PTS")["item"][2]["answer"][0]["valueCoding"] = {"code": code, "display": display}
    content, issues = read(bundle)

    assert content.triage.pre_triage_sieve == PreTriageSieve(breathing=True, conscious=False)
    assert {code, display} <= {one.value for one in content.also_sent}
    assert rules(issues) == {"APP6-QST-07"}


@pytest.mark.req("APP6-QST-06")
def test_answers_for_a_patient_who_does_not_breathe_are_shown_with_an_issue(bundle: Json) -> None:
    response(bundle, "PTS")["item"][0]["answer"][0]["valueCoding"] = {"code": "1023001"}
    content, issues = read(bundle)

    assert content.triage.pre_triage_sieve == PreTriageSieve(breathing=False, conscious=False, noisy_breathing=False)
    assert rules(issues) == {"S21"}


def test_a_response_without_its_canonical_is_known_by_its_reason(bundle: Json) -> None:
    for one in resources(bundle, "QuestionnaireResponse"):
        del one["questionnaire"]
    content, _ = read(bundle)

    assert content.triage.pre_triage_sieve is not None
    assert content.triage.nature_of_call is not None


def test_two_answers_to_one_question_are_believed_neither(bundle: Json) -> None:
    first = response(bundle, "PTS")["item"][0]["answer"]
    first.append({"valueCoding": {"code": "1023001", "display": "Not Breathing (finding)"}})
    content, issues = read(bundle)

    assert content.triage.pre_triage_sieve == PreTriageSieve(conscious=False, noisy_breathing=False)
    assert rules(issues) == {"APP6-QST-05"}
    assert "Not Breathing (finding)" in {one.value for one in content.also_sent}


def test_the_same_questions_answered_again_are_kept_beside_the_first(bundle: Json) -> None:
    again = copy.deepcopy(response(bundle, "NOC"))
    again["item"][0]["answer"][0]["valueCoding"] = {"code": "CHOM", "display": "Choking"}
    bundle["entry"].append({"fullUrl": "urn:uuid:again", "resource": again})
    content, issues = read(bundle)

    assert content.triage.nature_of_call == Code(code="16UP", display="Under 16 unconscious")
    assert [one["resourceType"] for one in content.other_resources] == ["QuestionnaireResponse"]
    assert rules(issues) == {"APP6-QST-01"}


@pytest.mark.req("APP6-QST-02")
def test_a_local_questionnaire_is_shown_as_sent_with_an_issue(bundle: Json) -> None:
    questionnaire(bundle, "NOC")["item"][0]["answerOption"].append({"valueCoding": {"code": "L1", "display": "Local"}})
    content, issues = read(bundle)

    assert [one["resourceType"] for one in content.other_resources] == ["Questionnaire"]
    assert rules(issues) == {"APP6-QST-02"}


def test_an_answer_that_was_withdrawn_is_gone(bundle: Json) -> None:
    response(bundle, "NOC")["status"] = "entered-in-error"
    content, _ = read(bundle)

    assert content.triage.nature_of_call is None


def test_cpr_on_a_patient_who_is_said_to_breathe_raises_an_issue() -> None:
    breathing = {"pre_triage_sieve": {"breathing": True}, "arp": "C1"}
    content, issues = read(built(mutual_aid(triage=breathing)))

    assert content.timings.cpr_start is not None
    assert rules(issues) == {"S22"}
    assert rules(read(built(mutual_aid()))[1]) == set()


# --- as published ----------------------------------------------------------------------------------------------------
@needs_shared
@pytest.mark.shared
@pytest.mark.req("APP6-QST-02", "APP6-QST-07")
@pytest.mark.parametrize("name", ["PTS", "NOC"])
def test_questions_and_answers_are_those_of_the_published_questionnaires(name: str) -> None:
    folder = SHARED / "bars" / "examples" / "resources"
    published = orjson.loads((folder / f"questionnaire-{name.lower()}.json").read_bytes())
    ours = questionnaire(MESSAGE, name)

    for element in ("identifier", "version", "name", "title", "status", "date", "publisher", "description"):
        assert ours[element] == published[element]
    assert [_asked(item) for item in ours["item"]] == [_asked(item) for item in published["item"]]


def _asked(item: Json) -> Json:
    """A question without what the published one lacks: the system of an answer that it depends on."""
    codings = [option["valueCoding"] for option in item["answerOption"]]
    return {
        "asks": (item["linkId"], item["text"], item["type"], item["required"]),
        "answers": [(one.get("system"), one["code"], one["display"].strip()) for one in codings],
        "depends": [(one["question"], one["answerCoding"]["code"]) for one in item.get("enableWhen", [])],
    }
