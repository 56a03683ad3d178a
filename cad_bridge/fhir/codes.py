"""Code systems, codes and displays of BaRS messages. Facts of the standard, typed once."""

from __future__ import annotations

from typing import Final

from cad_bridge.fhir import systems

FHIR_NHS: Final = "https://fhir.nhs.uk"
UKCORE: Final = "https://fhir.hl7.org.uk"

# --- profiles and extensions -------------------------------------------------------------------------------------
BUNDLE_PROFILE: Final = f"{FHIR_NHS}/StructureDefinition/BARSBundleMessage"
HEADER_REQUEST_PROFILE: Final = f"{FHIR_NHS}/StructureDefinition/BARSMessageHeader-servicerequest-request"
HEADER_RESPONSE_PROFILE: Final = f"{FHIR_NHS}/StructureDefinition/BARSMessageHeader-servicerequest-response"
SERVICE_REQUEST_VALIDATION_PROFILE: Final = f"{FHIR_NHS}/StructureDefinition/BARSServiceRequest-request-validation"
SERVICE_REQUEST_REFERRAL_PROFILE: Final = f"{FHIR_NHS}/StructureDefinition/BARSServiceRequest-request-referral"
SCENE_SAFETY_PROFILE: Final = f"{FHIR_NHS}/StructureDefinition/BARSFlag-scene-safety"
INCIDENT_LOCATION_PROFILE: Final = f"{UKCORE}/StructureDefinition/BARSLocation-incident-location"
FLAG_PROFILE: Final = "http://hl7.org/fhir/StructureDefinition/Flag"

CDSS_EXTENSION: Final = f"{FHIR_NHS}/StructureDefinition/CDSSExtension"
CDSS_SOFTWARE: Final = "RequesterCDSSsoftware"
CDSS_VERSION: Final = "RequesterCDSSversion"
LOCATION_EXTENSION: Final = f"{FHIR_NHS}/StructureDefinition/LocationExtension"
CONTACT_RANK_EXTENSION: Final = f"{UKCORE}/StructureDefinition/Extension-UKCore-ContactRank"
CONTACT_PREFERENCE_EXTENSION: Final = f"{UKCORE}/StructureDefinition/Extension-UKCore-ContactPreference"
ETHNIC_CATEGORY_EXTENSION: Final = f"{UKCORE}/StructureDefinition/Extension-UKCore-EthnicCategory"
NHS_NUMBER_VERIFICATION_EXTENSION: Final = f"{UKCORE}/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
RESIDENTIAL_STATUS_EXTENSION: Final = f"{UKCORE}/StructureDefinition/Extension-UKCore-ResidentialStatus"
INTERPRETER_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"


def ukcore_profile(resource_type: str) -> str:
    """The UK Core profile that BaRS cites for a resource type."""
    return f"{UKCORE}/StructureDefinition/UKCore-{resource_type}"


# --- message -------------------------------------------------------------------------------------------------------
EVENTS: Final = systems.MESSAGE_EVENT
EVENT_REQUEST: Final = "servicerequest-request"
EVENT_RESPONSE: Final = "servicerequest-response"
REASONS: Final = systems.MESSAGE_REASON
REASON_DISPLAYS: Final = {"new": "New", "update": "Update", "delete": "Delete"}
MESSAGE_CATEGORIES: Final = systems.MESSAGE_CATEGORY
MESSAGE_CATEGORY_DISPLAYS: Final = {"validation": "For Validation", "referral": "Transfer of Care"}
USE_CASES: Final = systems.USE_CASE
USE_CASE_DISPLAYS: Final = {
    "a3t1": "999 - CAS Referral",
    "a4t1": "999 - CAS Validation",
    "a4t2": "999 - Falls",
    "a4t3": "999 - Community Services",
    "a6t1": "CAD to CAD Out of Area Referral",
    "a6t2": "CAD to CAD Call Assist Request",
    "a6t3": "CAD to CAD Mutual Aid Request",
}

