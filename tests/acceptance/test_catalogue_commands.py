"""`cad-bridge catalogue import|list` as an operator types them, on a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cad_bridge.cli.main import app
from tests.database import connect
from tests.unit.discovery.catalogue.resources import SERVICE_ID, endpoint, healthcare_service

HEAD = "service_id,ods_code,name,address,use_cases,status\n"
ROW = f"{SERVICE_ID}|2000000077,RYE,Remote CAS,https://bars.example.org/FHIR/R4,a4t1 a3t1,active\n"


@pytest.fixture(autouse=True)
def settings(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAD_BRIDGE_DATABASE_URL", database_url)
    monkeypatch.delenv("CAD_BRIDGE_CONFIG", raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["catalogue", *words], env={"COLUMNS": "300"})


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def versions(database_url: str) -> list[tuple[Any, ...]]:
    with connect(database_url) as connection:
        query = "SELECT kind, version, action FROM catalogue_versions ORDER BY revision"
        return connection.execute(query).fetchall()


def test_a_file_is_imported_once_and_changed_in_place(database_url: str, tmp_path: Path) -> None:
    file = write(tmp_path / "services.csv", HEAD + ROW)
    first = run("import", file)
    assert (first.exit_code, first.output) == (0, "1 services: 2 resources new, 0 changed, 0 as they were\n")
    assert run("import", file).output == "1 services: 0 resources new, 0 changed, 2 as they were\n"
    moved = write(tmp_path / "moved.csv", HEAD + ROW.replace("bars.example", "new.example"))
    assert run("import", moved).output == "1 services: 0 resources new, 1 changed, 1 as they were\n"
    assert versions(database_url) == [
        ("HealthcareService", 1, "create"),
        ("Endpoint", 1, "create"),
        ("Endpoint", 2, "update"),
    ]
    listed = run("list").output
    assert f"{SERVICE_ID}|2000000077" in listed
    assert "a3t1 a4t1" in listed
    assert "…" not in listed, "an id that is cut off is none"
    assert "unknown" in listed


def test_a_fhir_bundle_is_imported_with_its_ids_and_its_warnings(database_url: str, tmp_path: Path) -> None:
    resources = [healthcare_service(), healthcare_service("2", endpoint=[]), endpoint(meta={"lastUpdated": "1999"})]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": item} for item in resources]}
    result = run("import", write(tmp_path / "bundle.json", json.dumps(bundle)))
    assert result.exit_code == 0, result.output
    assert "warning: HealthcareService[1].endpoint" in result.output
    with connect(database_url) as connection:
        ids = connection.execute("SELECT id FROM catalogue_versions ORDER BY revision").fetchall()
    assert [id_ for (id_,) in ids] == ["service-2000000011", "service-2", "endpoint-1"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("services.csv", HEAD + ROW.replace("https:", "http:"), "line 2: address must be an https URL"),
        ("services.csv", HEAD + ROW + ROW.replace("bars.", "b."), "has more than one address"),
        ("services.json", "{}", "neither a list of services nor a FHIR Bundle"),
    ],
)
def test_a_file_with_an_error_changes_nothing(
    database_url: str, tmp_path: Path, name: str, text: str, problem: str
) -> None:
    result = run("import", write(tmp_path / name, text))
    assert result.exit_code == 1
    assert problem in result.stderr
    assert versions(database_url) == []


def test_a_second_address_beside_what_is_known_is_refused(database_url: str, tmp_path: Path) -> None:
    """By another resource, such as one that came from another catalogue with an id of its own."""
    assert run("import", write(tmp_path / "services.csv", HEAD + ROW)).exit_code == 0
    resources = [healthcare_service("2000000077"), endpoint()]
    bundle = {"resourceType": "Bundle", "entry": [{"resource": item} for item in resources]}
    result = run("import", write(tmp_path / "bundle.json", json.dumps(bundle)))
    assert result.exit_code == 1
    assert "2000000077 has more than one address" in result.stderr
    assert len(versions(database_url)) == 2


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "services.csv").write_bytes(b"\xff\xfe\x00")
    result = run("import", str(tmp_path / "services.csv"))
    assert (result.exit_code, result.stderr) == (1, "the file is not UTF-8\n")
