"""Payload rows of what is known of the patient and the scene: flags, consent, findings, questions."""

from __future__ import annotations

from cad_bridge.fhir.payload_rows import table

CLINICAL_ROWS = table(
    """
    # Flag
    PAY-FLG-01  3VF   Flag/other  id
    PAY-FLG-02  3VF6  Flag/other  meta
    PAY-FLG-03  3VF6  Flag/other  meta?.profile
    PAY-FLG-04  3VF6  Flag/other  meta?.lastUpdated
    PAY-FLG-05  3VF6  Flag/other  status                    = active
    PAY-FLG-06  3VF6  Flag/other  category
    PAY-FLG-07  3VF6  Flag/other  category?.coding
    PAY-FLG-08  3VF6  Flag/other  category?.coding?.system  ~ cs:flag-categories-bars
    PAY-FLG-09  3VF6  Flag/other  category?.coding?.code    in SG SS RS RA IR RC RT AC API
    PAY-FLG-10  3VF6  Flag/other  category?.coding?.display
    PAY-FLG-11  3VF6  Flag/other  code.coding
    PAY-FLG-12  3VF6  Flag/other  code?.coding?.system
    PAY-FLG-13  3VF6  Flag/other  code?.coding?.code
    PAY-FLG-14  3VF6  Flag/other  code?.coding?.display
    PAY-FLG-15  3VF6  Flag/other  subject.reference
    PAY-FLG-16  VF6   Flag/other  encounter.reference
    PAY-FLG-17  6     Flag/other  id

    # Flag about the safety of the scene
    PAY-FSS-01  3VF6  Flag/scene-safety  id
    PAY-FSS-02  3VF6  Flag/scene-safety  meta
    PAY-FSS-03  3VF6  Flag/scene-safety  meta?.profile
    PAY-FSS-04  3VF6  Flag/scene-safety  meta?.lastUpdated
    PAY-FSS-05  3VF6  Flag/scene-safety  status                    = active
    PAY-FSS-06  3VF6  Flag/scene-safety  category
    PAY-FSS-07  3VF6  Flag/scene-safety  category?.coding
    PAY-FSS-08  3VF6  Flag/scene-safety  category?.coding?.system  ~ cs:flag-categories-bars
    PAY-FSS-09  36    Flag/scene-safety  category?.coding?.code    in SG SS RS RA IR RC RT AC API
    PAY-FSS-10  3VF6  Flag/scene-safety  category?.coding?.display
    PAY-FSS-11  3VF6  Flag/scene-safety  code.coding
    PAY-FSS-12  3VF6  Flag/scene-safety  code?.coding?.system      ~ cs:scene-safety-codes-bars
    PAY-FSS-13  3VF6  Flag/scene-safety  code?.coding?.code
    PAY-FSS-14  3VF6  Flag/scene-safety  code?.coding?.display
    PAY-FSS-15  3VF6  Flag/scene-safety  subject.reference
    PAY-FSS-16  VF    Flag/scene-safety  category?.coding?.code    = SS
    PAY-FSS-17  VF6   Flag/scene-safety  encounter.reference

    # MedicationStatement
    PAY-MED-01  3VF6  MedicationStatement  id
    PAY-MED-02  3VF6  MedicationStatement  meta
    PAY-MED-03  3VF6  MedicationStatement  meta?.profile
    PAY-MED-04  3VF6  MedicationStatement  meta?.lastUpdated
    PAY-MED-05  3VF6  MedicationStatement  status
    PAY-MED-06  3VF6  MedicationStatement  subject.reference

    # Observation
    PAY-OBS-01  3VF6  Observation  id
    PAY-OBS-02  3VF6  Observation  meta
    PAY-OBS-03  3VF6  Observation  meta?.profile
    PAY-OBS-04  3VF6  Observation  meta?.lastUpdated
    PAY-OBS-05  3VF6  Observation  status               = final
    PAY-OBS-06  3VF6  Observation  code.text
    PAY-OBS-07  3VF6  Observation  subject.reference
    PAY-OBS-08  3VF6  Observation  encounter.reference

    # Consent
    PAY-CON-01  3VF6  Consent  id
    PAY-CON-02  3VF6  Consent  meta
    PAY-CON-03  3VF6  Consent  meta?.profile
    PAY-CON-04  3VF6  Consent  meta?.lastUpdated
    PAY-CON-05  3VF6  Consent  status
    PAY-CON-06  3VF6  Consent  scope.coding.system       ~ thl7:CodeSystem/consentscope
    PAY-CON-07  3VF6  Consent  scope?.coding?.code       = patient-privacy
    PAY-CON-08  3VF6  Consent  category.coding.system    ~ cs:consent-categories-bars
    PAY-CON-09  3VF6  Consent  category?.coding?.code    = DRC
    PAY-CON-10  3VF6  Consent  category?.coding?.display  = Direct Care
    PAY-CON-11  3VF6  Consent  patient.reference
    PAY-CON-12  3VF6  Consent  policyRule.coding.system  ~ thl7:CodeSystem/v3-ActCode
    PAY-CON-13  3VF6  Consent  policyRule?.coding?.code  = IMPLIED
    PAY-CON-14  3VF6  Consent  dateTime

    # AllergyIntolerance
    PAY-ALG-01  3VF6  AllergyIntolerance  id
    PAY-ALG-02  3VF6  AllergyIntolerance  meta
    PAY-ALG-03  3VF6  AllergyIntolerance  meta?.profile
    PAY-ALG-04  3VF6  AllergyIntolerance  meta?.lastUpdated
    PAY-ALG-05  3VF6  AllergyIntolerance  patient.reference
    PAY-ALG-06  3VF6  AllergyIntolerance  encounter?.reference
    PAY-ALG-07  3VF6  AllergyIntolerance  recorder?.reference
    PAY-ALG-08  3VF6  AllergyIntolerance  asserter?.reference

    # Condition
    PAY-CND-01  6  Condition  id
    PAY-CND-02  6  Condition  meta
    PAY-CND-03  6  Condition  meta?.profile
    PAY-CND-04  6  Condition  meta?.lastUpdated
    PAY-CND-05  6  Condition  clinicalStatus
    PAY-CND-06  6  Condition  clinicalStatus?.coding.code
    PAY-CND-07  6  Condition  category
    PAY-CND-08  6  Condition  category?.coding.code
    PAY-CND-09  6  Condition  category?.coding?.display
    PAY-CND-10  6  Condition  code
    PAY-CND-11  6  Condition  subject.reference
    PAY-CND-12  6  Condition  encounter.reference

    # Task
    PAY-TSK-01  6  Task  id
    PAY-TSK-02  6  Task  meta
    PAY-TSK-03  6  Task  meta?.profile
    PAY-TSK-04  6  Task  meta?.lastUpdated
    PAY-TSK-05  6  Task  status             = requested
    PAY-TSK-06  6  Task  intent             = plan
    PAY-TSK-07  6  Task  code
    PAY-TSK-08  6  Task  authoredOn

    # Questionnaire
    PAY-QST-01  6  Questionnaire  id
    PAY-QST-02  6  Questionnaire  meta
    PAY-QST-03  6  Questionnaire  meta?.profile
    PAY-QST-04  6  Questionnaire  meta?.lastUpdated
    PAY-QST-05  6  Questionnaire  identifier?.value
    PAY-QST-06  6  Questionnaire  name
    PAY-QST-07  6  Questionnaire  title
    PAY-QST-08  6  Questionnaire  status                    = active
    PAY-QST-09  6  Questionnaire  date
    PAY-QST-10  6  Questionnaire  publisher
    PAY-QST-11  6  Questionnaire  item
    PAY-QST-12  6  Questionnaire  item?.linkId
    PAY-QST-13  6  Questionnaire  item?.text
    PAY-QST-14  6  Questionnaire  item?.type
    PAY-QST-15  6  Questionnaire  item?.enableWhen?.question
    PAY-QST-16  6  Questionnaire  item?.enableWhen?.operator
    PAY-QST-17  6  Questionnaire  item?.enableWhen?.answerCoding
    PAY-QST-18  6  Questionnaire  item?.enableWhen?.answerCoding?.code
    PAY-QST-19  6  Questionnaire  item?.enableWhen?.answerCoding?.display
    PAY-QST-20  6  Questionnaire  item?.required
    PAY-QST-21  6  Questionnaire  item?.answerOption
    PAY-QST-22  6  Questionnaire  item?.answerOption?.valueCoding
    PAY-QST-23  6  Questionnaire  item?.answerOption?.valueCoding?.code

    # QuestionnaireResponse
    PAY-QSR-01  6  QuestionnaireResponse  id
    PAY-QSR-02  6  QuestionnaireResponse  meta
    PAY-QSR-03  6  QuestionnaireResponse  meta?.profile
    PAY-QSR-04  6  QuestionnaireResponse  meta?.lastUpdated
    PAY-QSR-05  6  QuestionnaireResponse  extension{response-reason}
    PAY-QSR-06  6  QuestionnaireResponse  questionnaire             canonical qst:PTS qst:NOC
    PAY-QSR-07  6  QuestionnaireResponse  status                    = completed
    PAY-QSR-08  6  QuestionnaireResponse  subject
    PAY-QSR-09  6  QuestionnaireResponse  subject?.reference
    PAY-QSR-10  6  QuestionnaireResponse  encounter
    PAY-QSR-11  6  QuestionnaireResponse  encounter?.reference
    PAY-QSR-12  6  QuestionnaireResponse  item.linkId
    PAY-QSR-13  6  QuestionnaireResponse  item?.text
    PAY-QSR-14  6  QuestionnaireResponse  item?.answer
    PAY-QSR-15  6  QuestionnaireResponse  item?.answer?.valueCoding
    PAY-QSR-16  6  QuestionnaireResponse  item?.answer?.valueCoding?.code

    # Procedure
    PAY-PRC-01  6  Procedure  id
    PAY-PRC-02  6  Procedure  meta
    PAY-PRC-03  6  Procedure  meta?.profile
    PAY-PRC-04  6  Procedure  meta?.lastUpdated
    PAY-PRC-05  6  Procedure  status                 = in-progress
    PAY-PRC-06  6  Procedure  code
    PAY-PRC-07  6  Procedure  subject.reference
    PAY-PRC-08  6  Procedure  encounter.reference
    PAY-PRC-09  6  Procedure  performed[x]
    PAY-PRC-10  6  Procedure  performedPeriod.start

    # Communication
    PAY-COM-01  6  Communication  id
    PAY-COM-02  6  Communication  meta
    PAY-COM-03  6  Communication  meta?.profile
    PAY-COM-04  6  Communication  meta?.lastUpdated
    PAY-COM-05  6  Communication  status                  = completed
    PAY-COM-06  6  Communication  topic.text
    PAY-COM-07  6  Communication  encounter.reference
    PAY-COM-08  6  Communication  sent
    PAY-COM-09  6  Communication  payload
    PAY-COM-10  6  Communication  payload?.contentString
    """
)
