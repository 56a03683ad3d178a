from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.fhir import systems
from cad_bridge.fhir.encounters import NO_OWN_ENCOUNTERS, EncounterFacts, OwnEncounters
from cad_bridge.fhir.facts import Facts, bare_uuid, focus_encounter, read_facts, read_instant

SERVICE = "https://fhir.nhs.uk/Id/dos-service-id|2000000022"


def member_names(value: object) -> set[str]:
    """Every name of a member anywhere in the JSON value."""
    if isinstance(value, dict):
        return set(value).union(*map(member_names, value.values()))
    return set().union(*map(member_names, value)) if isinstance(value, list) else set()


def entry(full_url: str, resource_type: str, **elements: Any) -> dict[str, Any]:
    return {"fullUrl": full_url, "resource": {"resourceType": resource_type} | elements}


def codeable(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def bundle(**header: Any) -> dict[str, Any]:
    """A message with one of everything that facts are read from."""
    given_header: dict[str, Any] = {
        "eventCoding": {"system": systems.MESSAGE_EVENT, "code": "servicerequest-request"},
        "reason": codeable(systems.MESSAGE_REASON, "new"),
        "definition": "https://fhir.nhs.uk/MessageDefinition/x|1.1.0",
        "destination": [{"endpoint": SERVICE, "receiver": {"reference": "urn:uuid:receiver"}}],
        "sender": {"reference": "Organization/s1"},
        "source": {"endpoint": "http://fhir.nhs.uk/id/dos-service-id| 2000000011"},
        "focus": [{"reference": "urn:uuid:request"}],
    }
    return {
        "resourceType": "Bundle",
        "id": "b-1",
        "type": "message",
        "meta": {"versionId": "1.1.0", "lastUpdated": "2026-11-21T10:00:00.1234567+00:00"},
        "entry": [
            entry("urn:uuid:header", "MessageHeader", **(given_header | header)),
            entry(
                "urn:uuid:request",
                "ServiceRequest",
                id="sr-1",
                status="active",
                category=[
                    {
                        "coding": [
                            {"system": "https://fhir.nhs.uk/CodeSystem/usecase-categories-bars", "code": "A4T1"},
                            {"system": systems.MESSAGE_CATEGORY, "code": "Validation"},
                        ]
                    }
                ],
                encounter={"reference": "urn:uuid:encounter"},
                occurrencePeriod={"start": "2026-11-21T10:00:00+00:00", "end": "2026-11-21T12:20:00+01:00"},
            ),
            entry(
                "urn:uuid:patient",
                "Patient",
                identifier=[{"system": "http://fhir.nhs.uk/id/nhs-number", "value": "9476719931"}],
            ),
            entry(
                "urn:uuid:receiver",
                "Organization",
                identifier=[{"system": "https://fhir.nhs.uk/id/ods-organization-code", "value": "rcas"}],
            ),
            entry(
                "urn:uuid:sender", "Organization", id="s1", identifier=[{"system": systems.ODS_CODE, "value": "RX8"}]
            ),
            entry(
                "urn:uuid:encounter",
                "Encounter",
                id="e-1",
                status="triaged",
                identifier=[{"system": "https://ast.example/case", "value": "C-77"}, {"value": "old-5"}],
                episodeOfCare=[{"reference": "EpisodeOfCare/D877B820-e72b-44d1-a627-195f54bfc606"}],
                reasonCode=[{"coding": [{"system": systems.REJECTED_REASON, "code": "OTH"}], "text": "no crew"}],
                meta={"lastUpdated": "2026-11-21T10:00:00+00:00"},
                **{"class": {"code": "EMER"}},
            ),
            entry("urn:uuid:linked", "Encounter", status="finished"),
            entry(
                "urn:uuid:plan",
                "CarePlan",
                status="active",
                intent="plan",
                period={"start": "2026-11-21T09:58:00Z"},
                activity=[
                    {"outcomeCodeableConcept": [codeable("https://fhir.nhs.uk/CodeSystem/arp-priority-codes", "c3")]},
                    {"outcomeReference": [{"reference": "urn:uuid:linked"}]},
                ],
            ),
            entry("urn:uuid:task", "Task", status="requested"),
            entry("urn:uuid:task2", "Task"),
        ],
    }


def edited(resource_type: str, **elements: Any) -> Facts:
    """Facts of the message with these elements of its first resource of a type replaced."""
    changed = bundle()
    next(e for e in changed["entry"] if e["resource"]["resourceType"] == resource_type)["resource"].update(elements)
    return read_facts(changed)


def test_everything_that_a_workflow_depends_on_is_read() -> None:
    facts = read_facts(bundle(response={"identifier": "urn:uuid:0c4b", "code": "ok"}))
    at = datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert facts == Facts(
        bundle_id="b-1",
        bundle_type="message",
        version_id="1.1.0",
        bundle_last_updated=at.replace(microsecond=123456),
        event="servicerequest-request",
        reason="new",
        definition="https://fhir.nhs.uk/MessageDefinition/x",
        destination_endpoint=SERVICE,
        receiver_ods="RCAS",
        source_endpoint="https://fhir.nhs.uk/Id/dos-service-id|2000000011",
        sender_ods="RX8",
        has_response=True,
        response_identifier="0c4b",
        response_code="ok",
        focus_reference="urn:uuid:request",
        focus_type="ServiceRequest",
        focus_full_url="urn:uuid:request",
        category="validation",
        use_case="a4t1",
        sr_status="active",
        sr_id="sr-1",
        sr_full_url="urn:uuid:request",
        sr_encounter="urn:uuid:encounter",
        occurrence_start=at,
        occurrence_end=datetime(2026, 11, 21, 11, 20, tzinfo=UTC),
        journey_id="d877b820-e72b-44d1-a627-195f54bfc606",
        patient_full_url="urn:uuid:patient",
        nhs_number="9476719931",
        encounters=(
            EncounterFacts(
                full_url="urn:uuid:encounter",
                id="e-1",
                status="triaged",
                class_code="EMER",
                identifiers=(("https://ast.example/case", "C-77"), (None, "old-5")),
                reason_codings=((systems.REJECTED_REASON, "OTH", None),),
                reason_texts=("no crew",),
                last_updated=at,
            ),
            EncounterFacts(full_url="urn:uuid:linked", status="finished", is_linked=True),
        ),
        careplan_status="active",
        careplan_intent="plan",
        careplan_period_start=datetime(2026, 11, 21, 9, 58, tzinfo=UTC),
        arp="C3",
        task_statuses=("requested", None),
        resource_counts={
            "MessageHeader": 1, "ServiceRequest": 1, "Patient": 1, "Organization": 2, "Encounter": 2, "CarePlan": 1,
            "Task": 2,
        },
    )  # fmt: skip
    first = facts.encounters[0]
    assert (first.identifier_system, first.identifier_value, first.reason_code) == (
        "https://ast.example/case",
        "C-77",
        "OTH",
    )


def test_an_empty_object_has_no_facts() -> None:
    assert read_facts({}) == Facts()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(sorted(member_names(bundle()))),
            inner | st.sampled_from(["MessageHeader", "Encounter", "CarePlan", "ServiceRequest", "Patient", "Task"]),
        ),
        max_leaves=40,
    )
)  # fmt: skip
def test_reading_never_raises_whatever_the_json(value: Any) -> None:
    assert isinstance(read_facts({"entry": value, "meta": value, "type": value}), Facts)
    assert isinstance(read_facts({"entry": [{"resource": value}, value]}), Facts)


