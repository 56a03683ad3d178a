"""Payload rows of the case: encounter, plan, patient, organisations, people, service, places."""

from __future__ import annotations

from cad_bridge.fhir.payload_rows import table

CASE_ROWS = table(
    """
    # Encounter
    PAY-ENC-01  3VIF6S  Encounter          id
    PAY-ENC-02  3VIF6S  Encounter          meta
    PAY-ENC-03  3VIF6S  Encounter          meta?.profile
    PAY-ENC-04  3IF     Encounter          meta?.lastUpdated
    PAY-ENC-05  3       Encounter/current  status                    in finished triaged
    PAY-ENC-06  3VIF6S  Encounter          class.system              ~ thl7:CodeSystem/v3-ActCode
    PAY-ENC-07  3VIF6S  Encounter          class?.code               = EMER
    PAY-ENC-08  3VIF6S  Encounter          class?.display            = emergency
    PAY-ENC-09  3VIF6S  Encounter          subject.reference
    PAY-ENC-10  3IF     Encounter          episodeOfCare.reference
    PAY-ENC-11  3V      Encounter/current  period.start
    PAY-ENC-12  V       Encounter/current  status                    in triaged in-progress
    PAY-ENC-13  V6S     Encounter          episodeOfCare.reference
    PAY-ENC-14  I       Encounter/current  status                    in in-progress cancelled
    PAY-ENC-15  IF      Encounter/current  period.start
    PAY-ENC-16  I  Encounter/current  reasonCode.coding.system  ~ cs:message-reason-encounter cs:rejected-reasons-bars
    PAY-ENC-17  I       Encounter/current  reasonCode?.coding?.code  in validation-triage-outcome RRNA OTH FC
    PAY-ENC-18  I       Encounter/current  reasonCode?.coding?.display
    PAY-ENC-19  F       Encounter/current  status                    in finished triaged
    PAY-ENC-20  F       Encounter/current  reasonCode.coding.system  ~ cs:message-reason-encounter
    PAY-ENC-21  F       Encounter/current  reasonCode?.coding?.code  = validation-triage-outcome
    PAY-ENC-22  F       Encounter/current  reasonCode?.coding?.display  = Validation of triage outcome
    PAY-ENC-23  6       Encounter/current  status                    in in-progress triaged finished
    PAY-ENC-24  6       Encounter/current  statusHistory
    PAY-ENC-25  6       Encounter/current  statusHistory?.status     in planned arrived in-progress
    PAY-ENC-26  6       Encounter/current  statusHistory?.period.start
    PAY-ENC-27  6S      Encounter/current  period.start
    PAY-ENC-28  6       Encounter/current  location.location
    PAY-ENC-29  S       Encounter/current  status                    in planned in-progress finished cancelled
    PAY-ENC-30  S       Encounter/current  statusHistory
    PAY-ENC-31  S       Encounter/current  statusHistory?.status
    PAY-ENC-32  S       Encounter/current  statusHistory?.period.start
    PAY-ENC-33  R       Encounter/current  reasonCode
    PAY-ENC-34  R       Encounter/current  reasonCode?.coding.system  ~ cs:rejected-reasons-bars
    PAY-ENC-35  R       Encounter/current  reasonCode?.coding?.code  in RRNA OTH
    PAY-ENC-36  R       Encounter/current  reasonCode?.coding?.display

    # CarePlan
    PAY-CP-01  3VF6  CarePlan  id
    PAY-CP-02  3VF6  CarePlan  meta
    PAY-CP-03  3VF6  CarePlan  meta?.profile
    PAY-CP-04  3VF6  CarePlan  meta?.lastUpdated
    PAY-CP-05  3     CarePlan  status               = completed
    PAY-CP-06  3VF6  CarePlan  intent               = plan
    PAY-CP-07  3VF6  CarePlan  subject.reference
    PAY-CP-08  3VF6  CarePlan  encounter.reference
    PAY-CP-09  3     CarePlan  period.start
    PAY-CP-10  V6    CarePlan  status               = active
    PAY-CP-11  V6    CarePlan  period.start
    PAY-CP-12  F     CarePlan  status               in completed active
    PAY-CP-13  F     CarePlan  period.start
    PAY-CP-14  6     CarePlan  activity

    # Patient
    PAY-PAT-01  3VIF6S   Patient  id
    PAY-PAT-02  3VIF6SC  Patient  meta
    PAY-PAT-03  3VIF6SC  Patient  meta?.profile
    PAY-PAT-04  3VIF6SC  Patient  meta?.lastUpdated
    PAY-PAT-05  3VIF6SC  Patient  contact
    PAY-PAT-06  3VIF6SC  Patient  contact?.extension{rank}
    PAY-PAT-07  3VIF6SC  Patient  contact?.extension{rank}?.valuePositiveInt
    PAY-PAT-08  3VIF6SC  Patient  contact?.relationship.coding.system
    PAY-PAT-09  3VIF6SC  Patient  contact?.relationship?.coding?.code
    PAY-PAT-10  3VIF6SC  Patient  contact?.relationship?.coding?.display
    PAY-PAT-11  3VIF6SC  Patient  contact?.telecom.system
    PAY-PAT-12  3VIF6SC  Patient  contact?.telecom?.value
    PAY-PAT-13  C        Patient  id

    # Organization
    PAY-ORG-01  3VIF6SC  Organization  id
    PAY-ORG-02  3VIF6SC  Organization  meta
    PAY-ORG-03  3VIF6SC  Organization  meta?.profile
    PAY-ORG-04  3VIF6SC  Organization  meta?.lastUpdated
    PAY-ORG-05  3VIF6SC  Organization  identifier
    PAY-ORG-06  3VIF6SC  Organization  identifier?.system
    PAY-ORG-07  3VIF6SC  Organization  identifier?.value
    PAY-ORG-08  3VIF6SC  Organization  name

    # Practitioner
    PAY-PRA-01  3VIF6S  Practitioner  id
    PAY-PRA-02  3VIF6S  Practitioner  meta
    PAY-PRA-03  3VIF6S  Practitioner  meta?.profile
    PAY-PRA-04  3VIF6S  Practitioner  meta?.lastUpdated
    PAY-PRA-05  3VIF6S  Practitioner  identifier
    PAY-PRA-06  3VIF6S  Practitioner  identifier?.system
    PAY-PRA-07  3VIF6S  Practitioner  identifier?.value

    # PractitionerRole
    PAY-PRR-01  3VIF6S  PractitionerRole  id
    PAY-PRR-02  3VIF6S  PractitionerRole  meta
    PAY-PRR-03  3VIF6S  PractitionerRole  meta?.profile
    PAY-PRR-04  3VIF6S  PractitionerRole  meta?.lastUpdated
    PAY-PRR-05  3VIF6S  PractitionerRole  practitioner.reference
    PAY-PRR-06  3VIF6S  PractitionerRole  organization.reference

    # HealthcareService
    PAY-HCS-01  3VIF6S  HealthcareService  meta
    PAY-HCS-02  3VIF6S  HealthcareService  meta?.profile
    PAY-HCS-03  3VIF6S  HealthcareService  meta?.lastUpdated
    PAY-HCS-04  3VIF6S  HealthcareService  identifier
    PAY-HCS-05  3VIF6S  HealthcareService  identifier?.system
    PAY-HCS-06  3VIF6S  HealthcareService  identifier?.value
    PAY-HCS-07  3VIF6S  HealthcareService  active
    PAY-HCS-08  3VIF6S  HealthcareService  providedBy.reference
    PAY-HCS-09  3VIF6S  HealthcareService  name

    # Location
    PAY-LOC-01  3VF6  Location/other  id
    PAY-LOC-02  3VF6  Location/other  meta
    PAY-LOC-03  3VF6  Location/other  meta?.lastUpdated
    PAY-LOC-04  3VF6  Location/other  extension?{location}
    PAY-LOC-05  3VF6  Location/other  extension{location}?.extension{location-part}
    PAY-LOC-06  3VF6  Location/other  extension{location}?.extension{location-part}?.valueString
    PAY-LOC-07  3VF6  Location/other  position?.longitude
    PAY-LOC-08  3VF6  Location/other  position?.latitude
    PAY-LOC-09  6     Location/other  meta?.profile
    PAY-LOC-10  6     Location/other  type?.coding?.system      ~ cs:location-types-bars
    PAY-LOC-11  6     Location/other  type?.coding?.code        in ILOC CLOC RLOC OLOC
    PAY-LOC-12  6     Location/other  type?.coding?.display

    # Location of the incident, Application 6
    PAY-ILO-02  6  Location/incident  id
    PAY-ILO-03  6  Location/incident  meta
    PAY-ILO-04  6  Location/incident  meta?.profile
    PAY-ILO-05  6  Location/incident  meta?.lastUpdated
    PAY-ILO-06  6  Location/incident  extension?{location}
    PAY-ILO-07  6  Location/incident  extension{location}?.extension{location-part}
    PAY-ILO-08  6  Location/incident  extension{location}?.extension{location-part}?.valueString
    PAY-ILO-09  6  Location/incident  position?.longitude
    PAY-ILO-10  6  Location/incident  position?.latitude
    PAY-ILO-11  6  Location/incident  type.coding.system        ~ cs:location-types-bars
    PAY-ILO-12  6  Location/incident  type?.coding?.code        = ILOC
    PAY-ILO-13  6  Location/incident  type?.coding?.display     = Incident Location
    """
)
