"""Postcodes and UPRNs: how they are read, and what the tables answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.discovery.crs import GridPoint
from cad_bridge.discovery.packaged import default_set, outward_codes
from cad_bridge.discovery.postcodes import outward_code, read_outward_codes
from cad_bridge.discovery.query import ResolvedPlace
from cad_bridge.discovery.uprn import UPRN_RADIUS_M, UprnTable, UprnTableError, import_open_uprn, lookup_uprn


@pytest.mark.parametrize(
    ("postcode", "outward"),
    [
        ("LS1 4AP", "LS1"),
        (" ls14ap ", "LS1"),
        ("SW1A1AA", "SW1A"),
        ("M1 1AE", "M1"),
        ("SK13", "SK13"),
        ("B33 8TH", "B33"),
        ("EC1A\t1BB", "EC1A"),
        ("", None),
        ("LS", None),
        ("12345", None),
        ("LS1 4A", None),
        ("LS1 4AP x", None),
    ],
)
def test_the_outward_code_of_a_postcode(postcode: str, outward: str | None) -> None:
    assert outward_code(postcode) == outward


@given(st.text(max_size=12))
def test_no_text_stops_the_reading_of_a_postcode(text: str) -> None:
    outward = outward_code(text)
    assert outward is None or outward.isalnum()


def test_an_outward_code_s_place() -> None:
    table = read_outward_codes("outward_code,easting,northing,radius_m\nLS1,430000,433500,800\n")
    assert table.place_of_postcode("LS1 4AP") == ResolvedPlace(GridPoint(430_000, 433_500), 800)
    assert table.place_of_postcode("LS2 4AP") is None
    assert table.place_of_postcode("?") is None


def test_the_shipped_table_covers_great_britain() -> None:
    table = outward_codes()
    assert len(table.places) > 2800
    assert not [outward for outward in table.places if outward.startswith("BT")]
    for postcode in ("ZE1 0AA", "TR21 0AA", "CF10 1AA", "SW1A 1AA"):
        assert table.place_of_postcode(postcode) is not None


def test_a_postcode_of_northern_ireland_is_anywhere_in_it_and_nowhere_else() -> None:
    place = outward_codes().place_of_postcode("BT1 5GS")
    assert place is not None
    boundaries = default_set()
    areas = dict(zip((each.ods_code for each in boundaries.services), boundaries.areas, strict=True))
    reach = shapely.Point(place.point.easting, place.point.northing).buffer(place.radius_m, quad_segs=64)
    assert shapely.difference(areas["NIAS"], reach.buffer(250)).area < 1_000_000
    for ods_code in ("SAS", "RX7", "RT4"):
        assert shapely.intersection(areas[ods_code], reach).area / areas[ods_code].area < 0.02, ods_code


@pytest.mark.parametrize(
    ("sent", "looked_up"),
    [
        ("0008755622", "8755622"),
        (" 100 ", "100"),
        ("10093453453", "10093453453"),
        ("0", None),
        ("", None),
        ("12a", None),
    ],
)
def test_a_uprn_is_looked_up_without_leading_zeros(sent: str, looked_up: str | None) -> None:
    assert lookup_uprn(sent) == looked_up


def test_a_uprn_is_at_most_twelve_digits() -> None:
    assert lookup_uprn("1" * 12) == "1" * 12
    assert lookup_uprn("1" * 13) is None


HEAD = "\ufeffUPRN,X_COORDINATE,Y_COORDINATE,LATITUDE,LONGITUDE\n"


def table_of(tmp_path: Path, lines: list[str], head: str = HEAD) -> Path:
    source = tmp_path / "open-uprn.csv"
    source.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    import_open_uprn(source, tmp_path / "uprn.table")
    return tmp_path / "uprn.table"


@pytest.mark.req("HAZ-H04-04")
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_every_uprn_of_the_file_is_found_and_no_other(tmp_path: Path, size: int) -> None:
    numbers = [7 * number + 1 for number in range(size)]
    lines = [f"{uprn},{400_000 + uprn}.25,{300_000 + uprn}.5,51.0,-2.0" for uprn in reversed(numbers)]
    with UprnTable(table_of(tmp_path, lines)) as table:
        assert len(table) == size
        for uprn in numbers:
            place = table.place_of_uprn(f"000{uprn}")
            assert place == ResolvedPlace(GridPoint(400_000.25 + uprn, 300_000.5 + uprn), UPRN_RADIUS_M)
        assert [table.place_of_uprn(str(uprn)) for uprn in (2, 7 * size + 1, 999_999_999_999)] == [None] * 3
        assert table.place_of_uprn("not a number") is None


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("UPRN,LATITUDE,LONGITUDE\n", "1,51.0,-2.0"),
        (HEAD, "x,1,1,51.0,-2.0"),
        (HEAD, "1,,1,51.0,-2.0"),
        (HEAD, "1,nan,1,51.0,-2.0"),
        (HEAD, "1,1e300,1,51.0,-2.0"),
        (HEAD, "-1,1,1,51.0,-2.0"),
        (HEAD, "1,1,1,51.0,-2.0\n1,2,2,51.0,-2.0"),
    ],
)
def test_a_faulty_file_leaves_the_old_table(tmp_path: Path, head: str, line: str) -> None:
    table_of(tmp_path, ["5,400000,300000,51.0,-2.0"])
    with pytest.raises(UprnTableError):
        table_of(tmp_path, [line], head)
    with UprnTable(tmp_path / "uprn.table") as table:
        assert table.place_of_uprn("5") is not None
    assert sorted(file.name for file in tmp_path.iterdir()) == ["open-uprn.csv", "uprn.table"]


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open-uprn.csv").write_bytes("UPRN,X_COORDINATE,Y_COORDINATE\n1,2,3\n".encode("utf-16"))
    with pytest.raises(UprnTableError, match="no CSV in UTF-8"):
        import_open_uprn(tmp_path / "open-uprn.csv", tmp_path / "uprn.table")


@pytest.mark.parametrize("content", [b"", b"something else", b"UPRNTAB1half a record"])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "uprn.table").write_bytes(content)
    with pytest.raises(UprnTableError):
        UprnTable(tmp_path / "uprn.table")