@given(
    st.sampled_from(sorted({k for e in bundle()["entry"] for k in e["resource"]})),
    st.sampled_from([None, [], {}, 0, "", ["x"]]),
)
def test_reading_never_raises_whatever_stands_in_an_element(name: str, value: object) -> None:
    changed = bundle()
    for each in changed["entry"]:
        each["resource"][name] = value
    assert isinstance(read_facts(changed), Facts)


class TestInstants:
    @pytest.mark.req("CORE-BND-05", "CORE-BND-07")
    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=UTC)),
            ("2026-11-21T10:00:00+01:00", datetime(2026, 11, 21, 9, tzinfo=UTC)),
            ("2026-11-21T10:00:00+02:00", datetime(2026, 11, 21, 8, tzinfo=UTC)),
            ("2026-11-21T10:00:00.8185338+00:00", datetime(2026, 11, 21, 10, 0, 0, 818533, tzinfo=UTC)),
        ],
    )
    def test_the_offset_given_is_used_and_seven_digits_are_read(self, text: str, instant: datetime) -> None:
        read = read_instant(text)
        assert read == instant
        assert read is not None
        assert read.utcoffset() == timedelta(0)

    @pytest.mark.parametrize(
        "value",
        ["2026-11-21", "2026-11", "2026-11-21T10:00:00", "2026-13-01T10:00:00Z", "0001-01-01T00:00:00+14:00", "", "now",
         "20261121T100000Z", None, 5, ["2026-11-21T10:00:00Z"]],
    )  # fmt: skip
    def test_what_is_no_point_in_time_is_none(self, value: object) -> None:
        assert read_instant(value) is None

    @given(st.datetimes(min_value=datetime(1000, 1, 2), timezones=st.just(timezone(timedelta(hours=5, minutes=30)))))  # noqa: DTZ001
    def test_every_instant_is_read_as_the_same_moment(self, moment: datetime) -> None:
        assert read_instant(moment.isoformat(timespec="microseconds")) == moment


