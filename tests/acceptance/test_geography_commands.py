"""`cad-bridge locate`, `polygons` and `uprns` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shapely
from click.testing import Result
from typer.testing import CliRunner

from cad_bridge.cli.main import app
from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.discovery.packaged import default_set
from tests.unit.discovery.ground import ground

LABEL = ["--code-field", "code", "--name", "mine", "--attribution", "me", "--licence", "mine"]


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAD_BRIDGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("CAD_BRIDGE_CONFIG", raising=False)
    return tmp_path / "data"


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


def geojson(path: Path, *boxes: tuple[str, tuple[float, float, float, float]]) -> Path:
    features = [
        {"type": "Feature", "properties": {"code": code}, "geometry": shapely.geometry.mapping(shapely.box(*box))}
        for code, box in boxes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_a_place_is_located_and_its_postcode_compared() -> None:
    result = run("locate", "53.7975", "-1.5436", "--postcode", "LS1 4AP", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert answer["ast"]["ods_code"] == "RX8"
    assert "sources-agree: compared: latitude and longitude, postcode" in answer["reasons"]


def test_a_postcode_of_another_service_rejects_the_place() -> None:
    result = run("locate", "53.7975", "-1.5436", "--postcode", "EX1 1AA")
    assert result.exit_code == 1
    assert result.output.startswith("rejected: no service")


def test_a_uprn_is_looked_up_in_the_table_that_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "open-uprn.csv"
    source.write_text("UPRN,X_COORDINATE,Y_COORDINATE\n72000001,430160.00,433562.00\n")
    made = run("uprns", "import", str(source), str(tmp_path / "uprn.table"))
    assert (made.exit_code, made.output.split(":")[0]) == (0, "1 properties")
    assert "uprn-unresolved" in run("locate", "53.7975", "-1.5436", "--uprn", "72000001").output
    config = tmp_path / "cad-bridge.toml"
    config.write_text(f'[discovery]\nuprn_table = "{tmp_path / "uprn.table"}"\n')
    monkeypatch.setenv("CAD_BRIDGE_CONFIG", str(config))
    assert "compared: latitude and longitude, UPRN" in run("locate", "53.7975", "-1.5436", "--uprn", "72000001").output


def test_what3words_are_looked_up_by_the_class_that_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "cad-bridge.toml"
    config.write_text('[discovery]\nwhat3words_resolver = "tests.unit.test_plugged_in:Table"\n')
    monkeypatch.setenv("CAD_BRIDGE_CONFIG", str(config))
    assert "(RX8)" in run("locate", "--what3words", "a.b.c").output
    elsewhere = run("locate", "50.7236", "-3.5275", "--what3words", "a.b.c")
    assert elsewhere.output.startswith("rejected")


def test_a_file_that_is_no_open_uprn_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "other.csv"
    source.write_text("UPRN,X\n1,2\n")
    result = run("uprns", "import", str(source), str(tmp_path / "uprn.table"))
    assert result.exit_code == 2
    assert "columns missing" in result.output
    assert not (tmp_path / "uprn.table").exists()


def test_the_shipped_set_is_checked_when_none_is_named() -> None:
    result = run("polygons", "check")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("default-")
    assert "clean" in result.output


def test_tolerance_lets_an_overlap_pass(tmp_path: Path, data_dir: Path) -> None:
    file = geojson(
        tmp_path / "areas.geojson",
        ("RX8", (430_000, 430_000, 440_000, 440_000)),
        ("RX9", (430_000, 420_000, 440_000, 430_001)),
    )
    command = ["polygons", "import", str(file), *LABEL, "--crs", "osgb"]
    assert run(*command).exit_code == 1
    passed = run(*command, "--tolerance-m2", "20000", "--put-in-force")
    assert passed.exit_code == 0, passed.output
    library = BoundaryLibrary(data_dir / "boundaries")
    assert library.current_version in library.versions
    assert "(RX8)" in run("locate", "--osgb", "435000", "435000").output


def test_a_field_or_a_name_that_cannot_be_is_said_before_anything_is_made(tmp_path: Path, data_dir: Path) -> None:
    file = geojson(tmp_path / "areas.geojson", ("RX8", (430_000, 430_000, 440_000, 440_000)))
    other_field = ["--code-field", "ods", *LABEL[2:]]
    other_name = [*LABEL[:2], "--name", "../outside", *LABEL[4:]]
    for words, told in ((other_field, "no ods in 1 features (1); there are: code"), (other_name, "a name has up to")):
        result = run("polygons", "import", str(file), *words, "--crs", "osgb")
        assert result.exit_code == 2
        assert told in " ".join(result.output.replace("│", " ").split())
    assert not data_dir.exists()


def test_an_import_names_the_services_that_have_no_area(tmp_path: Path) -> None:
    file = geojson(tmp_path / "areas.geojson", ("RX8", (430_000, 430_000, 440_000, 440_000)))
    result = run("polygons", "import", str(file), *LABEL, "--crs", "osgb")
    assert result.exit_code == 0, result.output
    assert "no area for: NIAS, R1F, RRU, RT4, RX6, RX7, RX9" in result.output


def test_partial_lets_districts_be_missing(tmp_path: Path) -> None:
    file = geojson(tmp_path / "leeds.geojson", ("E08000035", (430_000, 430_000, 440_000, 440_000)))
    command = ["polygons", "build", str(file), *LABEL, "--crs", "osgb"]
    assert run(*command).exit_code == 1
    assert run(*command, "--partial").exit_code == 0


def test_a_set_with_a_changed_file_is_refused(tmp_path: Path) -> None:
    library = BoundaryLibrary(tmp_path / "sets")
    version = library.install(ground())
    areas = tmp_path / "sets" / version / "areas.wkb"
    areas.write_bytes(areas.read_bytes()[:-1] + b"\x01")
    result = run("polygons", "check", str(tmp_path / "sets" / version))
    assert result.exit_code == 2


def test_an_earlier_set_explains_an_old_decision_and_can_be_gone_back_to(data_dir: Path) -> None:
    library = BoundaryLibrary(data_dir / "boundaries")
    shipped = default_set().version
    assert run("polygons", "list").output == f"* {shipped} (shipped with this release)\n"
    everything = {"AAA": shapely.box(400_000, 300_000, 440_000, 320_000)}
    before, after = library.install(ground()), library.install(ground(name="later", areas=everything))
    assert run("polygons", "use", before).output == f"in force: {before}\n"
    library.put_in_force(after)
    place = ["locate", "--osgb", "430001", "310001"]
    assert "(AAA)" in run(*place).output
    assert "(BBB)" in run(*place, "--boundaries", before).output
    assert run("polygons", "list").output.splitlines() == [
        f"  {shipped} (shipped with this release)",
        *(f"{'*' if version == after else ' '} {version}" for version in library.versions),
    ]
    assert run("polygons", "use", before).exit_code == 0
    assert library.current_version == before


def test_the_shipped_set_is_a_version_like_any_other(data_dir: Path) -> None:
    library, shipped = BoundaryLibrary(data_dir / "boundaries"), default_set().version
    library.put_in_force(library.install(ground()))
    leeds = ["locate", "53.7975", "-1.5436"]
    assert run(*leeds).exit_code == 1
    assert "(RX8)" in run(*leeds, "--boundaries", shipped).output
    assert run("polygons", "use", shipped).output == f"in force: {shipped}\n"
    assert "(RX8)" in run(*leeds).output
    assert library.current_version in library.versions


def test_a_place_lies_on_one_grid_only() -> None:
    result = run("locate", "--osgb", "430160", "433562", "--irish", "333900", "374400")
    assert result.exit_code == 2
    assert "--osgb or --irish" in result.output


def test_everything_that_the_api_takes_is_taken() -> None:
    leeds = ["locate", "53.7975", "-1.5436"]
    assert "what3words-unresolved" in run(*leeds, "--what3words", "limit.broom.flip").output
    assert run(*leeds, "--uncertainty-m", "50000").output.startswith("ambiguous")
    assert "uncertainty-absurd" in run(*leeds, "--uncertainty-m", "nan").output


@pytest.mark.parametrize("command", [["polygons", "use", "nothing"], ["locate", "53.8", "-1.5", "--boundaries", "no"]])
def test_a_version_that_is_not_there_is_said(command: list[str]) -> None:
    result = run(*command)
    assert result.exit_code == 2
    assert "no boundary set" in result.output
