"""The wheel that is built holds all that an installed service needs, and nothing that it must not hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from scripts.copy_assets import VENDOR
from tests.tracked import ROOT

PACKAGE_DATA = [
    "cad_bridge/store/_alembic/env.py",
    "cad_bridge/traceability/areas.toml",
    "cad_bridge/traceability/catalogue.csv",
    "cad_bridge/traceability/not_ours.toml",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("cad_bridge-*.whl")
    with ZipFile(built) as archive:
        return set(archive.namelist())


def test_it_holds_code_data_and_migrations(wheel: set[str]) -> None:
    assert set(PACKAGE_DATA) <= wheel
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "cad_bridge").rglob("*.py")}
    assert code <= wheel
    migrations = {
        f"cad_bridge/store/_alembic/versions/{path.name}" for path in (ROOT / "alembic/versions").glob("*.py")
    }
    assert migrations
    assert migrations <= wheel


@pytest.mark.skipif(not Path(VENDOR / "manifest.json").is_file(), reason="the front-end packages are not installed")
def test_it_holds_the_front_end_packages_with_their_licences(wheel: set[str]) -> None:
    copied = {path.relative_to(ROOT).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert copied <= wheel
    assert {name for name in copied if "/LICEN" in name} == {
        f"cad_bridge/web/board/static/vendor/{name}"
        for name in ("htmx/LICENSE", "leaflet/LICENSE", "nhsuk-frontend/LICENCE")
    }


def test_it_holds_no_tests_and_no_secrets(wheel: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"cad_bridge"}
    assert not any("__pycache__" in name or name.endswith((".pem", ".key")) for name in wheel)