class TestCodes:
    @pytest.mark.req("CORE-CN-09", "CORE-CN-10")
    def test_category_and_use_case_are_found_by_system_in_any_place_and_case(self) -> None:
        codings = [
            {"system": "https://example.org/other", "code": "a6t1"},
            {"system": "HTTP://fhir.nhs.uk/codesystem/USECASES-categories-bars", "code": "A6T3"},
        ]
        facts = edited("ServiceRequest", category=[{"coding": codings}, codeable(systems.MESSAGE_CATEGORY, "REFERRAL")])
        assert (facts.category, facts.use_case) == ("referral", "a6t3")

    def test_a_use_case_without_system_is_not_guessed(self) -> None:
        assert edited("ServiceRequest", category=[{"coding": [{"code": "a4t1"}]}]).use_case is None

    def test_two_use_cases_contradict_each_other_and_the_same_one_twice_does_not(self) -> None:
        twice = [codeable(systems.USE_CASE, "a4t1"), codeable(systems.USE_CASE, "A4T1")]
        assert edited("ServiceRequest", category=twice).use_case == "a4t1"
        assert edited("ServiceRequest", category=[*twice, codeable(systems.USE_CASE, "a4t2")]).use_case is None

    def test_an_event_of_another_system_is_none_and_one_without_system_stands(self) -> None:
        assert read_facts(bundle(eventCoding={"system": "x", "code": "servicerequest-request"})).event is None
        assert read_facts(bundle(eventCoding={"code": "servicerequest-request"})).event == "servicerequest-request"

    def test_two_priorities_contradict_each_other(self) -> None:
        outcomes = [codeable(systems.ARP_PRIORITY, "C2"), codeable(systems.ARP_PRIORITY, "C3")]
        assert edited("CarePlan", activity=[{"outcomeCodeableConcept": outcomes}]).arp is None

    def test_two_nhs_numbers_contradict_each_other(self) -> None:
        numbers = [{"system": systems.NHS_NUMBER, "value": value} for value in ("9476719931", "4857773456")]
        assert edited("Patient", identifier=numbers).nhs_number is None

    def test_an_organisation_is_also_known_by_logical_reference(self) -> None:
        receiver = {"identifier": {"system": systems.ODS_CODE, "value": "RCAS"}}
        facts = read_facts(bundle(destination=[{"endpoint": SERVICE, "receiver": receiver}]))
        assert facts.receiver_ods == "RCAS"

    def test_codes_keep_the_case_that_fhir_gives_them(self) -> None:
        assert edited("ServiceRequest", status="Active").sr_status == "Active"