DEFINITION_BASE: Final = f"{FHIR_NHS}/MessageDefinition/bars-message-servicerequest"
DEFINITION_REQUEST_VALIDATION: Final = f"{DEFINITION_BASE}-request-validation"
DEFINITION_REQUEST_REFERRAL: Final = f"{DEFINITION_BASE}-request-referral"
DEFINITION_REQUEST_CANCELLED: Final = f"{DEFINITION_BASE}-request-cancelled"
DEFINITION_RESPONSE_INTERIM: Final = f"{DEFINITION_BASE}-response-validation-interim"
DEFINITION_RESPONSE_FULL: Final = f"{DEFINITION_BASE}-response-validation-full"
DEFINITION_RESPONSE_SHORT: Final = f"{DEFINITION_BASE}-response-referral-short"

# --- identifiers ---------------------------------------------------------------------------------------------------
DOS_SERVICE_ID: Final = systems.SERVICE_ID
ODS_CODE: Final = systems.ODS_CODE
NHS_NUMBER: Final = systems.NHS_NUMBER
SDS_ROLE_PROFILE: Final = systems.SDS_ROLE_PROFILE
ITK_CAD_ID: Final = "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.20"
"""Identifier system of the CAD id that an ITK Ambulance Request acknowledgement returns (APP4-VS-22)."""

# --- encounter -----------------------------------------------------------------------------------------------------
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ENCOUNTER_REASONS: Final = f"{FHIR_NHS}/CodeSystem/message-reason-encounter"
VALIDATION_OUTCOME: Final = "validation-triage-outcome"
VALIDATION_OUTCOME_DISPLAY: Final = "Validation of triage outcome"
REJECTED_REASONS: Final = systems.REJECTED_REASON
REJECTED_REASON_DISPLAYS: Final = {
    "RRNA": "Requested resource not available within timescale",
    "OTH": "Other",
    "FC": "Failed Contact",
}
PARTICIPATION_TYPE: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"

# --- triage --------------------------------------------------------------------------------------------------------
PATHWAYS_SG: Final = f"{FHIR_NHS}/CodeSystem/pathways-sg-codes"
PATHWAYS_SD: Final = f"{FHIR_NHS}/CodeSystem/pathways-sd-codes"
PATHWAYS_DX: Final = f"{FHIR_NHS}/CodeSystem/pathways-dx-codes"
PATHWAYS_TEMPLATE: Final = f"{FHIR_NHS}/CodeSystem/pathways-pathway-codes"
AMPDS: Final = f"{FHIR_NHS}/CodeSystem/ampds-dispatch-codes"
ARP: Final = systems.ARP_PRIORITY
RESPONSE_OUTCOMES: Final = f"{FHIR_NHS}/CodeSystem/response-outcome-codes"
RESPONSE_OUTCOME_DISPLAYS: Final = {"PATLIFT": "Patient has been lifted"}

TRIAGE_SYSTEM_ALIASES: Final = {
    f"{FHIR_NHS}/Id/pathways-sg-code": PATHWAYS_SG,
    f"{FHIR_NHS}/Id/pathways-sd-code": PATHWAYS_SD,
    f"{FHIR_NHS}/Id/pathways-dx-code": PATHWAYS_DX,
    f"{FHIR_NHS}/Id/pathways-arp-code": ARP,
    f"{FHIR_NHS}/Id/ampds-code": AMPDS,
    f"{FHIR_NHS}/CodeSystem/sg-codes": PATHWAYS_SG,
    f"{FHIR_NHS}/CodeSystem/sd-codes": PATHWAYS_SD,
    f"{FHIR_NHS}/CodeSystem/dx-codes": PATHWAYS_DX,
}
"""Spellings of the payload tables (X-42): understood when received, never sent."""

