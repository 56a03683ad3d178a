"""The codes that FHIR R4 4.0.1 allows where a binding is *required*: facts that fhir.resources does not hold in full.

Its field metadata have no codes for some bindings and an abridged list for others ("..., in-progress, +"), so that
it accepts any code everywhere. The table is complete for the resource types that a BaRS message may carry, for
those they may refer to, and for their data types; other resource types are checked for structure alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from cad_bridge.fhir.schema_types import DATA_TYPES, RESOURCE_TYPES, words

VALUE_SETS: Mapping[str, tuple[str, ...]] = {
    "all-types": RESOURCE_TYPES + DATA_TYPES,
    "address-type": words("postal physical both"),
    "address-use": words("home work temp old billing"),
    "administrative-gender": words("male female other unknown"),
    "allergy-intolerance-category": words("food medication environment biologic"),
    "allergy-intolerance-criticality": words("low high unable-to-assess"),
    "allergy-intolerance-type": words("allergy intolerance"),
    "allergyintolerance-clinical": words("active inactive resolved"),
    "allergyintolerance-verification": words("unconfirmed confirmed refuted entered-in-error"),
    "appointmentstatus": words(
        "proposed pending booked arrived fulfilled cancelled noshow entered-in-error checked-in waitlist"
    ),
    "bundle-type": words(
        "document message transaction transaction-response batch batch-response history searchset collection"
    ),
    "care-plan-activity-kind": words(
        """
        Appointment CommunicationRequest DeviceRequest MedicationRequest NutritionOrder Task ServiceRequest
        VisionPrescription
        """
    ),
    "care-plan-activity-status": words(
        "not-started scheduled in-progress on-hold completed cancelled stopped unknown entered-in-error"
    ),
    "care-plan-intent": words("proposal plan order option"),
    "care-team-status": words("proposed active suspended inactive entered-in-error"),
    "composition-status": words("preliminary final amended entered-in-error"),
    "condition-clinical": words("active recurrence relapse inactive remission resolved"),
    "condition-ver-status": words("unconfirmed provisional differential confirmed refuted entered-in-error"),
    "consent-data-meaning": words("instance related dependents authoredby"),
    "consent-provision-type": words("deny permit"),
    "consent-state-codes": words("draft proposed active rejected inactive entered-in-error"),
    "contact-point-system": words("phone fax email pager url sms other"),
    "contact-point-use": words("home work temp old mobile"),
    "contributor-type": words("author editor reviewer endorser"),
    "currencies": words(
        """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
        CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GGP
        GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS IMP INR IQD IRR ISK JEP JMD JOD JPY KES KGS KHR KMF KPW
        KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN
        NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS
        SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TVD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VEF VES
        VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWL
        """
    ),
    "days-of-week": words("mon tue wed thu fri sat sun"),
    "device-nametype": words(
        "udi-label-name user-friendly-name patient-reported-name manufacturer-name model-name other"
    ),
    "device-status": words("active inactive entered-in-error unknown"),
    "document-reference-status": words("current superseded entered-in-error"),
    "document-relationship-type": words("replaces transforms signs appends"),
    "encounter-location-status": words("planned active reserved completed"),
    "encounter-status": words(
        "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown"
    ),
    "endpoint-status": words("active suspended error off entered-in-error test"),
    "episode-of-care-status": words("planned waitlist active onhold finished cancelled entered-in-error"),
    "event-status": words("preparation in-progress not-done on-hold stopped completed entered-in-error unknown"),
    "event-timing": words(
        """
        MORN MORN.early MORN.late NOON AFT AFT.early AFT.late EVE EVE.early EVE.late NIGHT PHS HS WAKE C CM CD CV AC
        ACM ACD ACV PC PCM PCD PCV
        """
    ),
    "flag-status": words("active inactive entered-in-error"),
    "group-type": words("person animal practitioner device medication substance"),
    "http-verb": words("GET HEAD POST PUT DELETE PATCH"),
    "identifier-use": words("usual official temp secondary old"),
    "issue-severity": words("fatal error warning information"),
    "issue-type": words(
        """
        invalid structure required value invariant security login unknown expired forbidden suppressed processing
        not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly
        business-rule conflict transient lock-error no-store exception timeout incomplete throttled informational
        """
    ),
    "item-type": words(
        """
        group display question boolean decimal integer date dateTime time string text url choice open-choice
        attachment reference quantity
        """
    ),
    "link-type": words("replaced-by replaces refer seealso"),
    "location-mode": words("instance kind"),
    "location-status": words("active suspended inactive"),
    "medication-statement-status": words(
        "active completed entered-in-error intended stopped on-hold unknown not-taken"
    ),
    "medication-status": words("active inactive entered-in-error"),
    "name-use": words("usual official temp nickname anonymous old maiden"),
    "narrative-status": words("generated extensions additional empty"),
    "observation-status": words("registered preliminary final amended corrected cancelled entered-in-error unknown"),
    "operation-parameter-use": words("in out"),
    "participantrequired": words("required optional information-only"),
    "participationstatus": words("accepted declined tentative needs-action"),
    "publication-status": words("draft active retired unknown"),
    "quantity-comparator": words("< <= >= >"),
    "questionnaire-answers-status": words("in-progress completed amended entered-in-error stopped"),
    "questionnaire-enable-behavior": words("all any"),
    "questionnaire-enable-operator": words("exists = != > < >= <="),
    "reaction-event-severity": words("mild moderate severe"),
    "related-artifact-type": words(
        "documentation justification citation predecessor successor derived-from depends-on composed-of"
    ),
    "request-intent": words(
        "proposal plan directive order original-order reflex-order filler-order instance-order option"
    ),
    "request-priority": words("routine urgent asap stat"),
    "request-status": words("draft active on-hold revoked completed entered-in-error unknown"),
    "resource-types": RESOURCE_TYPES,
    "response-code": words("ok transient-error fatal-error"),
    "search-entry-mode": words("match include outcome"),
    "slotstatus": words("busy free busy-unavailable busy-tentative entered-in-error"),
    "sort-direction": words("ascending descending"),
    "task-intent": words("unknown proposal plan order original-order reflex-order filler-order instance-order option"),
    "task-status": words(
        """
        draft requested received accepted rejected ready cancelled in-progress on-hold failed completed
        entered-in-error
        """
    ),
    "trigger-type": words(
        "named-event periodic data-changed data-added data-modified data-removed data-accessed data-access-ended"
    ),
    "udi-entry-type": words("barcode rfid manual card self-reported unknown"),
    "units-of-time": words("s min h d wk mo a"),
}
"""Value set by the last part of its canonical, each complete. Media types are a grammar, not a list: `MEDIA_TYPE`."""

MEDIA_TYPE = r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*(\s*;\s*\S+)*$"
"""ValueSet mimetypes (BCP 13)."""

CODE_BINDINGS: Mapping[str, str] = {
    "Bundle.type": "bundle-type",
    "Bundle.entry.search.mode": "search-entry-mode",
    "Bundle.entry.request.method": "http-verb",
    "MessageHeader.response.code": "response-code",
    "ServiceRequest.status": "request-status",
    "ServiceRequest.intent": "request-intent",
    "ServiceRequest.priority": "request-priority",
    "Patient.gender": "administrative-gender",
    "Patient.contact.gender": "administrative-gender",
    "Patient.link.type": "link-type",
    "Encounter.status": "encounter-status",
    "Encounter.statusHistory.status": "encounter-status",
    "Encounter.location.status": "encounter-location-status",
    "CarePlan.status": "request-status",
    "CarePlan.intent": "care-plan-intent",
    "CarePlan.activity.detail.kind": "care-plan-activity-kind",
    "CarePlan.activity.detail.status": "care-plan-activity-status",
    "Location.status": "location-status",
    "Location.mode": "location-mode",
    "Location.hoursOfOperation.daysOfWeek": "days-of-week",
    "Practitioner.gender": "administrative-gender",
    "PractitionerRole.availableTime.daysOfWeek": "days-of-week",
    "Observation.status": "observation-status",
    "Flag.status": "flag-status",
    "Consent.status": "consent-state-codes",
    "Consent.provision.type": "consent-provision-type",
    "Consent.provision.data.meaning": "consent-data-meaning",
    "MedicationStatement.status": "medication-statement-status",
    "AllergyIntolerance.type": "allergy-intolerance-type",
    "AllergyIntolerance.category": "allergy-intolerance-category",
    "AllergyIntolerance.criticality": "allergy-intolerance-criticality",
    "AllergyIntolerance.reaction.severity": "reaction-event-severity",
    "HealthcareService.availableTime.daysOfWeek": "days-of-week",
    "Questionnaire.status": "publication-status",
    "Questionnaire.subjectType": "resource-types",
    "Questionnaire.item.type": "item-type",
    "Questionnaire.item.enableWhen.operator": "questionnaire-enable-operator",
    "Questionnaire.item.enableBehavior": "questionnaire-enable-behavior",
    "QuestionnaireResponse.status": "questionnaire-answers-status",
    "Task.status": "task-status",
    "Task.intent": "task-intent",
    "Task.priority": "request-priority",
    "Communication.status": "event-status",
    "Communication.priority": "request-priority",
    "Procedure.status": "event-status",
    "Appointment.status": "appointmentstatus",
    "Appointment.participant.required": "participantrequired",
    "Appointment.participant.status": "participationstatus",
    "CareTeam.status": "care-team-status",
    "Device.udiCarrier.entryType": "udi-entry-type",
    "Device.status": "device-status",
    "Device.deviceName.type": "device-nametype",
    "DocumentReference.status": "document-reference-status",
    "DocumentReference.docStatus": "composition-status",
    "DocumentReference.relatesTo.code": "document-relationship-type",
    "Endpoint.status": "endpoint-status",
    "Endpoint.payloadMimeType": "mimetypes",
    "EpisodeOfCare.status": "episode-of-care-status",
    "EpisodeOfCare.statusHistory.status": "episode-of-care-status",
    "Medication.status": "medication-status",
    "OperationOutcome.issue.severity": "issue-severity",
    "OperationOutcome.issue.code": "issue-type",
    "RelatedPerson.gender": "administrative-gender",
    "Slot.status": "slotstatus",
    "Group.type": "group-type",
    "Narrative.status": "narrative-status",
    "Identifier.use": "identifier-use",
    "HumanName.use": "name-use",
    "Address.use": "address-use",
    "Address.type": "address-type",
    "ContactPoint.system": "contact-point-system",
    "ContactPoint.use": "contact-point-use",
    "Quantity.comparator": "quantity-comparator",
    "Age.comparator": "quantity-comparator",
    "Attachment.contentType": "mimetypes",
    "Timing.repeat.durationUnit": "units-of-time",
    "Timing.repeat.periodUnit": "units-of-time",
    "Timing.repeat.dayOfWeek": "days-of-week",
    "Timing.repeat.when": "event-timing",
    "Signature.targetFormat": "mimetypes",
    "Signature.sigFormat": "mimetypes",
    "Duration.comparator": "quantity-comparator",
    "Count.comparator": "quantity-comparator",
    "Distance.comparator": "quantity-comparator",
    "Money.currency": "currencies",
    "Contributor.type": "contributor-type",
    "DataRequirement.type": "all-types",
    "DataRequirement.sort.direction": "sort-direction",
    "ParameterDefinition.use": "operation-parameter-use",
    "ParameterDefinition.type": "all-types",
    "RelatedArtifact.type": "related-artifact-type",
    "TriggerDefinition.type": "trigger-type",
}
"""Element of type code with a required binding, to the name of its value set."""

CONCEPT_BINDINGS: Mapping[str, tuple[str, str]] = {
    "AllergyIntolerance.clinicalStatus": (
        "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
        "allergyintolerance-clinical",
    ),
    "AllergyIntolerance.verificationStatus": (
        "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
        "allergyintolerance-verification",
    ),
    "Condition.clinicalStatus": ("http://terminology.hl7.org/CodeSystem/condition-clinical", "condition-clinical"),
    "Condition.verificationStatus": (
        "http://terminology.hl7.org/CodeSystem/condition-ver-status",
        "condition-ver-status",
    ),
}
"""Element of type CodeableConcept with a required binding, to code system and value set.

One of its codings must come from there; a coding without system is read as of that system (defect V18).
"""


def class_element(path: str) -> tuple[str, str]:
    """The fhir.resources class and field of an element path: ``Encounter.statusHistory.status`` gives
    ``("EncounterStatusHistory", "status")``.
    """
    *parents, element = path.split(".")
    return "".join(part[:1].upper() + part[1:] for part in parents), element
