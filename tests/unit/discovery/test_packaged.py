"""What ships: the default set is clean, small, marked, and as good as it should be without any other material."""

from __future__ import annotations

import pytest

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.check import check_areas
from cad_bridge.discovery.discover import discover
from cad_bridge.discovery.packaged import (
    ambulance_services,
    data_directory,
    default_set,
    district_table,
    split_areas,
)
from cad_bridge.discovery.query import DiscoveryQuery
from cad_bridge.discovery.reasons import ReasonCode

MEGABYTE = 1_000_000


def test_the_default_set_is_a_clean_partition() -> None:
    boundaries = default_set()
    named = [(service.ods_code, area) for service, area in zip(boundaries.services, boundaries.areas, strict=True)]
    assert check_areas(named).lines()[len(named) :] == []


def test_the_default_set_is_marked_attributed_and_small() -> None:
    provenance = default_set().provenance
    assert not provenance.operational
    assert "Open Government Licence" in provenance.attribution
    assert "not for operational use" in provenance.note.lower()
    assert all(source.licence and source.version and len(source.sha256) == 64 for source in provenance.sources)
    notice = " ".join((data_directory() / "ATTRIBUTION.md").read_text(encoding="utf-8").split())
    assert "Contains Royal Mail data" in notice
    assert sum(file.stat().st_size for file in data_directory().rglob("*") if file.is_file()) < 3 * MEGABYTE


def test_the_tables_agree_with_each_other() -> None:
    services, table = ambulance_services(), district_table()
    assigned = {entry.ods_code for code in table.current_codes for entry in table.assignments(code)}
    assert assigned == set(services) == {service.ods_code for service in default_set().services}
    assert len(services) == 14
    assert len(table.current_codes) == 361
    parts = {(code, entry.part) for code in table.current_codes for entry in table.assignments(code) if entry.part}
    assert parts == {(split.district_code, split.part) for split in split_areas()}
    assert {code for code, _ in parts} == {"E07000037", "E07000089"}


def test_codes_that_nobody_published_are_marked() -> None:
    assert {code for code, service in ambulance_services().items() if service.code_status == "placeholder"} == {
        "NIAS",
        "SAS",
    }


@pytest.mark.parametrize(
    ("place", "lat", "lon", "ods_code"),
    [
        ("Leeds", "53.7975", "-1.5436", "RX8"),
        ("Berwick-upon-Tweed", "55.7692", "-2.0040", "RX6"),
        ("Carlisle", "54.8925", "-2.9329", "RX7"),
        ("Glossop", "53.4434", "-1.9490", "RX7"),
        ("Buxton", "53.2592", "-1.9107", "RX9"),
        ("Fleet", "51.2834", "-0.8456", "RYD"),
        ("Hook", "51.2833", "-0.9620", "RYE"),
        ("Milton Keynes", "52.0406", "-0.7594", "RYE"),
        ("Swindon", "51.5558", "-1.7797", "RYF"),
        ("Newport, Isle of Wight", "50.7005", "-1.2910", "R1F"),
        ("Cardiff", "51.4816", "-3.1791", "RT4"),
        ("Lerwick", "60.1550", "-1.1450", "SAS"),
        ("Belfast", "54.5973", "-5.9301", "NIAS"),
        ("Stoke-on-Trent", "53.0027", "-2.1794", "RYA"),
        ("Norwich", "52.6309", "1.2974", "RYC"),
        ("Charing Cross", "51.5080", "-0.1247", "RRU"),
    ],
)
def test_towns_are_served_by_whom_they_are_served(
    default_index: BoundaryIndex, place: str, lat: str, lon: str, ods_code: str
) -> None:
    answer = discover(DiscoveryQuery(lat=lat, lon=lon), default_index)
    assert answer.ast is not None, place
    assert answer.ast.ods_code == ods_code
    assert answer.has(ReasonCode.ILLUSTRATIVE)


@pytest.mark.parametrize(
    ("place", "lat", "lon"),
    [
        ("Dublin", "53.3498", "-6.2603"),
        ("Dundalk", "54.0040", "-6.4040"),
        ("Letterkenny", "54.9500", "-7.7333"),
        ("Douglas, Isle of Man", "54.1500", "-4.4820"),
        ("St Helier, Jersey", "49.1860", "-2.1100"),
        ("Calais", "50.9513", "1.8587"),
        ("Dogger Bank", "55.0000", "2.3000"),
    ],
)
def test_places_elsewhere_are_nobody_s(default_index: BoundaryIndex, place: str, lat: str, lon: str) -> None:
    answer = discover(DiscoveryQuery(lat=lat, lon=lon), default_index)
    assert answer.ast is None, place
    assert answer.outcome == "none"


def test_nothing_is_approximated_across_the_irish_border(default_index: BoundaryIndex) -> None:
    """Walking east from Donegal into Tyrone: nothing, then found, and never off a coast in between."""
    outcomes = [
        discover(DiscoveryQuery(lat="54.70", lon=f"{-8.2 + step / 1000:.3f}"), default_index).outcome
        for step in range(600)
    ]
    assert "approximate" not in outcomes
    assert outcomes[0] == "none"
    assert outcomes[-1] == "found"