ARP_DISPLAYS: Final = {
    "C1": "Cat1 Life Threatening",
    "C2": "Cat2 Emergency",
    "C3": "Cat3 Urgent",
    "C4": "Cat4 Less Urgent",
    "C4T": "Cat4 Less Urgent - transport",
    "C5": "Non Ambulance",
    "HCP1": "HCP1 Life Threatening",
    "HCP2": "HCP2 Emergency",
    "HCP3": "HCP3 Urgent",
    "HCP4": "HCP4 Less Urgent",
    "HCP4T": "HCP4 Less Urgent - transport",
    "IFT1": "IFT1 Life Threatening",
    "IFT2": "IFT2 Emergency",
    "IFT3": "IFT3 Urgent",
    "IFT4": "IFT4 Less Urgent",
}
ARP_WIRE_CODES: Final = {"HCP4T": "HP4T"}
"""The code system prints HCP4T as HP4T: that is what goes on the wire; both are understood."""

# --- patient -------------------------------------------------------------------------------------------------------
NHS_NUMBER_VERIFICATION: Final = f"{UKCORE}/CodeSystem/UKCore-NHSNumberVerificationStatus"
NHS_NUMBER_VERIFICATION_DISPLAYS: Final = {
    "number-present-and-verified": "Number present and verified",
    "number-present-but-not-traced": "Number present but not traced",
    "trace-required": "Trace required",
    "trace-attempted": "Trace attempted - No match or multiple match found",
    "trace-needs-to-be-resolved": "Trace needs to be resolved - (NHS number or patient detail conflict)",
    "trace-in-progress": "Trace in progress",
    "number-not-present-and-trace-not-required": "Number not present and trace not required",
    "trace-postponed": "Trace postponed (baby under six weeks old)",
    "number-present-and-traced-using-welsh-nhs-ar": "Number present and traced using Welsh NHS AR",
}
NHS_NUMBER_VERIFICATION_ENGLAND: Final = dict(
    zip(("01", "02", "03", "04", "05", "06", "07", "08"), NHS_NUMBER_VERIFICATION_DISPLAYS, strict=False)
)
"""Current UK Core codes for the same statuses. BaRS pins the older code system; both are understood (S11)."""

ETHNIC_CATEGORY: Final = f"{UKCORE}/CodeSystem/UKCore-EthnicCategory"
HUMAN_LANGUAGE: Final = f"{UKCORE}/CodeSystem/UKCore-HumanLanguage"
LANGUAGE_TAGS: Final = "urn:ietf:bcp:47"
"""For languages that UK Core has no code for."""
RESIDENTIAL_STATUS: Final = f"{UKCORE}/CodeSystem/UKCore-ResidentialStatus"
RESIDENTIAL_STATUSES: Final = {"uk-resident": ("H", "UK Resident"), "overseas-resident": ("O", "Overseas Resident")}
PREFERRED_CONTACT_METHOD: Final = f"{UKCORE}/CodeSystem/UKCore-PreferredContactMethod"
PREFERRED_CONTACT_METHODS: Final = {
    "letter": ("1", "Letter"),
    "visit": ("2", "Visit"),
    "telephone": ("3", "Telephone"),
    "e-mail": ("4", "E-mail"),
    "textphone": ("5", "Minicom (Textphone)"),
    "telephone-via-proxy": ("6", "Telephone contact via proxy"),
    "sign-language": ("7", "Sign language"),
    "no-telephone": ("8", "No Telephone contact"),
    "sms": ("9", "SMS"),
}
PREFERRED_WRITTEN_FORMAT: Final = f"{UKCORE}/CodeSystem/UKCore-PreferredWrittenCommunicationFormat"
PREFERRED_WRITTEN_FORMATS: Final = {
    "large-print": ("11", "Large print"),
    "braille": ("12", "Braille"),
    "audio-tape": ("13", "Audio tape"),
}
ADMINISTRATIVE_GENDER_V3: Final = "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender"
NULL_FLAVOR: Final = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
BIRTH_SEXES: Final = {
    "male": (ADMINISTRATIVE_GENDER_V3, "M", "Male"),
    "female": (ADMINISTRATIVE_GENDER_V3, "F", "Female"),
    "undifferentiated": (ADMINISTRATIVE_GENDER_V3, "UN", "Undifferentiated"),
    "unknown": (NULL_FLAVOR, "UNK", "unknown"),
}
UCUM: Final = "http://unitsofmeasure.org"
HOUSEHOLD_COMPOSITION: Final = f"{FHIR_NHS}/CodeSystem/household-composition-bars"
HOUSEHOLD_COMPOSITION_DISPLAYS: Final = {
    "AllHouseholdsWithoutDependentChildren": "All households without dependent children",
    "OnePersonHouseholds": "One person households",
    "OneFamilyHouseholds": "One family households",
    "NoChildren": "No children",
    "NonDependentChildren": "Non dependent children",
    "AllHouseholdsWithDependentChildren": "All households with dependent children",
    "OtherHouseholds": "Other households",
    "LivesAlone": "Lives Alone",
}

