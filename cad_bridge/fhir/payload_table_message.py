"""Payload rows of the message itself: bundle, header and ServiceRequest."""

from __future__ import annotations

from cad_bridge.fhir.payload_rows import table

MESSAGE_ROWS = table(
    """
    # Bundle
    PAY-BND-01  3VIF6SC  Bundle  id
    PAY-BND-02  3VIF6SC  Bundle  meta
    PAY-BND-03  3VIF6SC  Bundle  meta?.profile      has sd:BARSBundleMessage
    PAY-BND-04  3VIF6SC  Bundle  meta?.lastUpdated
    PAY-BND-05  3VIF6SC  Bundle  type               = message
    PAY-BND-06  3VIF6SC  Bundle  timestamp
    PAY-BND-07  3V6SC    Bundle  entry
    PAY-BND-08  3VIF6SC  Bundle  entry.fullUrl

    # MessageHeader
    PAY-MH-01  3VIF6SC  MessageHeader       meta
    PAY-MH-02  3V6C     MessageHeader       meta?.profile             has sd:BARSMessageHeader-servicerequest-request
    PAY-MH-03  3VIF6SC  MessageHeader       meta?.lastUpdated
    PAY-MH-04  3VIFC    MessageHeader/cdss  extension
    PAY-MH-05  3VIFC    MessageHeader/cdss  extension?{cdss}
    PAY-MH-06  3VIFC    MessageHeader/cdss  extension{cdss}?.extension{software}
    PAY-MH-07  3VIFC    MessageHeader/cdss  extension{cdss}?.extension{software}?.valueString
    PAY-MH-08  3VIFC    MessageHeader/cdss  extension{cdss}?.extension{version}
    PAY-MH-09  3VIFC    MessageHeader/cdss  extension{cdss}?.extension{version}?.valueString
    PAY-MH-10  3VIF6SC  MessageHeader       eventCoding.system        ~ cs:message-events-bars
    PAY-MH-11  3V6C     MessageHeader       eventCoding?.code         = servicerequest-request
    PAY-MH-12  3VIF6SC  MessageHeader       destination.receiver.reference
    PAY-MH-13  3VIF6SC  MessageHeader       destination?.endpoint     token
    PAY-MH-14  3VIF6SC  MessageHeader       sender.reference
    PAY-MH-15  3VIF6SC  MessageHeader       source.name
    PAY-MH-16  3VIF6SC  MessageHeader       source?.endpoint          token
    PAY-MH-17  3VIF6SC  MessageHeader       reason.coding.system      ~ cs:message-reason-bars
    PAY-MH-18  3VIF6S   MessageHeader       reason?.coding?.code      in new update
    PAY-MH-19  3V6C     MessageHeader       focus.reference
    PAY-MH-20  36       MessageHeader       definition                canonical msg:request-referral
    PAY-MH-21  V        MessageHeader       definition                canonical msg:request-validation
    PAY-MH-22  IF       MessageHeader       meta?.profile             has sd:BARSMessageHeader-servicerequest-response
    PAY-MH-23  IF       MessageHeader       eventCoding?.code         = servicerequest-response
    PAY-MH-24  IF       MessageHeader       response.identifier
    PAY-MH-25  IFS      MessageHeader       response.code             = ok
    PAY-MH-26  IFS      MessageHeader       focus.reference
    PAY-MH-27  I        MessageHeader       definition                canonical msg:response-validation-interim
    PAY-MH-28  F        MessageHeader       definition                canonical msg:response-validation-full
    PAY-MH-29  S        MessageHeader       meta?.profile             has sd:BARSMessageHeader-servicerequest-response
    PAY-MH-30  S        MessageHeader       eventCoding?.code         = servicerequest-response
    PAY-MH-31  S        MessageHeader       response?.identifier
    PAY-MH-32  S        MessageHeader       definition                canonical msg:response-referral-short
    PAY-MH-33  C        MessageHeader       reason?.coding?.code      = update
    PAY-MH-34  C        MessageHeader       definition                canonical msg:request-cancelled

    # ServiceRequest
    PAY-SR-01  3VIF6SC  ServiceRequest  id
    PAY-SR-02  3VIF6SC  ServiceRequest  meta
    PAY-SR-03  36S      ServiceRequest  meta?.profile             has sr:referral
    PAY-SR-04  3VIF6SC  ServiceRequest  meta?.lastUpdated
    PAY-SR-05  3VF6C    ServiceRequest  basedOn.reference
    PAY-SR-06  3I6S     ServiceRequest  status                    in active revoked entered-in-error
    PAY-SR-06  V        ServiceRequest  status                    in active on-hold revoked entered-in-error
    PAY-SR-06  F        ServiceRequest  status                    in active completed revoked entered-in-error
    PAY-SR-07  3VIF6SC  ServiceRequest  intent                    = plan
    PAY-SR-08  3VIF6S   ServiceRequest  category.coding{category}
    PAY-SR-09  3VIF6SC  ServiceRequest  category.coding{category}.system  ~ cs:message-category-servicerequest
    PAY-SR-10  36S      ServiceRequest  category?.coding{category}?.code  code referral
    PAY-SR-11  36S      ServiceRequest  category?.coding{category}?.display  = Transfer of Care
    PAY-SR-12  3VIF6S   ServiceRequest  category?.coding{use-case}
    PAY-SR-13  3VIF6S   ServiceRequest  category?.coding{use-case}.system  ~ cs:usecases-categories-bars
    PAY-SR-14  3VIF6S   ServiceRequest  category?.coding{use-case}?.code  code a3t1 a4t1 a4t2 a4t3 a6t1 a6t2 a6t3
    PAY-SR-15  3VIF6S   ServiceRequest  category?.coding{use-case}?.display
    PAY-SR-16  3VIF6SC  ServiceRequest  subject
    PAY-SR-17  3VIF6SC  ServiceRequest  subject?.reference
    PAY-SR-18  3VIF6C   ServiceRequest  encounter.reference
    PAY-SR-19  3        ServiceRequest  occurrencePeriod
    PAY-SR-20  3VC      ServiceRequest  occurrencePeriod.start
    PAY-SR-21  3        ServiceRequest  occurrencePeriod?.end
    PAY-SR-22  3VIF6S   ServiceRequest  authoredOn
    PAY-SR-23  3V6      ServiceRequest  requester.reference
    PAY-SR-24  3VF6     ServiceRequest  performer
    PAY-SR-25  3VF6     ServiceRequest  performer?.reference
    PAY-SR-26  3VF      ServiceRequest  locationReference.reference
    PAY-SR-27  VIF      ServiceRequest  meta?.profile             has sr:validation
    PAY-SR-27  C        ServiceRequest  meta.profile              has sr:validation sr:referral
    PAY-SR-28  VIF      ServiceRequest  category?.coding{category}?.code  code validation
    PAY-SR-29  VIF      ServiceRequest  category?.coding{category}?.display  = For Validation
    PAY-SR-30  VIFC     ServiceRequest  occurrencePeriod
    PAY-SR-31  VIFC     ServiceRequest  occurrencePeriod?.end
    PAY-SR-32  IF       ServiceRequest  occurrencePeriod?.start
    PAY-SR-33  IF       ServiceRequest  requester.reference
    PAY-SR-34  6        ServiceRequest  locationReference.reference
    PAY-SR-35  C        ServiceRequest  status                    in revoked entered-in-error
    PAY-SR-36  C        ServiceRequest  category?.coding{category}?.code  code referral validation
    PAY-SR-37  C        ServiceRequest  category?.coding{category}?.display
    """
)
