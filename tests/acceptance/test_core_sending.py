"""What leaves us, as the BaRS proxy sees it: ids of a conversation, answers, versions, and nothing past the proxy."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from cad_bridge.protocol.definitions import definition_for
from cad_bridge.sandbox import plans
from cad_bridge.sandbox.journal import JournalEntry
from cad_bridge.sandbox.outcomes import conflict
from cad_bridge.sandbox.plans import Script
from cad_bridge.sandbox.server import CasConfig
from tests.service import CLINICIAN_KEY, OUR_CAS, REMOTE_CAS, Running, request_body, until, with_sandbox

SILENT = CasConfig(script=Script(plans.silent()))


def _journal(running: Running) -> list[JournalEntry]:
    assert running.sandbox is not None
    return list(running.sandbox.journal.entries)


def _posts(running: Running) -> list[JournalEntry]:
    return [entry for entry in _journal(running) if entry.method == "POST"]


async def _count_of_posts(running: Running, count: int) -> list[JournalEntry]:
    """The messages that passed the proxy, as soon as there are so many."""

    async def look() -> list[JournalEntry] | None:
        posts = _posts(running)
        return posts if len(posts) == count else None

    found: list[JournalEntry] = await until(look, f"{count} messages at the proxy")
    return found


def _ids(entry: JournalEntry) -> tuple[str, str]:
    return entry.request_headers["x-request-id"], entry.request_headers["x-correlation-id"]


def _resource(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)
    return found


async def _delivered(running: Running) -> dict[str, Any]:
    case = await running.open_case()
    return await running.state(case["id"], "pending")


def _decoded(entry: JournalEntry, name: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.b64decode(entry.request_headers[name], validate=True))
    return decoded


@pytest.mark.req("CORE-HDR-04", "CORE-TI-01", "CORE-HDR-13")
async def test_every_call_has_both_ids_and_names_the_version_of_core(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        cases = [await _delivered(running) for _ in range(2)]
        seen = _journal(running)
        assert {entry.method for entry in seen} == {"GET", "POST"}
        for entry in seen:
            assert all(str(UUID(id_)) == id_ for id_ in _ids(entry))
            assert entry.request_headers["accept"] == "application/fhir+json; version=1.1.0"
            answered = {name.lower(): value for name, value in entry.response_headers.items()}
            assert (answered["x-request-id"], answered["x-correlation-id"]) == _ids(entry)
        assert len({_ids(entry)[1] for entry in _posts(running)}) == len(cases), "fresh for each conversation"


@pytest.mark.req("CORE-HDR-01", "CORE-HDR-02", "CORE-MH-03")
async def test_every_call_names_its_target_as_the_message_does(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        await _delivered(running)
        (post,) = _posts(running)
        destination = _resource(json.loads(post.request_body), "MessageHeader")["destination"][0]
        for entry in _journal(running):
            target = _decoded(entry, "nhsd-target-identifier")
            assert f"{target['system']}|{target['value']}" == destination["endpoint"] == REMOTE_CAS
        assert destination["receiver"]["reference"] in {e["fullUrl"] for e in json.loads(post.request_body)["entry"]}


@pytest.mark.req("CORE-HDR-06", "CORE-HDR-07", "CORE-HDR-17")
async def test_every_call_says_who_asks_and_with_what(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        await _delivered(running)
        for entry in _journal(running):
            organisation = _decoded(entry, "nhsd-end-user-organisation")
            assert (organisation["resourceType"], organisation["identifier"][0]["value"]) == ("Organization", "RX8")
            assert organisation["name"]
            software = _decoded(entry, "nhsd-requesting-software")
            assert (software["resourceType"], bool(software["identifier"])) == ("Device", True)
            context = entry.request_headers.get("use-context")
            assert context == ("a4t1|validation|servicerequest-request|new" if entry.method == "POST" else None)
            assert entry.request_headers["authorization"] == "Bearer", "the journal leaves the token out"


@pytest.mark.req("CORE-TI-05", "CORE-CAN-13", "CORE-CAN-14")
async def test_a_conversation_keeps_its_correlation_id_and_every_message_has_an_id_of_its_own(
    database_url: str,
) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        body = request_body()
        case = (await running.api("POST", "/validation-requests", json=body)).json()
        await running.state(case["id"], "pending")
        changed = body | {"presenting_complaint": "Palpitations, now dizzy"}
        await running.api("POST", f"/cases/{case['id']}/update", json=changed)
        await running.event(case["id"], "case.updated")
        await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Patient called back"})
        await _count_of_posts(running, 3)
        seen = _journal(running)
        kinds = [entry.path.rpartition("/")[2] for entry in seen[-4:]]
        assert [entry.method for entry in seen[-4:]] == ["GET", "POST", "GET", "POST"], kinds
        assert len({correlation for _, correlation in map(_ids, seen)}) == 1, "reads are part of the conversation"
        assert len({request for request, _ in map(_ids, seen)}) == len(seen), "each has a request id of its own"
        for entry in seen:
            assert UUID(_ids(entry)[0]) != UUID(_ids(entry)[1])


@pytest.mark.req("CORE-TI-06", "CORE-MH-12")
async def test_a_response_names_the_request_that_it_answers(database_url: str) -> None:
    async with with_sandbox(database_url) as running:
        assert running.sandbox is not None
        requested = await running.sandbox.requester.send_validation(OUR_CAS)
        case = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"][0]
        practitioner = {"sds_role_profile_id": "PT1", "name": {"family": "Nurse", "given": ["Nell"]}, "role": "Nurse"}
        started = {"practitioner": practitioner}
        for action in ("accept", "start"):
            answer = await running.api("POST", f"/cases/{case['id']}/{action}", key=CLINICIAN_KEY, json=started)
            assert answer.status_code == 200, answer.text
        arrived = await until(lambda: _first(requested.responses), "the interim response")
        request, response = await _count_of_posts(running, 2)
        assert _ids(response)[1] == _ids(request)[1] == requested.correlation_id
        assert _ids(response)[0] != _ids(request)[0]
        header = _resource(json.loads(response.request_body), "MessageHeader")
        assert header["response"] == {"identifier": requested.bundle_id, "code": "ok"}
        assert arrived.bundle == json.loads(response.request_body)


async def _first(found: list[Any]) -> Any:
    return found[0] if found else None


@pytest.mark.req("CORE-TI-07", "CORE-TI-08", "CORE-BND-08")
async def test_a_case_that_is_referred_onward_keeps_its_correlation_id(database_url: str) -> None:
    """A CAD that names the journey of an earlier case goes on with its conversation, to any service."""
    async with with_sandbox(database_url, cas=SILENT) as running:
        first = await _delivered(running)
        onward = request_body(journey_id=first["journey_id"], use_case="a4t1", receiver=REMOTE_CAS)
        second = (await running.api("POST", "/validation-requests", json=onward)).json()
        await running.state(second["id"], "pending")
        other = await _delivered(running)
        earlier, later, strange = await _count_of_posts(running, 3)
        assert _ids(later)[1] == _ids(earlier)[1]
        assert _ids(later)[0] != _ids(earlier)[0]
        assert _ids(strange)[1] != _ids(earlier)[1], other["id"]
        journeys = [
            _resource(json.loads(entry.request_body), "Encounter")["episodeOfCare"] for entry in (earlier, later)
        ]
        assert journeys[0] == journeys[1] == [{"reference": f"EpisodeOfCare/{first['journey_id']}"}]


@pytest.mark.req("CORE-WF-10")
async def test_everything_goes_to_the_proxy(database_url: str) -> None:
    """Requests, reads and responses: the other systems see nothing that the proxy did not hand on."""
    async with with_sandbox(database_url, cas=SILENT) as running:
        assert running.sandbox is not None
        case = await _delivered(running)
        await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Patient called back"})
        await running.event(case["id"], "case.updated")
        arrivals = [arrival.request_id for arrival in running.sandbox.cas.arrivals]
        assert arrivals == [_ids(entry)[0] for entry in _posts(running)]
        assert all(entry.service == REMOTE_CAS for entry in _journal(running))


@pytest.mark.req("CORE-VER-08", "CORE-CN-19")
async def test_a_message_has_the_version_of_the_definition_asked_for_and_nothing_it_does_not_list(
    database_url: str,
) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        await _delivered(running)
        offered = next(e for e in _journal(running) if e.path.endswith("/MessageDefinition"))
        definitions = [entry["resource"] for entry in json.loads(offered.response_body)["entry"]]
        bundle = json.loads(_posts(running)[0].request_body)
        cited = _resource(bundle, "MessageHeader")["definition"]
        chosen = next(item for item in definitions if item["url"] == cited)
        assert bundle["meta"]["versionId"] == chosen["version"]
        known = definition_for(cited)
        assert known is not None
        types = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
        assert set(types) <= {allowed.type for allowed in known.resources}
        assert [a.type for a in known.resources if a.type != "Bundle" and types.count(a.type) < a.min] == []


@pytest.mark.req("CORE-CAN-02", "CORE-CAN-11", "HAZ-H07-04")
async def test_what_is_no_longer_current_there_is_not_cancelled_and_the_user_is_told(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        assert running.sandbox is not None
        case = await _delivered(running)
        for held in running.sandbox.cas.cases:
            held.request_status = "completed"
        answer = await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Patient called back"})
        assert answer.status_code == 202
        raised = await running.event(case["id"], "escalation.raised")
        assert [entry.method for entry in _posts(running)] == ["POST"], "only the request was ever posted"
        assert "no longer current" in json.dumps(raised)


@pytest.mark.req("CORE-CAN-11", "CORE-UPD-08", "HAZ-H04-06")
@pytest.mark.parametrize("action", ["cancel", "update"])
async def test_the_user_is_told_that_the_other_side_would_not_have_it(
    database_url: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        assert running.sandbox is not None
        body = request_body()
        case = (await running.api("POST", "/validation-requests", json=body)).json()
        await running.state(case["id"], "pending")

        async def refuses(_: object) -> None:
            raise conflict("conflict", "Changed here")

        monkeypatch.setattr(running.sandbox.cas, action, refuses)
        sent = {"reason": "Patient called back"} if action == "cancel" else body | {"presenting_complaint": "Dizzy"}
        await running.api("POST", f"/cases/{case['id']}/{action}", json=sent)
        raised = await running.event(case["id"], "escalation.raised")
        assert raised["data"]["reason"], raised
        before = len(_posts(running))
        again = body | {"presenting_complaint": "Dizzy, and worse"}
        if action == "update":
            assert (await running.api("POST", f"/cases/{case['id']}/update", json=again)).status_code == 202
            *_, refused, anew = await _count_of_posts(running, before + 1)
            assert _ids(anew)[0] != _ids(refused)[0]


@pytest.mark.req("CORE-SYNC-03")
async def test_the_responders_case_number_is_shown(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        assert running.sandbox is not None
        case = await _delivered(running)
        number = next(iter(running.sandbox.cas.cases)).case_number
        assert case["remote_case_number"] == number
        acknowledged = await running.event(case["id"], "case.acknowledged")
        assert number in json.dumps(acknowledged["data"])
