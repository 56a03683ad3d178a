"""The two national questionnaires of CAD to CAD: pre-triage sieve (PTS) and nature of call (NOC).

Only these questions, answers and codes are sent (APP6-QST-02). They are facts of the standard, typed once. The
published Questionnaires give no `url`, though answers refer to one, and no system where a question depends on an
answer, so that it never matches (defects S20): both are filled in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cad_bridge.fhir.codes import FHIR_NHS, SNOMED

RESPONSE_REASON: Final = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-reason"
"""The extension that says which questionnaire an answer belongs to (APP6-QST-04)."""

BREATHING: Final = "0"
CONSCIOUS: Final = "1"
NOISY_BREATHING: Final = "2"
NATURE_OF_CALL: Final = "0"
"""linkIds of the questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question and the answers it allows."""

    link_id: str
    text: str
    required: bool
    system: str | None
    """Code system of the answers; the nature of call codes have none."""
    answers: dict[str, str]
    """Display by code."""
    only_if: tuple[str, str] | None = None
    """linkId of another question and the code that must be its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questionnaire:
    """One questionnaire as published."""

    name: str
    title: str
    reason: str
    """What a response calls it."""
    identifier: str
    revised: datetime
    questions: tuple[Question, ...]

    @property
    def url(self) -> str:
        """The canonical URL that responses refer to."""
        return f"{FHIR_NHS}/Questionnaire/{self.name}"


PRE_TRIAGE_SIEVE: Final = Questionnaire(
    name="PTS",
    title="Pre Triage Sieve Questionnaire",
    reason="Pre Triage Sieve",
    identifier="76b4622b-2b8b-4f24-aee5-2631c7695594",
    revised=datetime(2023, 12, 19, 14, tzinfo=UTC),
    questions=(
        Question(
            link_id=BREATHING,
            text="Is the patient breathing?",
            required=True,
            system=SNOMED,
            answers={"78064003": "Breathing (observable entity)", "1023001": "Not Breathing (finding)"},
        ),
        Question(
            link_id=CONSCIOUS,
            text="Is the patient awake (conscious)?",
            required=False,
            system=SNOMED,
            answers={
                "428913001": "No loss of consciousness (situation)",
                "419045004": "Loss of consciousness (finding)",
            },
            only_if=(BREATHING, "78064003"),
        ),
        Question(
            link_id=NOISY_BREATHING,
            text="Is their breathing noisy?",
            required=False,
            system=SNOMED,
            # the guide's table prints two codes for "no"; 248573009 there would invert the answer.
            answers={"248573009": "Noisy respiration (finding)", "48348007": "Normal breath sounds (finding)"},
            only_if=(BREATHING, "78064003"),
        ),
    ),
)

SIEVE_CODES: Final = {
    BREATHING: {"78064003": True, "1023001": False},
    CONSCIOUS: {"428913001": True, "419045004": False},
    NOISY_BREATHING: {"248573009": True, "48348007": False},
}
"""What each answer of the sieve says to its question, yes or no."""

NATURE_OF_CALL_DISPLAYS: Final = {
    "CHOM": "Choking",
    "DAHM": "Dangerous Haemorrhage",
    "DROM": "Drowning",
    "FINM": "Fitting now",
    "HANM": "Hanging",
    "HI1M": "HCP /IFT C1",
    "INBM": "Ineffective Breathing",
    "MATM": "Major Trauma",
    "MACM": "Maternity Complications",
    "MEUM": "Medical (unconscious)",
    "SARM": "Severe Allergic Reaction",
    "TRUM": "Trauma (unconcious)",
    "ANAP": "Anaphylaxis (potential)",
    "AP1P": "Arrest/ Peri Arrest (Cat1)",
    "ALTP": "Asthma (life threatening)",
    "CHOP": "Choking",
    "DROP": "Drowning",
    "FINP": "Fitting Now",
    "HANP": "Hanging",
    "HI1P": "HCP/IFT C1",
    "OBEP": "Obstetric Emergency",
    "5SHP": "Under 5 Severe Haemorrhage",
    "16UP": "Under 16 unconscious",
    "UNPP": "Unconscious pregnant > 20 weeks",
}
"""All 24 as published, spelling included: AMPDS (ending in M), then NHS Pathways (ending in P) (APP6-QST-03)."""

NATURE_OF_CALL_QUESTIONS: Final = Questionnaire(
    name="NOC",
    title="Nature of Call Questionnaire",
    reason="Nature of Call",
    identifier="bf28a7e8-ae92-4e86-8c0f-ac3144f81bf6",
    revised=datetime(2023, 12, 20, 14, tzinfo=UTC),
    questions=(
        Question(
            link_id=NATURE_OF_CALL,
            text="What is the nature of call?",
            required=True,
            system=None,
            answers=NATURE_OF_CALL_DISPLAYS,
        ),
    ),
)

QUESTIONNAIRES: Final = (PRE_TRIAGE_SIEVE, NATURE_OF_CALL_QUESTIONS)
VERSION: Final = "0.1"
PUBLISHER: Final = "NHSE - BaRS"
