"""The names of the types of FHIR R4 4.0.1, and which of them a BaRS message is made of."""

from __future__ import annotations


def words(text: str) -> tuple[str, ...]:
    """The words of a text: how a long list of names is written here."""
    return tuple(text.split())


RESOURCE_TYPES = words(
    """
    Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic
    Binary BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry
    ChargeItem ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication
    CommunicationRequest CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage
    CoverageEligibilityRequest CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric
    DeviceRequest DeviceUseStatement DiagnosticReport DocumentManifest DocumentReference DomainResource
    EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition
    Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit FamilyMemberHistory Flag Goal GraphDefinition
    Group GuidanceResponse HealthcareService ImagingStudy Immunization ImmunizationEvaluation
    ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List Location Measure
    MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge MedicationRequest
    MedicationStatement MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication
    MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured
    MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition
    MessageHeader MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition
    OperationDefinition OperationOutcome Organization OrganizationAffiliation Parameters Patient PaymentNotice
    PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire
    QuestionnaireResponse RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy
    ResearchSubject Resource RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot
    Specimen SpecimenDefinition StructureDefinition StructureMap Subscription Substance SubstanceNucleicAcid
    SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification
    SupplyDelivery SupplyRequest Task TerminologyCapabilities TestReport TestScript ValueSet VerificationResult
    VisionPrescription
    """
)
"""Every resource type of R4, `Resource` and `DomainResource` included (ValueSet resource-types)."""

DATA_TYPES = words(
    """
    Address Age Annotation Attachment BackboneElement CodeableConcept Coding ContactDetail ContactPoint Contributor
    Count DataRequirement Distance Dosage Duration Element ElementDefinition Expression Extension HumanName
    Identifier MarketingStatus Meta Money MoneyQuantity Narrative ParameterDefinition Period Population
    ProdCharacteristic ProductShelfLife Quantity Range Ratio Reference RelatedArtifact SampledData Signature
    SimpleQuantity SubstanceAmount Timing TriggerDefinition UsageContext base64Binary boolean canonical code date
    dateTime decimal id instant integer markdown oid positiveInt string time unsignedInt uri url uuid xhtml Type Any
    """
)
"""The data types of R4; with the resource types they make ValueSet all-types."""

MESSAGE_TYPES = words(
    """
    Organization Observation Communication Flag Practitioner PractitionerRole Location QuestionnaireResponse
    Questionnaire Encounter MessageHeader ServiceRequest Patient CarePlan HealthcareService Consent Condition Task
    Procedure MedicationStatement AllergyIntolerance Bundle
    """
)
"""The resource types that the message definitions of Applications 3, 4, 6 and of cancellation name, frequent first."""

NEIGHBOUR_TYPES = words(
    """
    Appointment CareTeam Device DocumentReference Endpoint EpisodeOfCare Group Medication OperationOutcome
    RelatedPerson Schedule Slot
    """
)
"""Types that such resources refer to or contain; their bindings are complete too."""

_UNKNOWN_TO_R4B = words(
    """
    CatalogEntry DomainResource EffectEvidenceSynthesis MedicinalProduct MedicinalProductAuthorization
    MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient
    MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged
    MedicinalProductPharmaceutical MedicinalProductUndesirableEffect Resource RiskEvidenceSynthesis
    SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation
    SubstanceSourceMaterial SubstanceSpecification
    """
)

CHECKED_TYPES = frozenset(RESOURCE_TYPES) - frozenset(_UNKNOWN_TO_R4B)
"""The resource types of R4 that have a model in fhir.resources and so can be checked."""
