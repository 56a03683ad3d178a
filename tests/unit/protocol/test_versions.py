from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.protocol.versions import SupportedVersions, Version

VERSIONS = st.builds(
    Version,
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(["", "alpha", "alpha.1", "beta", "beta.2", "beta.11", "rc.1"]),
)


@pytest.mark.req("CORE-VER-01")
def test_versions_are_ordered_as_semantic_versions() -> None:
    ordered = ["0.9.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"]
    ordered += ["1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.1.0", "1.10.0", "2.0.0"]
    parsed = [Version.parse(text) for text in ordered]
    assert None not in parsed
    assert sorted(v for v in reversed(parsed) if v) == parsed


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1", Version(1)),
        ("1.2", Version(1, 2)),
        (" 1.2.3+build.5 ", Version(1, 2, 3)),
        ("1.0.0-beta", Version(1, 0, 0, "beta")),
    ],
)
def test_shorter_forms_and_build_metadata_are_read(text: str, version: Version) -> None:
    assert Version.parse(text) == version


@pytest.mark.parametrize(
    "text", ["", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "one", "1.0.0-beta..1", "٣.0.0", "9" * 5000]
)
def test_what_is_no_version_is_none(text: str) -> None:
    assert Version.parse(text) is None


@given(VERSIONS)
def test_a_version_survives_being_written(version: Version) -> None:
    assert Version.parse(str(version)) == version


@given(VERSIONS, VERSIONS)
def test_the_order_is_total_and_agrees_with_equality(one: Version, other: Version) -> None:
    assert [one < other, one == other, one > other].count(True) == 1


@pytest.mark.req("CORE-VER-05")
def test_releases_of_the_same_major_go_together_and_pre_releases_must_be_listed() -> None:
    supported = SupportedVersions.of(["1.0.0-beta", "1.0.0"])
    assert [text for text in ("1.0.0", "1.4.2", "1.0.0-beta", "1.0.0-alpha", "1.1.0-beta", "2.0.0", "0.9.0", "x", "")
            if text in supported] == ["1.0.0", "1.4.2", "1.0.0-beta"]  # fmt: skip


@pytest.mark.parametrize("listed", [[], ["1.0.0", "2.0.0"], ["1.0.0", "abc"], ["abc"]])
def test_a_list_that_makes_no_sense_is_refused(listed: list[str]) -> None:
    with pytest.raises(ValueError, match="one major version"):
        SupportedVersions.of(listed)


def test_the_distance_counts_minor_before_patch_before_pre_release() -> None:
    own = Version(1, 1, 2)
    offered = [Version(1, 4), Version(1, 1, 9), Version(1, 2, 2), Version(1, 1, 2), Version(1, 1, 2, "beta")]
    nearest_first = [str(version) for version in sorted(offered, key=own.distance)]
    assert nearest_first == ["1.1.2", "1.1.2-beta", "1.1.9", "1.2.2", "1.4.0"]