class TestReferences:
    @pytest.mark.parametrize("reference", ["urn:uuid:request", "ServiceRequest/sr-1"])
    def test_the_focus_is_found_by_full_url_or_type_and_id(self, reference: str) -> None:
        facts = read_facts(bundle(focus=[{"reference": reference}]))
        assert (facts.focus_type, facts.focus_full_url) == ("ServiceRequest", "urn:uuid:request")

    def test_of_two_requests_the_one_in_focus_is_read_else_the_first(self) -> None:
        changed = bundle(focus=[{"reference": "urn:uuid:other"}])
        changed["entry"].append(entry("urn:uuid:other", "ServiceRequest", status="revoked"))
        assert read_facts(changed).sr_status == "revoked"
        changed["entry"][0]["resource"]["focus"] = [{"reference": "urn:uuid:encounter"}]
        assert read_facts(changed).sr_status == "active"

    def test_a_focus_that_names_nothing_resolves_to_nothing(self) -> None:
        facts = read_facts(bundle(focus=[{"reference": "urn:uuid:nowhere"}]))
        assert (facts.focus_reference, facts.focus_type, facts.focus_full_url) == ("urn:uuid:nowhere", None, None)

    def test_the_encounter_in_focus_is_marked(self) -> None:
        facts = read_facts(bundle(focus=[{"reference": "Encounter/e-1"}]))
        assert [e.is_focus for e in facts.encounters] == [True, False]

    @pytest.mark.req("CORE-MH-17")
    @pytest.mark.parametrize("value", ["0C4b", "urn:uuid:0C4b", " URN:UUID:0C4b "])
    def test_a_bundle_id_is_compared_without_its_prefix(self, value: str) -> None:
        assert bare_uuid(value) == "0C4b"

    @pytest.mark.req("CORE-BND-08")
    @pytest.mark.parametrize(
        "reference",
        ["EpisodeOfCare/d877b820-e72b-44d1-a627-195f54bfc606", "urn:uuid:D877B820-E72B-44D1-A627-195F54BFC606",
         "d877b820-e72b-44d1-a627-195f54bfc606"],
    )  # fmt: skip
    def test_the_journey_is_the_guid_part_of_its_reference(self, reference: str) -> None:
        facts = edited("Encounter", episodeOfCare=[{"reference": reference}])
        assert facts.journey_id == "d877b820-e72b-44d1-a627-195f54bfc606"

    def test_an_entry_without_full_url_is_still_counted_and_read(self) -> None:
        changed = bundle()
        for each in changed["entry"]:
            del each["fullUrl"]
        facts = read_facts(changed)
        assert (facts.resource_counts["Encounter"], facts.sr_full_url, facts.use_case) == (2, None, "a4t1")


class TestFocusEncounter:
    RESPONDER = EncounterFacts(full_url="urn:uuid:b")
    MINE = EncounterFacts(full_url="urn:uuid:a")

    @pytest.mark.parametrize(
        "own", [OwnEncounters(full_urls=frozenset({"urn:uuid:a"})), NO_OWN_ENCOUNTERS], ids=["known", "unknown"]
    )
    @pytest.mark.parametrize("event", ["servicerequest-request", "servicerequest-response"])
    def test_of_two_encounters_one_is_told_apart_only_when_ours_is_known(self, own: OwnEncounters, event: str) -> None:
        facts = Facts(event=event, encounters=(self.MINE, self.RESPONDER))
        assert focus_encounter(facts, own) == (self.RESPONDER if own.full_urls else None)

    def test_a_focused_encounter_counts_in_a_response_only(self) -> None:
        focused = EncounterFacts(full_url="urn:uuid:c", is_focus=True)
        encounters = (self.MINE, self.RESPONDER, focused)
        own = OwnEncounters(full_urls=frozenset({"urn:uuid:a", "urn:uuid:c"}))
        assert focus_encounter(Facts(event="servicerequest-response", encounters=encounters), own) == focused
        assert focus_encounter(Facts(event="servicerequest-request", encounters=encounters), own) == self.RESPONDER

    def test_without_encounters_there_is_none(self) -> None:
        assert focus_encounter(Facts(event="servicerequest-response")) is None


class TestSystems:
    @pytest.mark.parametrize("spelling", ["{}", " {} ", "HTTP://{}", "http://{}"])
    @pytest.mark.parametrize("system", [systems.SERVICE_ID, systems.ODS_CODE, systems.USE_CASE, systems.HTTP_ERROR])
    def test_known_systems_are_compared_without_scheme_and_case(self, spelling: str, system: str) -> None:
        bare = system if spelling.strip() == "{}" else system.removeprefix("https://")
        assert systems.canonical(spelling.format(bare)) == system
        assert systems.canonical(system.lower()) == system

    def test_unknown_systems_are_left_as_they_are(self) -> None:
        assert systems.canonical("https://Sender.url/Id/case-number") == "https://Sender.url/Id/case-number"

    @pytest.mark.parametrize(
        ("token", "canonical"),
        [
            ("http://fhir.nhs.uk/id/dos-service-id|2000000022", SERVICE),
            ("a|b|c", "a|b|c"),
            ("no pipe ", "no pipe"),
        ],
    )
    def test_a_token_is_split_at_its_last_pipe(self, token: str, canonical: str) -> None:
        assert systems.canonical_token(token) == canonical

    @pytest.mark.parametrize(
        ("token", "is_token"), [(SERVICE, True), ("x", False), ("|x", False), ("x| ", False), ("", False)]
    )
    def test_a_token_has_a_system_and_a_value(self, token: str, is_token: bool) -> None:
        assert systems.is_token(token) is is_token
