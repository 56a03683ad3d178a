"""ARP categories and the clock start after a validation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.fhir.content_arp import (
    ARP_CODES,
    arp_from_wire,
    arp_to_wire,
    arp_urgency,
    is_upgrade,
    needs_ambulance,
    outcome_clock_start,
)

T5 = datetime(2026, 11, 21, 12, tzinfo=UTC)
DISPOSITION = datetime(2026, 11, 21, 12, 20, tzinfo=UTC)
categories = st.one_of(st.none(), st.sampled_from([*ARP_CODES, "C9", ""]))


@pytest.mark.parametrize(
    ("original", "new", "expected"),
    [
        pytest.param("C3", "C3", T5, marks=pytest.mark.req("APP4-VS-18")),
        pytest.param("C3", "C4", T5, marks=pytest.mark.req("APP4-VS-18")),
        pytest.param("C3", "C5", T5, marks=pytest.mark.req("APP4-VS-18")),
        pytest.param("C4T", "C4", T5, marks=pytest.mark.req("APP4-VS-18")),
        pytest.param("C3", "HCP3", T5, marks=pytest.mark.req("APP4-VS-18")),
        pytest.param("C3", "C2", DISPOSITION, marks=pytest.mark.req("APP4-VS-19", "APP4-VS-20")),
        pytest.param("C4", "HCP3", DISPOSITION, marks=pytest.mark.req("APP4-VS-19")),
        pytest.param("HCP4T", "C1", DISPOSITION, marks=pytest.mark.req("APP4-VS-19")),
        pytest.param("C5", "C4T", DISPOSITION, marks=pytest.mark.req("APP4-VS-19")),
        pytest.param(None, "C1", T5),
        pytest.param("C3", None, T5),
        pytest.param("C3", "C9", T5),
    ],
)
def test_the_clock_restarts_only_on_an_upgrade(original: str | None, new: str | None, expected: datetime) -> None:
    start = outcome_clock_start(original, new, original_clock_start=T5, disposition_time=DISPOSITION)

    assert start == expected


@given(categories, categories)
def test_no_two_categories_are_each_an_upgrade_of_the_other(one: str | None, other: str | None) -> None:
    assert not (is_upgrade(one, other) and is_upgrade(other, one))


@given(categories)
def test_a_category_is_no_upgrade_of_itself(code: str | None) -> None:
    assert not is_upgrade(code, code)


def test_only_c5_needs_no_ambulance() -> None:
    assert [code for code in ARP_CODES if not needs_ambulance(code)] == ["C5"]
    assert needs_ambulance(None) is None


def test_urgency_by_the_target_of_the_category() -> None:
    assert [arp_urgency(code) for code in ("C1", "HCP1", "IFT2", "C4T", "HCP4T", "C5", "X")] == [1, 1, 2, 4, 4, 5, None]


@pytest.mark.req("APP4-VS-24")
def test_the_misprint_of_hcp4t_goes_out_and_is_understood() -> None:
    assert arp_to_wire("HCP4T") == "HP4T"
    assert {arp_from_wire(code) for code in ("HP4T", "HCP4T", "hcp4t")} == {"HCP4T"}
    assert [arp_from_wire(arp_to_wire(code)) for code in ARP_CODES] == list(ARP_CODES)
