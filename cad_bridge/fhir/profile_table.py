"""Profile rows: what BaRS and UK Core profiles demand beyond FHIR R4, as far as a path can say it.

Written in the language of `payload_rows`; the rule of a row is the name of the profile. The letter ``*`` means every
payload. Only what the profiles narrow is here; value types of extensions and targets of references stand in
`profile_extensions` and `profile_references`. Of UK Core the pinned and the current release are both accepted (S11).
"""

from __future__ import annotations

from cad_bridge.fhir.payload_rows import table

PROFILE_ROWS = table(
    """
    BARSBundleMessage  *  Bundle  type       = message
    BARSBundleMessage  *  Bundle  timestamp

    BARSMessageHeader-servicerequest-request  3V6C  MessageHeader  eventCoding?.system
    BARSMessageHeader-servicerequest-request  3V6C  MessageHeader  eventCoding?.code
    BARSMessageHeader-servicerequest-request  3V6C  MessageHeader  destination
    BARSMessageHeader-servicerequest-request  3V6C  MessageHeader  destination?.receiver?.reference
    BARSMessageHeader-servicerequest-request  3V6C  MessageHeader  sender?.reference
    BARSMessageHeader-servicerequest-request  3V6C  MessageHeader  sender?.identifier?.assigner?.reference
    BARSMessageHeader-servicerequest-request  3V6C  MessageHeader  reason
    BARSMessageHeader-servicerequest-request  3V6C  MessageHeader  reason?.coding?.system?  ~ cs:message-reason-bars
    BARSMessageHeader-servicerequest-request  3V6C  MessageHeader  focus?.reference

    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  eventCoding?.system?  ~ cs:message-events-bars
    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  eventCoding?.code     = servicerequest-response
    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  destination
    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  destination?.receiver?.reference
    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  sender?.reference
    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  sender?.identifier?.assigner?.reference
    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  reason
    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  reason?.coding?.system?  ~ cs:message-reason-bars
    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  response
    BARSMessageHeader-servicerequest-response  IFS  MessageHeader  focus?.reference

    BARSServiceRequest-request-referral  36S  ServiceRequest  intent  = plan
    BARSServiceRequest-request-referral  36S  ServiceRequest  category
    BARSServiceRequest-request-referral  36S  ServiceRequest  category  <= 1
    BARSServiceRequest-request-referral  36S  ServiceRequest  occurrenceDateTime  not
    BARSServiceRequest-request-referral  36S  ServiceRequest  occurrenceTiming  not
    BARSServiceRequest-request-referral  36S  ServiceRequest  authoredOn

    BARSServiceRequest-request-validation  VIF  ServiceRequest  intent  = plan
    BARSServiceRequest-request-validation  VIF  ServiceRequest  category
    BARSServiceRequest-request-validation  VIF  ServiceRequest  category  <= 1
    BARSServiceRequest-request-validation  VIF  ServiceRequest  occurrenceDateTime  not
    BARSServiceRequest-request-validation  VIF  ServiceRequest  occurrenceTiming  not
    BARSServiceRequest-request-validation  VIF  ServiceRequest  occurrencePeriod?.start
    BARSServiceRequest-request-validation  VIF  ServiceRequest  occurrencePeriod?.end

    # a cancellation cites one or the other profile; what both demand
    BARSServiceRequest-request  C  ServiceRequest  intent  = plan
    BARSServiceRequest-request  C  ServiceRequest  category
    BARSServiceRequest-request  C  ServiceRequest  category  <= 1

    BARSFlag-scene-safety  *  Flag/scene-safety  category
    BARSFlag-scene-safety  *  Flag/scene-safety  category  <= 1
    BARSFlag-scene-safety  *  Flag/scene-safety  category?.coding?.system  ~ cs:flag-categories-bars
    BARSFlag-scene-safety  *  Flag/scene-safety  category?.coding?.code    = SS
    BARSFlag-scene-safety  *  Flag/scene-safety  code?.coding?.system      ~ cs:scene-safety-codes-bars

    BARSLocation-incident-location  6  Location/incident  type
    BARSLocation-incident-location  6  Location/incident  type  <= 1
    BARSLocation-incident-location  6  Location/incident  type?.coding?.system  ~ cs:location-types-bars
    BARSLocation-incident-location  6  Location/incident  type?.coding?.code    = ILOC

    UKCore-AllergyIntolerance   *  AllergyIntolerance   code
    UKCore-HealthcareService    *  HealthcareService    communication?  language
    UKCore-Location             *  Location             identifier{ods-site}?  <= 1
    UKCore-Location             *  Location             identifier{ods-site}?.value
    UKCore-MedicationStatement  *  MedicationStatement  identifier?.system
    UKCore-MedicationStatement  *  MedicationStatement  identifier?.value
    UKCore-Organization         *  Organization         identifier{ods}?  <= 1
    UKCore-Organization         *  Organization         identifier{ods}?.value
    UKCore-Organization         *  Organization         identifier{ods-site}?  <= 1
    UKCore-Organization         *  Organization         identifier{ods-site}?.value
    UKCore-Patient              *  Patient              extension{ethnic-category}?  <= 1
    UKCore-Patient              *  Patient              identifier{nhs-number}?  <= 1
    UKCore-Patient              *  Patient              identifier{nhs-number}?.value
    UKCore-Patient              *  Patient              identifier{nhs-number}?.extension{verification}?  <= 1
    UKCore-Patient              *  Patient              communication?.extension{proficiency}?  <= 1
    UKCore-Patient              *  Patient              communication?.language  language
    UKCore-Practitioner         *  Practitioner         communication?  language
    UKCore-ServiceRequest       *  ServiceRequest       extension{source-of-request}?  <= 1
    UKCore-ServiceRequest       *  ServiceRequest       extension{coverage}?  <= 1
    """
)