# --- location, flags, consent --------------------------------------------------------------------------------------
LOCATION_TYPES: Final = f"{FHIR_NHS}/CodeSystem/location-types-bars"
LOCATION_TYPE_CODES: Final = {
    "incident": ("ILOC", "Incident Location"),
    "caller": ("CLOC", "Caller Location"),
    "rendezvous": ("RLOC", "Rendezvous Location"),
    "other": ("OLOC", "Other Location"),
}
FLAG_CATEGORIES: Final = f"{FHIR_NHS}/CodeSystem/flag-categories-bars"
FLAG_CATEGORY_DISPLAYS: Final = {
    "SG": "Safeguarding Concern",
    "SS": "Scene Safety",
    "RS": "Rejected Services",
    "RA": "Reasonable Adjustment",
    "IR": "Infection Risk",
    "RC": "Repeat Caller",
    "RT": "ReSPECT",
    "AC": "Agency Contacted",
    "API": "Additional Patient Information",
}
SAFEGUARDING: Final = f"{FHIR_NHS}/CodeSystem/safeguarding-codes-bars"
REASONABLE_ADJUSTMENT: Final = f"{FHIR_NHS}/CodeSystem/reasonable-adjustment-codes-bars"
SCENE_SAFETY: Final = f"{FHIR_NHS}/CodeSystem/scene-safety-codes-bars"
SCENE_SAFETY_CODES: Final = {
    "safe": ("S", "The Scene is safe"),
    "unsafe": ("U", "The Scene is unsafe"),
    "unknown": ("UNK", "Unknown"),
}
CONSENT_SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
CONSENT_CATEGORIES: Final = f"{FHIR_NHS}/CodeSystem/consent-categories-bars"
SNOMED: Final = "http://snomed.info/sct"
DMD: Final = "https://dmd.nhs.uk"
PRESENTING_COMPLAINT: Final = "33962009"
CPR: Final = "89666000"

# --- element ids that this system's messages carry and others pass over (docs/content.md) ----------------------------
SUMMARY: Final = "summary"
NARRATIVE: Final = "narrative"
ONWARD_REFERRAL: Final = "onward-referral"
NOTE: Final = "note"
"""They tell the texts of an outcomeCodeableConcept apart."""
REQUESTERS_SYSTEM: Final = "requester"
"""Marks a CDSSExtension that a responder repeats from the request."""
COMPOSED: Final = "composed"
"""Marks an address whose text only repeats its parts (APP-COM-12)."""
WITHDRAWN: Final = "withdrawn"
"""Marks the end of a Flag, and the absent value of an Observation, that was taken back (see `retraction`)."""
NO_LONGER_HOLDS: Final = "No longer holds"
"""What both say to a person."""

# --- CAD to CAD ----------------------------------------------------------------------------------------------------
CALL_LOG_ENTRY: Final = "Call Log Entry"
CREW_NOTE: Final = "Crew Note"
"""Communication.topic.text of the two kinds of log entry."""
RESOURCE_REQUESTED: Final = "resource-requested"
"""Element id of Task.code: the resource that is asked for, and not an action of a clinician's triage."""
HOW_MANY: Final = "Number requested"
"""Task.input.type.text."""
NO_LONGER_ASKED: Final = "No longer requested"
"""Task.businessStatus.text of a Task that was withdrawn."""

