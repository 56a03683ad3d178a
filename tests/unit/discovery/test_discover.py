"""Questions and answers: every outcome, with what it says and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.discovery.answer import DiscoveryAnswer, Outcome
from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.crs import GridPoint, to_wgs84, wgs84_to_irish
from cad_bridge.discovery.discover import discover
from cad_bridge.discovery.packaged import outward_codes
from cad_bridge.discovery.query import DiscoveryQuery, LocationSources, ResolvedPlace
from cad_bridge.discovery.reasons import ReasonCode
from tests.unit.discovery.ground import index

POSTCODES = LocationSources(postcodes=outward_codes())


def ask(boundaries: BoundaryIndex, **query: Any) -> DiscoveryAnswer:
    return discover(DiscoveryQuery(**query), boundaries)


def ask_grid(boundaries: BoundaryIndex, easting: float, northing: float, **query: Any) -> DiscoveryAnswer:
    return ask(boundaries, easting=easting, northing=northing, crs="osgb", **query)


def codes(answer: DiscoveryAnswer) -> list[str]:
    return [str(reason.code) for reason in answer.reasons]


@pytest.mark.req("APP6-REF-11")
def test_found(squares_index: BoundaryIndex) -> None:
    answer = ask_grid(squares_index, 417_000, 310_000)
    assert answer.as_dict() == {
        "outcome": "found",
        "ast": {"ods_code": "AAA", "name": "AAA Ambulance Service", "service_id": None},
        "border_m": 3000.0,
        "neighbours": [{"ods_code": "BBB", "distance_m": 3000.0}],
        "reasons": ["inside: the place lies in the area of AAA Ambulance Service"],
        "boundary_version": squares_index.version,
    }
    assert answer.is_certain


def test_far_from_every_border_no_neighbour_is_named_but_the_distance_is(squares_index: BoundaryIndex) -> None:
    answer = ask_grid(squares_index, 410_000, 310_000)
    assert (answer.neighbours, answer.border_m) == ((), 10_000.0)


@pytest.mark.parametrize(("east_of_border", "outcome"), [(-101, "found"), (-100, "ambiguous"), (0, "ambiguous")])
def test_within_100_m_of_a_border_is_ambiguous(
    squares_index: BoundaryIndex, east_of_border: float, outcome: str
) -> None:
    answer = ask_grid(squares_index, 420_000 + east_of_border, 310_000)
    assert answer.outcome == outcome
    assert answer.ast is not None
    assert answer.ast.ods_code == "AAA"
    assert answer.neighbours[0].ods_code == "BBB"
    assert (ReasonCode.NEAR_BORDER in codes(answer)) == (outcome == "ambiguous")


def test_a_point_on_the_border_is_the_lower_code_s_and_ambiguous(squares_index: BoundaryIndex) -> None:
    answer = ask_grid(squares_index, 420_000, 305_000)
    assert (answer.outcome, answer.border_m) == (Outcome.AMBIGUOUS, 0.0)
    assert answer.ast is not None
    assert answer.ast.ods_code == "AAA"


@pytest.mark.parametrize(("uncertainty_m", "outcome"), [(2999, Outcome.FOUND), (3000, Outcome.AMBIGUOUS)])
def test_input_coarser_than_the_distance_is_ambiguous(
    squares_index: BoundaryIndex, uncertainty_m: float, outcome: Outcome
) -> None:
    answer = ask_grid(squares_index, 417_000, 310_000, uncertainty_m=uncertainty_m)
    assert answer.outcome is outcome
    assert (ReasonCode.INPUT_COARSE in codes(answer)) == (outcome is Outcome.AMBIGUOUS)


@pytest.mark.parametrize(("decimals", "outcome"), [(1, Outcome.AMBIGUOUS), (2, Outcome.FOUND), (6, Outcome.FOUND)])
def test_few_decimals_are_coarse(squares_index: BoundaryIndex, decimals: int, outcome: Outcome) -> None:
    place = to_wgs84(GridPoint(416_000, 310_000))
    answer = ask(squares_index, lat=f"{place.lat:.{decimals}f}", lon=f"{place.lon:.{decimals}f}")
    assert answer.outcome is outcome


def test_coarse_input_names_all_that_it_may_mean(squares_index: BoundaryIndex) -> None:
    answer = ask_grid(squares_index, 410_000, 310_000, uncertainty_m=11_000)
    assert [near.ods_code for near in answer.neighbours] == ["BBB", "CCC"]


@pytest.mark.parametrize(
    ("easting", "northing", "outcome", "ods_code"),
    [
        (430_000, 299_751, Outcome.APPROXIMATE, "BBB"),
        (430_000, 299_749, Outcome.NONE, None),
        (440_250, 310_000, Outcome.APPROXIMATE, "BBB"),
        (410_000, 320_040, Outcome.APPROXIMATE, "AAA"),
        (410_000, 320_260, Outcome.APPROXIMATE, "CCC"),
        (410_000, 320_120, Outcome.AMBIGUOUS, "AAA"),
        (410_000, 320_150, Outcome.AMBIGUOUS, "AAA"),
        (410_000, 320_180, Outcome.AMBIGUOUS, "CCC"),
        (500_000, 500_000, Outcome.NONE, None),
    ],
)
def test_off_the_coast_and_in_a_river(
    squares_index: BoundaryIndex, easting: float, northing: float, outcome: Outcome, ods_code: str | None
) -> None:
    answer = ask_grid(squares_index, easting, northing)
    assert answer.outcome is outcome
    assert (answer.ast.ods_code if answer.ast else None) == ods_code
    assert not answer.is_certain


def test_nothing_is_approximated_beside_a_foreign_border(squares_index: BoundaryIndex) -> None:
    answer = ask_grid(squares_index, 399_900, 310_000)
    assert (answer.outcome, answer.ast, answer.border_m) == (Outcome.NONE, None, None)
    assert codes(answer) == ["foreign-border"]
    assert [near.ods_code for near in answer.neighbours] == ["AAA"]
    assert ask_grid(squares_index, 399_900, 318_000).outcome is Outcome.APPROXIMATE


@pytest.mark.parametrize(
    ("east_of_border", "uncertainty_m", "outcome"),
    [(101, 0, "found"), (100, 0, "ambiguous"), (1500, 1499, "found"), (1500, 1500, "ambiguous")],
)
def test_inside_beside_a_foreign_border_is_ours_and_near_it_in_doubt(
    squares_index: BoundaryIndex, east_of_border: float, uncertainty_m: float, outcome: str
) -> None:
    answer = ask_grid(squares_index, 400_000 + east_of_border, 310_000, uncertainty_m=uncertainty_m)
    assert answer.outcome == outcome
    assert answer.ast is not None
    assert answer.ast.ods_code == "AAA"
    assert (ReasonCode.FOREIGN_BORDER in codes(answer)) == (outcome == "ambiguous")


def test_an_edge_that_is_no_foreign_border_is_a_coast(squares_index: BoundaryIndex) -> None:
    """Beyond the reach of the border an edge without a neighbour is no reason to doubt."""
    assert ask_grid(squares_index, 400_050, 318_000).outcome is Outcome.FOUND


def test_a_coarse_place_off_the_coast_says_what_it_may_mean(squares_index: BoundaryIndex) -> None:
    answer = ask_grid(squares_index, 443_000, 310_000, uncertainty_m=3000)
    assert answer.outcome is Outcome.NONE
    assert codes(answer) == ["outside-all", "input-coarse"]
    assert codes(ask_grid(squares_index, 443_000, 310_000, uncertainty_m=2999)) == ["outside-all"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "no-location"),
        ({"lat": "53.8"}, "incomplete"),
        ({"lon": "-1.5"}, "incomplete"),
        ({"easting": "430160", "crs": "osgb"}, "incomplete"),
        ({"easting": "430160", "northing": "433562"}, "crs-missing"),
        ({"lat": "-1.5", "lon": "53.8"}, "swapped"),
        ({"lat": "53.8", "lon": "-1.5", "uncertainty_m": -1.0}, "uncertainty-absurd"),
        ({"postcode": "LS1 4AP", "uncertainty_m": -1.0}, "uncertainty-absurd"),
        ({"lat": "-1.5", "lon": "53.8", "easting": "430160", "northing": "433562", "crs": "osgb"}, "swapped"),
        ({"lat": "53.8", "lon": "-1.5", "easting": "0.43", "northing": "0.43", "crs": "osgb"}, "grid-absurd"),
        ({"uprn": "100"}, "no-location"),
    ],
)
def test_rejected(squares_index: BoundaryIndex, query: dict[str, Any], code: str) -> None:
    answer = ask(squares_index, **query)
    assert answer.outcome is Outcome.REJECTED
    assert (answer.ast, answer.border_m, answer.neighbours) == (None, None, ())
    assert codes(answer) == [code]
    assert answer.boundary_version == squares_index.version


LEEDS = {"lat": "53.7975", "lon": "-1.5436"}


def test_agreeing_sources_are_named(default_index: BoundaryIndex) -> None:
    query = DiscoveryQuery(**LEEDS, easting="430160", northing="433562", crs="osgb", postcode="ls1 4ap")
    answer = discover(query, default_index, sources=POSTCODES)
    assert answer.outcome is Outcome.FOUND
    assert [str(reason) for reason in answer.reasons if reason.code is ReasonCode.SOURCES_AGREE] == [
        "sources-agree: compared: latitude and longitude, easting and northing, postcode"
    ]


def test_a_lost_minus_sign_shows_against_the_grid(default_index: BoundaryIndex) -> None:
    answer = ask(default_index, lat="52.63", lon="1.13", easting="458900", northing="304200", crs="osgb")
    assert answer.outcome is Outcome.REJECTED
    assert "lost-minus-sign" in codes(answer)


def test_a_lost_minus_sign_shows_against_the_postcode(default_index: BoundaryIndex) -> None:
    """Leicester without its minus sign is in Norfolk."""
    query = DiscoveryQuery(lat="52.6369", lon="1.1398", postcode="LE1 5WW")
    assert codes(discover(query, default_index, sources=POSTCODES))[0] == "lost-minus-sign"


def test_a_lost_minus_sign_is_refused_even_where_both_places_are_one_service_s(default_index: BoundaryIndex) -> None:
    query = DiscoveryQuery(lat="51.5", lon="0.12", postcode="SW1A 1AA")
    answer = discover(query, default_index, sources=POSTCODES)
    assert answer.outcome is Outcome.REJECTED
    assert codes(answer)[0] == "lost-minus-sign"


def test_exchanged_easting_and_northing_show_against_lat_lon(default_index: BoundaryIndex) -> None:
    answer = ask(default_index, **LEEDS, easting="433562", northing="430160", crs="osgb")
    assert codes(answer)[0] == "grid-swapped"


def test_the_other_grid_shows_against_lat_lon(default_index: BoundaryIndex) -> None:
    belfast = {"lat": "54.597", "lon": "-5.93"}
    easting, northing = (f"{value:.0f}" for value in wgs84_to_irish(54.597, -5.93))
    assert ask(default_index, **belfast, easting=easting, northing=northing, crs="irish").outcome is Outcome.FOUND
    wrong = ask(default_index, **belfast, easting=easting, northing=northing, crs="osgb")
    assert (wrong.outcome, codes(wrong)[0]) == (Outcome.REJECTED, "grid-other-crs")
    british = ask(default_index, **LEEDS, easting="430160", northing="433562", crs="irish")
    assert british.outcome is Outcome.REJECTED


def test_sources_with_different_services_are_rejected_with_both(default_index: BoundaryIndex) -> None:
    query = DiscoveryQuery(**LEEDS, postcode="M1 1AE")
    answer = discover(query, default_index, sources=POSTCODES)
    assert answer.outcome is Outcome.REJECTED
    told = " ".join(reason.text for reason in answer.reasons)
    assert "Yorkshire Ambulance Service" in told
    assert "North West Ambulance Service" in told
    assert len(answer.readings) == 2


def test_sources_apart_with_one_service_are_answered_and_told(default_index: BoundaryIndex) -> None:
    query = DiscoveryQuery(**LEEDS, postcode="S1 2HH")
    answer = discover(query, default_index, sources=POSTCODES)
    assert answer.outcome is Outcome.FOUND
    assert "sources-disagree" in codes(answer)
    assert not answer.is_certain


@pytest.mark.parametrize(
    ("postcode", "sources", "code"),
    [
        ("LS1 4AP", LocationSources(), "postcode-unchecked"),
        ("ZZ99 9ZZ", POSTCODES, "postcode-unknown"),
        ("nonsense", POSTCODES, "postcode-unknown"),
    ],
)
def test_a_postcode_that_can_t_be_checked_is_said(
    default_index: BoundaryIndex, postcode: str, sources: LocationSources, code: str
) -> None:
    answer = discover(DiscoveryQuery(**LEEDS, postcode=postcode), default_index, sources=sources)
    assert answer.outcome is Outcome.FOUND
    assert code in codes(answer)


def test_a_postcode_of_northern_ireland_is_compared(default_index: BoundaryIndex) -> None:
    belfast = {"easting": "333900", "northing": "374400", "crs": "irish"}
    agreed = discover(DiscoveryQuery(**belfast, postcode="BT1 5GS"), default_index, sources=POSTCODES)
    assert agreed.outcome is Outcome.FOUND
    assert "sources-agree" in codes(agreed)
    elsewhere = discover(DiscoveryQuery(**LEEDS, postcode="BT1 5GS"), default_index, sources=POSTCODES)
    assert elsewhere.outcome is Outcome.REJECTED
    alone = discover(DiscoveryQuery(postcode="BT1 5GS"), default_index, sources=POSTCODES)
    assert (alone.outcome, alone.ast and alone.ast.ods_code) == (Outcome.AMBIGUOUS, "NIAS")


def test_a_postcode_alone_locates_with_its_radius(default_index: BoundaryIndex) -> None:
    answer = discover(DiscoveryQuery(postcode="LS1"), default_index, sources=POSTCODES)
    assert (answer.outcome, answer.ast and answer.ast.ods_code) == (Outcome.FOUND, "RX8")
    assert "postcode-only" in codes(answer)
    coarse = discover(DiscoveryQuery(postcode="SK13"), default_index, sources=POSTCODES)
    assert coarse.outcome is Outcome.AMBIGUOUS


class OneAddress:
    """A resolver that a site might configure."""

    def place_of_uprn(self, uprn: str) -> ResolvedPlace | None:
        return ResolvedPlace(GridPoint(410_000, 310_000), 10.0) if uprn == "100" else None

    def place_of_words(self, words: str) -> ResolvedPlace | None:
        return ResolvedPlace(GridPoint(430_000, 310_000), 3.0) if words == "a.b.c" else None


RESOLVERS = LocationSources(uprns=OneAddress(), what3words=OneAddress())


@pytest.mark.req("HAZ-H04-04")
def test_uprn_and_what3words_locate_where_a_resolver_is_configured(squares_index: BoundaryIndex) -> None:
    by_uprn = discover(DiscoveryQuery(uprn="100"), squares_index, sources=RESOLVERS)
    by_words = discover(DiscoveryQuery(what3words="a.b.c"), squares_index, sources=RESOLVERS)
    assert [answer.ast and answer.ast.ods_code for answer in (by_uprn, by_words)] == ["AAA", "BBB"]


def test_uprn_and_what3words_are_carried_otherwise(squares_index: BoundaryIndex) -> None:
    answer = ask_grid(squares_index, 410_000, 310_000, uprn="100", what3words="a.b.c")
    assert answer.outcome is Outcome.FOUND
    assert codes(answer) == ["inside", "uprn-unresolved", "what3words-unresolved"]


def test_a_uprn_elsewhere_is_a_contradiction(squares_index: BoundaryIndex) -> None:
    query = DiscoveryQuery(easting=430_000, northing=310_000, crs="osgb", uprn="100")
    assert discover(query, squares_index, sources=RESOLVERS).outcome is Outcome.REJECTED


@pytest.mark.parametrize("query", [{"lat": "53.8", "lon": "-1.5"}, {"lat": "0", "lon": "0"}])
def test_a_set_that_is_not_operational_says_so_in_every_answer(query: dict[str, str]) -> None:
    illustrative, real = index(operational=False), index(operational=True)
    assert codes(ask(illustrative, **query))[-1] == "illustrative"
    assert "illustrative" not in codes(ask(real, **query))


def entry(service_id: str, ods_code: str = "AAA", use_cases: frozenset[str] = frozenset({"a6t1"})) -> CatalogueEntry:
    return CatalogueEntry(
        service_id=service_id, ods_code=ods_code, name="x", address="https://example.org", use_cases=use_cases
    )


@pytest.mark.req("APP6-REF-11")
@pytest.mark.parametrize(
    ("entries", "service_id"),
    [
        ([entry("s|1")], "s|1"),
        ([entry("s|1"), entry("s|2")], None),
        ([entry("s|1", use_cases=frozenset({"a6t3"})), entry("s|2")], "s|2"),
        ([entry("s|1", ods_code="BBB")], None),
        ([], None),
    ],
)
def test_the_service_id_comes_from_the_catalogue(
    squares_index: BoundaryIndex, entries: list[CatalogueEntry], service_id: str | None
) -> None:
    query = DiscoveryQuery(easting=410_000, northing=310_000, crs="osgb")
    answer = discover(query, squares_index, entries=entries)
    assert answer.ast is not None
    assert answer.ast.service_id == service_id


@given(st.floats(395_000, 445_000), st.floats(295_000, 345_000), st.floats(0, 20_000))
def test_what_an_answer_promises(
    squares_index: BoundaryIndex, easting: float, northing: float, uncertainty_m: float
) -> None:
    answer = ask_grid(squares_index, easting, northing, uncertainty_m=uncertainty_m)
    again = ask_grid(index(), easting, northing, uncertainty_m=uncertainty_m)
    assert answer.as_dict() == again.as_dict()
    held = squares_index.holding(easting, northing)
    if answer.outcome is Outcome.FOUND:
        assert answer.border_m is not None
        assert answer.border_m > max(100.0, uncertainty_m)
    if answer.outcome in (Outcome.NONE, Outcome.APPROXIMATE):
        assert held is None
    if held is not None:
        assert answer.ast is not None
        assert answer.ast.ods_code == held
    assert answer.border_m == (answer.neighbours[0].distance_m if answer.neighbours and answer.ast else answer.border_m)


@given(st.floats(300_000.5, 319_999.5))
def test_all_along_a_border_the_answer_is_ambiguous_and_the_same(squares_index: BoundaryIndex, northing: float) -> None:
    answer = ask_grid(squares_index, 420_000, northing)
    assert (answer.outcome, answer.ast and answer.ast.ods_code) == (Outcome.AMBIGUOUS, "AAA")


@given(st.floats(50.0, 58.0), st.floats(-6.0, -0.05))
def test_a_lost_minus_sign_is_always_caught_by_a_grid(default_index: BoundaryIndex, lat: float, lon: float) -> None:
    right = discover(DiscoveryQuery(lat=lat, lon=lon), default_index).readings[0].point
    query = DiscoveryQuery(lat=lat, lon=-lon, easting=right.easting, northing=right.northing, crs="osgb")
    answer = discover(query, default_index)
    assert answer.outcome is Outcome.REJECTED
    assert {"lost-minus-sign", "outside-uk", "grid-absurd"} & set(codes(answer))
