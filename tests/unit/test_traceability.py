"""The requirement matrix: what pytest sees is what it says, and this checkout's own marks are sound."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from cad_bridge.traceability import (
    Matrix,
    Status,
    TestsUnavailableError,
    as_json,
    as_page,
    matrix,
    print_requirements,
    read_areas,
    read_catalogue,
    read_not_ours,
    report,
)
from cad_bridge.traceability.catalogue import Requirement
from cad_bridge.traceability.collection import collect
from cad_bridge.traceability.matrix import build_matrix
from scripts.make_catalogue import rows
from tests.shared_material import SHARED, needs_shared

ROOT = Path(__file__).resolve().parents[2]

MARKED_TESTS = """
import pytest

CASES = ["CORE-TI-21", "CORE-TI-23"]

@pytest.mark.req("CORE-TI-01", "CORE-TI-02")
def test_plain():
    pass

@pytest.mark.parametrize("case", [pytest.param(i, marks=pytest.mark.req(i), id=i) for i in CASES])
def test_table(case):
    pass

@pytest.mark.req("CORE-TI-03")
class TestGroup:
    @pytest.mark.req("CORE-TI-04")
    @pytest.mark.req("CORE-TI-03")
    def test_inside(self):
        pass

@pytest.mark.skip(reason="never runs")
@pytest.mark.req("CORE-TI-05")
def test_skipped():
    pass

@pytest.mark.xfail(reason="a known gap")
@pytest.mark.req("CORE-TI-06")
def test_known_gap():
    assert False

@pytest.mark.skipif(False, reason="runs")
@pytest.mark.req("CORE-TI-07")
def test_runs_somewhere():
    pass

def test_shows_nothing():
    pass
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nmarkers = ["req(*ids): ids"]\naddopts = "--strict-markers"\n', encoding="utf-8"
    )
    return tmp_path


def write_tests(checkout: Path, text: str) -> None:
    (checkout / "tests" / "test_marks.py").write_text(text, encoding="utf-8")


def test_marks_are_seen_as_pytest_sees_them(checkout: Path) -> None:
    write_tests(checkout, MARKED_TESTS)
    assert collect(checkout) == {
        "tests/test_marks.py::TestGroup::test_inside": ("CORE-TI-03", "CORE-TI-04"),
        "tests/test_marks.py::test_plain": ("CORE-TI-01", "CORE-TI-02"),
        "tests/test_marks.py::test_runs_somewhere": ("CORE-TI-07",),
        "tests/test_marks.py::test_table[CORE-TI-21]": ("CORE-TI-21",),
        "tests/test_marks.py::test_table[CORE-TI-23]": ("CORE-TI-23",),
    }


def test_a_folder_without_tests_says_so(tmp_path: Path) -> None:
    with pytest.raises(TestsUnavailableError, match="holds no tests"):
        collect(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("import no_such_module\n", "no_such_module", id="does not import"),
        pytest.param(
            "import pytest\n@pytest.mark.req(21)\ndef test_it():\n    pass\n",
            "requirement ids only",
            id="mark of a number",
        ),
    ],
)
def test_tests_that_cannot_be_collected_are_an_error_not_an_empty_matrix(checkout: Path, text: str, said: str) -> None:
    write_tests(checkout, text)
    with pytest.raises(TestsUnavailableError, match=said):
        collect(checkout)


def test_a_checkout_without_a_test_shows_nothing(checkout: Path) -> None:
    whole = matrix(checkout)
    assert whole.counts()[Status.SHOWN] == 0
    assert whole.faults == ()


def test_the_catalogue_is_whole() -> None:
    catalogue = read_catalogue()
    assert len({requirement.id for requirement in catalogue}) == len(catalogue) == 961
    assert Counter(requirement.level for requirement in catalogue) == {"MUST": 837, "SHOULD": 113, "MAY": 11}
    assert {requirement.role for requirement in catalogue} == {"sender", "receiver", "both", "user-interface"}
    assert list(dict.fromkeys(requirement.area for requirement in catalogue)) == list(read_areas())


@needs_shared
@pytest.mark.shared
def test_the_catalogue_equals_its_source() -> None:
    source = yaml.safe_load((SHARED / "requirements/requirements.yaml").read_text(encoding="utf-8"))
    assert tuple(Requirement(**row) for row in rows(source)) == read_catalogue()


def test_what_the_catalogue_puts_out_of_scope_is_not_ours_and_every_reason_is_given() -> None:
    catalogue = read_catalogue()
    not_ours = read_not_ours(catalogue)
    assert {requirement.id for requirement in catalogue if requirement.scope == "out"} <= set(not_ours)
    assert all(reason.strip() for reason in not_ours.values())
    assert (ROOT / "docs/decisions/0016-requirements-not-ours.md").is_file()


