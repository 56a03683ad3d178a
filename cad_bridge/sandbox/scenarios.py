"""What the simulated systems do in the demo, by case number."""

from __future__ import annotations

from collections.abc import Mapping

from . import plans
from .actions import Outcome
from .plans import Plan, Rule, Script

DEMO_CAS_PLANS: Mapping[str, Plan] = {
    "no-dispatch": plans.complete(Outcome.HEAR_AND_TREAT, start_after=1.5, consult=3.0),
    "upgrade": plans.upgrade(arp="C2", start_after=2.0, consult=4.0),
    "rejection": plans.reject("OTH", "No answer on either number after three attempts", after=3.5),
    "breach": plans.silent(),
    "downgrade": plans.complete(Outcome.DOWNGRADE),
    "unchanged": plans.complete(Outcome.SAME),
    "c1": plans.complete(Outcome.C1),
    "onward-referral": plans.complete(Outcome.ONWARD_REFERRAL),
    "patient-lifted": plans.complete(Outcome.PATIENT_LIFTED),
    "late": plans.late_final(Outcome.HEAR_AND_TREAT, after_breach=2.0),
    "contradiction": plans.two_finals(Outcome.HEAR_AND_TREAT, Outcome.SAME),
    "out-of-order": plans.final_before_interim(),
    "early-response": plans.response_before_acknowledgement(),
}
"""By story."""

DEMO_AST_PLANS: Mapping[str, Plan] = {
    "out-of-area": plans.attend(after=4.0),
    "call-assist": plans.attend(after=2.5),
    "mutual-aid": plans.decline("RRNA", "Two crews on duty, both committed for the next hour", after=3.0),
    "stand-down": plans.stand_down(after=2.0),
}
"""By story."""

STORY_MARKS: Mapping[str, str] = {
    "no-dispatch": "ND",
    "upgrade": "UP",
    "rejection": "RJ",
    "breach": "BR",
    "downgrade": "DG",
    "unchanged": "UC",
    "c1": "C1",
    "onward-referral": "OR",
    "patient-lifted": "PL",
    "late": "LT",
    "contradiction": "CT",
    "out-of-order": "OO",
    "early-response": "ER",
    "out-of-area": "OA",
    "call-assist": "CA",
    "mutual-aid": "MA",
    "stand-down": "SD",
}
"""The two letters in a case number (`YAS-20261121-ND0042`) that say which story it belongs to."""


def case_number(story: str, *, organisation: str, day: str, serial: int) -> str:
    """The case number under which a simulated system knows a story. Raises KeyError for an unknown story."""
    return f"{organisation}-{day}-{STORY_MARKS[story]}{serial:04d}"


def demo_cas_script() -> Script:
    """Plans by the mark in the case number; a case without one is validated and needs no ambulance."""
    return Script(plans.complete(Outcome.HEAR_AND_TREAT), *_rules(DEMO_CAS_PLANS))


def demo_ast_script() -> Script:
    """Plans by the mark in the case number; a case without one is attended."""
    return Script(plans.attend(), *_rules(DEMO_AST_PLANS))


def _rules(by_story: Mapping[str, Plan]) -> list[Rule]:
    return [Rule(plan, case_number=f"*-{STORY_MARKS[story]}[0-9]*") for story, plan in by_story.items()]