# --- relationships of contacts and callers -------------------------------------------------------------------------
ROLE_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
CONTACT_ROLE: Final = "http://terminology.hl7.org/CodeSystem/v2-0131"
ADDITIONAL_RELATIONSHIP: Final = f"{UKCORE}/CodeSystem/UKCore-AdditionalPersonRelationshipRole"
RELATIONSHIPS: Final = {
    "self": (ROLE_CODE, "ONESELF", "self"),
    "unknown": (CONTACT_ROLE, "U", "Unknown"),
    "emergency": (CONTACT_ROLE, "EP", "Emergency contact person"),
    "next of kin": (CONTACT_ROLE, "N", "Next-of-Kin"),
    "contact": (CONTACT_ROLE, "CP", "Contact person"),
    "employer": (CONTACT_ROLE, "E", "Employer"),
    "carer": (ADDITIONAL_RELATIONSHIP, "Carer", "Carer of patient"),
    "guardian": (ADDITIONAL_RELATIONSHIP, "Guardian", "Guardian of patient"),
    "aunt": (ROLE_CODE, "AUNT", "aunt"),
    "brother": (ROLE_CODE, "BRO", "brother"),
    "child": (ROLE_CODE, "CHILD", "child"),
    "cousin": (ROLE_CODE, "COUSN", "cousin"),
    "daughter": (ROLE_CODE, "DAUC", "daughter"),
    "domestic partner": (ROLE_CODE, "DOMPART", "domestic partner"),
    "family member": (ROLE_CODE, "FAMMEMB", "family member"),
    "father": (ROLE_CODE, "FTH", "father"),
    "friend": (ROLE_CODE, "FRND", "unrelated friend"),
    "grandchild": (ROLE_CODE, "GRNDCHILD", "grandchild"),
    "granddaughter": (ROLE_CODE, "GRNDDAU", "granddaughter"),
    "grandfather": (ROLE_CODE, "GRFTH", "grandfather"),
    "grandmother": (ROLE_CODE, "GRMTH", "grandmother"),
    "grandparent": (ROLE_CODE, "GRPRN", "grandparent"),
    "grandson": (ROLE_CODE, "GRNDSON", "grandson"),
    "husband": (ROLE_CODE, "HUSB", "husband"),
    "mother": (ROLE_CODE, "MTH", "mother"),
    "neighbour": (ROLE_CODE, "NBOR", "neighbor"),
    "nephew": (ROLE_CODE, "NEPHEW", "nephew"),
    "niece": (ROLE_CODE, "NIECE", "niece"),
    "parent": (ROLE_CODE, "PRN", "parent"),
    "roommate": (ROLE_CODE, "ROOM", "Roommate"),
    "sibling": (ROLE_CODE, "SIB", "sibling"),
    "sister": (ROLE_CODE, "SIS", "sister"),
    "son": (ROLE_CODE, "SONC", "son"),
    "spouse": (ROLE_CODE, "SPS", "spouse"),
    "uncle": (ROLE_CODE, "UNCLE", "uncle"),
    "wife": (ROLE_CODE, "WIFE", "wife"),
}

# --- observations --------------------------------------------------------------------------------------------------
OBSERVATION_LABELS: Final = {
    "presenting_complaint": "Presenting complaint",
    "chief_concern": "Chief concern",
    "acuity": "Acuity",
    "patient_expectations": "Expectations and wishes",
    "birth_sex": "Birth sex",
    "estimated_age": "Patient Estimated Age",
    "age_group": "Age group",
    "household_composition": "Household composition",
    "social_circumstances": "Social circumstances",
    "accommodation": "Accommodation status",
    "cpr_start": "Cardiopulmonary resuscitation started",
}
"""Observation.code.text of every item that travels as an Observation; the guide's own words where it has them."""

AGE_UNITS: Final = {"years": ("a", "years"), "months": ("mo", "months"), "weeks": ("wk", "weeks")}
"""UCUM code and printed unit of an estimated age."""