def test_a_reason_for_a_requirement_that_does_not_exist_is_refused() -> None:
    catalogue = tuple(requirement for requirement in read_catalogue() if requirement.id != "CORE-VER-09")
    with pytest.raises(ValueError, match="CORE-VER-09"):
        read_not_ours(catalogue)


def test_each_requirement_stands_in_one_of_three_places() -> None:
    whole = build_matrix({"tests/a.py::test_a[x]": ("CORE-TI-21",), "tests/a.py::test_a[y]": ("CORE-TI-21",)})
    standing = {row.requirement.id: row for row in whole.rows}
    assert standing["CORE-TI-21"].status is Status.SHOWN
    assert standing["CORE-TI-21"].tests == ("tests/a.py::test_a[x]", "tests/a.py::test_a[y]")
    assert standing["CORE-TI-22"].status is Status.NOT_SHOWN
    assert standing["CORE-SEC-09"].status is Status.NOT_OURS
    assert "firewall" in standing["CORE-SEC-09"].reason
    assert sum(whole.counts().values()) == 961
    assert whole.counts("CORE-TI")[Status.SHOWN] == 1


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        pytest.param(("CORE-TI-99",), "which no requirement has", id="unknown id"),
        pytest.param(("CORE-TI-01", "CORE-TI-02", "CORE-TI-03", "CORE-TI-04"), "more than 3", id="too many"),
        pytest.param(("CORE-SEC-09",), "is not ours", id="shown and not ours"),
    ],
)
def test_a_wrong_mark_is_a_fault_that_names_the_test(ids: tuple[str, ...], said: str) -> None:
    (fault,) = build_matrix({"tests/a.py::test_a": ids}).faults
    assert fault.startswith("tests/a.py::test_a names ")
    assert said in fault


def test_the_json_has_exactly_the_agreed_shape() -> None:
    printed = as_json(build_matrix({"tests/a.py::test_a": ("CORE-TI-21",)}))
    assert list(printed) == ["requirements"]
    by_id = {row["id"]: row for row in printed["requirements"]}
    assert by_id["CORE-TI-21"] == {
        "id": "CORE-TI-21",
        "level": "MUST",
        "role": "receiver",
        "status": "shown",
        "tests": ["tests/a.py::test_a"],
        "reason": "",
    }
    assert {tuple(row) for row in printed["requirements"]} == {tuple(by_id["CORE-TI-21"])}
    assert {row["status"] for row in printed["requirements"]} == {"shown", "not-shown", "not-ours"}
    assert all(row["reason"] for row in printed["requirements"] if row["status"] != "shown")


def test_the_command_prints_the_whole_matrix_as_json(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tests(checkout, MARKED_TESTS)
    monkeypatch.setattr(report, "CHECKOUT", checkout)
    print_requirements(json=True)
    printed = json.loads(capsys.readouterr().out)
    shown = [row["id"] for row in printed["requirements"] if row["status"] == "shown"]
    assert shown == [f"CORE-TI-{n:02}" for n in (1, 2, 3, 4, 7, 21, 23)]


def test_the_command_prints_the_counts_of_each_area(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tests(checkout, MARKED_TESTS)
    monkeypatch.setattr(report, "CHECKOUT", checkout)
    monkeypatch.setenv("COLUMNS", "140")
    print_requirements(json=False)
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if "CORE-TI " in line]
    assert [cell.strip() for cell in line.strip("│").split("│")][2:] == ["7", "24", ""]


def test_the_command_ends_with_an_error_on_wrong_marks_and_without_tests(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tests(checkout, MARKED_TESTS.replace("CORE-TI-07", "CORE-TI-77"))
    monkeypatch.setattr(report, "CHECKOUT", checkout)
    with pytest.raises(SystemExit, match="CORE-TI-77"):
        print_requirements(json=True)
    monkeypatch.setattr(report, "CHECKOUT", checkout / "installed")
    with pytest.raises(SystemExit, match="holds no tests"):
        print_requirements(json=True)


def test_the_page_names_test_functions_once_however_many_cases_they_have() -> None:
    page = as_page(build_matrix({"tests/a.py::test_a[x]": ("CORE-TI-21",), "tests/a.py::test_a[y]": ("CORE-TI-21",)}))
    assert "| CORE-TI-21 | MUST | receiver | `tests/a.py::test_a` |" in page
    assert page.count("tests/a.py::test_a") == 1
    assert "Not ours (" in page


@pytest.fixture(scope="module")
def own_matrix() -> Matrix:
    return matrix(ROOT)


def test_no_test_of_this_checkout_names_an_unknown_id_more_than_three_or_one_that_is_not_ours(
    own_matrix: Matrix,
) -> None:
    assert own_matrix.faults == ()


def test_the_requirements_page_is_current(own_matrix: Matrix) -> None:
    page = (ROOT / "docs/requirements.md").read_text(encoding="utf-8")
    assert page == as_page(own_matrix), "docs/requirements.md is stale: run `make requirements` and commit it"
