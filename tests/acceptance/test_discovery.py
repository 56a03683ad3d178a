"""`/api/v1/discovery`: whose place is this, over real HTTP, while boundary sets change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import shapely

from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.settings import ConfigurationError
from tests.service import CLINICIAN_KEY, EOC, Running, configuration, serving, until
from tests.unit.discovery.ground import ground

NOWHERE = "http://127.0.0.1:9"
LEEDS = {"lat": "53.7975", "lon": "-1.5436"}
ON_GROUND = {"easting": "410000", "northing": "310000", "crs": "osgb"}


@asynccontextmanager
async def quiet(database_url: str, **more: Any) -> AsyncIterator[Running]:
    """A service that asks nobody and does nothing by itself."""
    async with serving(configuration(base_url=NOWHERE), database_url, background=False, **more) as running:
        yield running


async def ask(running: Running, **params: str) -> dict[str, Any]:
    answer = await running.api("GET", "/discovery", params=params)
    assert answer.status_code == 200, answer.text
    asked: dict[str, Any] = answer.json()
    return asked


@pytest.mark.req("APP6-REF-11")
async def test_the_answer_is_that_of_the_contract(database_url: str) -> None:
    async with quiet(database_url) as running:
        answer = await ask(running, **LEEDS, postcode="LS1 4AP")
        assert set(answer) == {"outcome", "ast", "border_m", "neighbours", "reasons", "boundary_version"}
        assert answer["outcome"] == "found"
        assert answer["ast"] == {
            "ods_code": "RX8",
            "name": "Yorkshire Ambulance Service NHS Trust",
            "service_id": None,
        }
        assert answer["border_m"] > 30_000
        assert any(reason.startswith("sources-agree:") for reason in answer["reasons"])
        posted = await running.api("POST", "/discovery", json={**LEEDS, "postcode": "LS1 4AP"})
        assert posted.json() == answer


async def test_both_grids_are_asked_for_by_name(database_url: str) -> None:
    async with quiet(database_url) as running:
        british = await ask(running, easting="430160", northing="433562", crs="osgb")
        irish = await ask(running, easting="333900", northing="374400", crs="irish")
        assert (british["ast"]["ods_code"], irish["ast"]["ods_code"]) == ("RX8", "NIAS")
        unnamed = await ask(running, easting="430160", northing="433562")
        assert (unnamed["outcome"], unnamed["reasons"][0].split(":")[0]) == ("rejected", "crs-missing")


@pytest.mark.req("HAZ-H04-03")
async def test_a_swapped_pair_is_rejected_and_not_corrected(database_url: str) -> None:
    async with quiet(database_url) as running:
        swapped = await ask(running, lat="-1.5436", lon="53.7975")
        assert (swapped["outcome"], swapped["ast"]) == ("rejected", None)
        assert swapped["reasons"][0].startswith("swapped:")


async def test_digits_tell_how_precise_a_place_is(database_url: str) -> None:
    """Text keeps its precision in the query and in a posted body; a JSON number is exact."""
    near = {"lat": "53.7", "lon": "-2.0"}
    async with quiet(database_url) as running:
        coarse = await ask(running, **near)
        posted = await running.api("POST", "/discovery", json=near)
        exact = await running.api("POST", "/discovery", json={"lat": 53.7, "lon": -2.0})
        assert posted.json() == coarse
        assert coarse["outcome"] == "ambiguous"
        assert any(reason.startswith("input-coarse:") for reason in coarse["reasons"])
        assert exact.json()["border_m"] == coarse["border_m"]
        assert exact.json()["outcome"] == "found"


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("GET", {"params": {"latitude": "53.8"}}),
        ("GET", {"params": [("lat", "53.8"), ("lat", "55.0"), ("lon", "-1.5")]}),
        ("POST", {"json": {"lat": True}}),
        ("POST", {"json": {"lat": [53.8]}}),
        ("POST", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    ],
)
async def test_a_question_that_cannot_be_understood_is_a_problem(
    database_url: str, method: str, more: dict[str, Any]
) -> None:
    async with quiet(database_url) as running:
        answer = await running.api(method, "/discovery", **more)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert "53.8" not in answer.text


async def test_only_clients_may_ask(database_url: str) -> None:
    async with quiet(database_url) as running:
        answer = await running.api("GET", "/discovery", params=LEEDS, key="nobody")
        assert answer.status_code == 401
        assert (await running.api("GET", "/discovery", params=LEEDS, key=CLINICIAN_KEY)).status_code == 200


async def test_a_place_is_never_logged(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with quiet(database_url) as running:
            await running.api("POST", "/discovery", json={**LEEDS, "postcode": "LS1 4AP"})
            await running.api("POST", "/discovery", json={"lat": "53.7975", "lon": "nowhere"})
    ours = [record.getMessage() + str(vars(record)) for record in caplog.records if record.name.startswith("cad_")]
    assert not [line for line in ours if "53.797" in line or "LS1" in line]


async def test_the_answer_names_the_service_that_takes_referrals(database_url: str) -> None:
    remote = {"id": f"{EOC[:-2]}77", "ods_code": "RX8", "name": "Yorkshire", "use_cases": ["a6t1"]}
    config = configuration(base_url=NOWHERE, remote=[remote])
    async with serving(config, database_url, background=False) as running:
        answer = await ask(running, **LEEDS)
        assert answer["ast"]["service_id"] == remote["id"]


async def test_a_uprn_is_looked_up_in_the_configured_table(database_url: str, tmp_path: Path) -> None:
    from cad_bridge.discovery.uprn import import_open_uprn

    source = tmp_path / "open-uprn.csv"
    source.write_text("UPRN,X_COORDINATE,Y_COORDINATE\n72000001,430160.00,433562.00\n")
    import_open_uprn(source, tmp_path / "uprn.table")
    config = configuration(base_url=NOWHERE, discovery={"uprn_table": str(tmp_path / "uprn.table")})
    async with serving(config, database_url, background=False) as running:
        assert (await ask(running, uprn="072000001"))["ast"]["ods_code"] == "RX8"
        elsewhere = await ask(running, uprn="72000001", postcode="EX1 1AA")
        assert elsewhere["outcome"] == "rejected"


async def test_a_table_that_is_none_stops_the_start(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "uprn.table").write_bytes(b"not a table")
    config = configuration(base_url=NOWHERE, discovery={"uprn_table": str(tmp_path / "uprn.table")})
    with pytest.raises(ConfigurationError, match=r"discovery\.uprn_table"):
        async with serving(config, database_url, background=False):
            pass


# --- boundary sets that change ---------------------------------------------------------------------------


def libraries(data_dir: Path) -> tuple[BoundaryLibrary, str, str]:
    """A library with two sets, in which AAA and BBB have each other's ground."""
    library = BoundaryLibrary(data_dir / "boundaries")
    exchanged = {
        "AAA": shapely.box(420_000, 300_000, 440_000, 320_000),
        "BBB": shapely.box(400_000, 300_000, 420_000, 320_000),
    }
    first, second = library.install(ground()), library.install(ground(name="exchanged", areas=exchanged))
    library.put_in_force(first)
    return library, first, second


