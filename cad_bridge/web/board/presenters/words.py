"""Plain English for what the service keeps as codes. What is not listed is shown as its code, never guessed."""

from __future__ import annotations

from cad_bridge.workflow.vocabulary import Side

SIDES = {Side.REQUESTER: "We asked", Side.RESPONDER: "We were asked"}

USE_CASES = {
    "a3t1": "Category 5 referral",
    "a4t1": "Clinical validation",
    "a4t2": "Falls lifting validation",
    "a4t3": "Community (2-hour) validation",
    "a6t1": "Out of area",
    "a6t2": "Call assist",
    "a6t3": "Mutual aid",
}
"""Our own words: the displays of the BaRS code list are metadata and not for users (CORE-CN-11)."""

ASKED = {
    "a3t1": "Call the patient back and take the case over; no ambulance is asked for.",
    "a4t1": "Validate the ambulance response: call the patient, then say whether an ambulance is still needed.",
    "a4t2": "Lift the patient, or say that an ambulance is still needed.",
    "a4t3": "Respond within 2 hours, or say that an ambulance is still needed.",
    "a6t1": "Take the case over: the incident is in your area.",
    "a6t2": "Send a resource: the home service has none.",
    "a6t3": "Send the resource that is named, for one patient.",
}


ESCALATIONS = {
    "breach": ("Breach time passed", "Dispatch now, on the original triage."),
    "rejected": ("Sent back to us", "{other} will not or cannot do it. Dispatch, or decide anew."),
    "contradictory-final": (
        "The answer contradicts itself",
        "Treat the case as needing an ambulance until somebody has decided; phone {other}.",
    ),
    "priority-raised": ("A late answer raises the priority", "Upgrade the response that is going, or dispatch now."),
    "second-case": (
        "A late answer names a second CAD case",
        "{other} has raised it over ITK for the same patient: merge the two, so that one ambulance goes.",
    ),
    "undeliverable": ("Could not be delivered", "The case never left us: dispatch, or hand over by phone."),
    "delivery-unknown": ("Not known whether it arrived", "Keep the case on dispatch. It is still being sent."),
    "dispatch-overdue": ("Nothing dispatched in time", "Dispatch now, or close the case with the CAD."),
    "intake-overdue": ("Nobody has accepted the case", "Accept it or send it back: we hold the duty."),
    "review-overdue": ("No hub review in time", "The clinical hub must look now: the breach time does not wait."),
    "answer-overdue": ("No answer in time", "Phone {other}, or dispatch: the case is ours until they accept."),
    "status-overdue": ("No news in time", "Phone {other} and ask how the case stands."),
    "callback-overdue": ("The patient was not called back in time", "Call the patient now."),
    "cancellation-refused": ("Our cancellation was not taken", "{other} may still be working on the case: phone them."),
    "update-refused": ("Our update was not taken", "{other} works on what it had before: phone them."),
    "response-undeliverable": ("Our answer could not be delivered", "Phone {other} with the outcome."),
    "unrecognised-response": (
        "A response from a service that was not asked",
        "It changed nothing. Find out with {other} who answered.",
    ),
    "mismatched-message": (
        "A message that does not fit this case",
        "It was refused and changed nothing. Ask the service it came from which case was meant.",
    ),
    "forbidden-refusal": (
        "{other} seems not to want the case",
        "It may not refuse an out of area case. Phone them: make sure that somebody dispatches.",
    ),
    "safeguarding-feedback": (
        "Safeguarding feedback",
        "The patient did not attend. Follow your safeguarding procedure.",
    ),
}
"""Why a person has to look, and what to do about it."""

MESSAGES = {
    "request": "Request",
    "update": "Update of the request",
    "cancellation": "Cancellation",
    "interim": "Interim response: consultation started",
    "rejection": "Response: sent back",
    "final": "Final response",
    "status": "Status",
    "refusal": "Refusal",
    "unrecognised-response": "Response from a service that was not asked",
    "mismatched-message": "Message that does not fit this case: refused",
}

MISMATCHES = {
    "another-patient": "it names another patient",
    "another-service": "it comes from a service that did not send us this case",
    "several-cases": "it may mean several of our cases",
}

DEADLINES = {
    "breach": "Validation breach: the failsafe takes the case back",
    "dispatch": "Dispatch by: else it escalates",
    "delivery": "Delivery known by: else it escalates",
    "intake": "Accepted by: else it escalates",
    "review": "Reviewed by the clinical hub by: else it escalates",
    "answer": "Answered by: else it escalates",
    "status": "Next status by: else it escalates",
    "callback": "Patient called back by: else it escalates",
    "acknowledgement": "Escalation acknowledged by: else it is raised again",
}

OUTBOX = {
    "pending": "on its way",
    "delivered": "delivered",
    "refused": "not taken",
    "withdrawn": "taken back before it was sent",
}
TRIES = {
    "delivered": "taken",
    "duplicate": "had been taken at an earlier try",
    "retry": "not taken now, tried again",
    "renew-token": "access being renewed, tried again",
    "conflict": "not taken: the case has changed there",
    "refused": "not taken",
}

ARP = {
    "C1": "life-threatening",
    "C2": "emergency",
    "C3": "urgent",
    "C4": "less urgent",
    "C4T": "less urgent, transport",
    "C5": "no ambulance",
}


def arp_words(code: str) -> str:
    """What a category means: HCP3 and IFT3 as C3. Empty for a code that is not known."""
    return ARP.get(code.replace("HCP", "C").replace("IFT", "C"), "")


def spoken(name: str) -> str:
    """A field's name as a label: ``household_composition`` becomes ``Household composition``."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] if words else "Unnamed"