async def test_a_set_that_is_put_in_force_answers_within_seconds(database_url: str, tmp_path: Path) -> None:
    library, first, second = libraries(tmp_path)
    async with quiet(database_url, data_dir=tmp_path) as running:
        before = await ask(running, **ON_GROUND)
        assert (before["boundary_version"], before["ast"]["ods_code"]) == (first, "AAA")
        library.put_in_force(second)
        assert running.service.boundaries is not None
        await running.service.boundaries.look()
        after = await ask(running, **ON_GROUND)
        assert (after["boundary_version"], after["ast"]["ods_code"]) == (second, "BBB")
        assert running.service.engine.discovery.boundaries.versions == (first, second)
        assert library.versions == tuple(sorted((first, second)))


async def test_a_swap_under_load_gives_no_error_and_no_mix(database_url: str, tmp_path: Path) -> None:
    """The service follows the pointer by itself; every answer fits the version that it names."""
    library, first, second = libraries(tmp_path)
    holds = {first: "AAA", second: "BBB"}
    config = configuration(base_url=NOWHERE)
    async with serving(config, database_url, data_dir=tmp_path) as running:
        seen: list[tuple[str, str]] = []
        stop = asyncio.Event()

        async def keep_asking() -> None:
            while not stop.is_set():
                answer = await ask(running, **ON_GROUND)
                seen.append((answer["boundary_version"], answer["ast"]["ods_code"]))

        askers = [asyncio.create_task(keep_asking()) for _ in range(4)]
        for version in (second, first, second):
            library.put_in_force(version)

            async def answered(version: str = version) -> bool:
                return bool(seen) and seen[-1][0] == version

            await until(answered, "an answer by the new set")
        stop.set()
        await asyncio.gather(*askers)
    assert {version for version, _ in seen} == {first, second}
    assert [pair for pair in seen if holds[pair[0]] != pair[1]] == []


async def test_a_set_that_cannot_be_used_changes_nothing(database_url: str, tmp_path: Path) -> None:
    library, first, second = libraries(tmp_path)
    async with quiet(database_url, data_dir=tmp_path) as running:
        library.put_in_force(second)
        areas = tmp_path / "boundaries" / second / "areas.wkb"
        whole = areas.read_bytes()
        areas.write_bytes(whole[:-8])
        watch = running.service.boundaries
        assert watch is not None
        await watch.look()
        assert (await ask(running, **ON_GROUND))["boundary_version"] == first
        assert watch.refused == second
        metrics = (await running.client.get(f"{running.url}/metrics")).text
        assert "cad_bridge_boundary_set_refused 1.0" in metrics
        areas.write_bytes(whole)
        await watch.look()
        assert (await ask(running, **ON_GROUND))["boundary_version"] == second
        assert watch.refused is None


async def test_a_service_does_not_start_on_a_set_that_cannot_be_used(database_url: str, tmp_path: Path) -> None:
    library, first, _ = libraries(tmp_path)
    areas = tmp_path / "boundaries" / first / "areas.wkb"
    areas.write_bytes(areas.read_bytes()[:-8])
    assert library.current_version == first
    with pytest.raises(ConfigurationError, match="boundary set in force"):
        async with quiet(database_url, data_dir=tmp_path):
            pass


async def test_health_names_the_boundaries_in_force(database_url: str, tmp_path: Path) -> None:
    _, first, _ = libraries(tmp_path)
    async with quiet(database_url, data_dir=tmp_path) as running:
        health = (await running.client.get(f"{running.url}/health/failsafe")).json()
        assert health["boundary_version"] == first
        assert health["endpoints"] == []
