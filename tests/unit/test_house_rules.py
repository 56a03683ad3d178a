"""Rules of the house that no linter knows: what may stand in a file, how long it may be, who may read a clock."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tracked import ROOT, files_named, project_files, shown

PYTHON = files_named("*.py")
SERVICE = [path for path in PYTHON if shown(path).startswith("cad_bridge/")]
LOCKS = ["requirements.lock", "requirements-dev.lock", "scripts/lock-tool.lock", "package-lock.json"]
PURE = ("cad_bridge/workflow/", "cad_bridge/fhir/", "cad_bridge/protocol/")

CLOCKS = {"cad_bridge/clock.py", "cad_bridge/sandbox/clock.py"}
"""The only modules that read a clock; the sandbox imports nothing of the service, so it has its own."""
CLOCK_READINGS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
}
IMPURE = {"asyncio", "logging", "os", "random", "secrets", "socket", "subprocess", "tempfile", "threading", "time"}
"""Modules of the standard library that a pure package has no use for."""
TOOLS = {"hypothesis", "playwright", "pytest", "schemathesis", "yaml"}
"""Packages that are there for work on the service, not in an installed one."""
NEEDS_TOOLS = {"cad_bridge/traceability/collector.py"}
LONGEST_MODULE = 400
LONGEST_TEST_MODULE = 600
"""A table of cases may be longer than code that has to be understood as a whole."""

MACHINE = re.compile(
    "|".join([r"(?<![\w.])/wo" + "rk/", "index-" + "url", "//registry" + r"\.", "files.python" + "hosted"])
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=shown(path))


def text_files() -> Iterator[tuple[Path, str]]:
    for path in project_files():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def imported_modules(module: ast.Module) -> set[str]:
    """Top-level names of all that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def attribute_names(module: ast.Module) -> Iterator[tuple[str, str, int]]:
    """``a.b`` and ``x.a.b`` as (a, b, line), called or handed on as a function."""
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute):
            holder = node.value
            name = holder.id if isinstance(holder, ast.Name) else getattr(holder, "attr", "")
            yield name, node.attr, node.lineno


def broad_handlers(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Handlers that catch everything by leaving the kind out, or that catch all and do nothing about it."""
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "catches everything, exits included"
        elif isinstance(node, ast.ExceptHandler) and is_broad(node.type) and all(map(is_nothing, node.body)):
            yield node.lineno, "swallows every error"
        elif isinstance(node, ast.Call) and called_name(node) == "suppress" and any(map(is_broad, node.args)):
            yield node.lineno, "suppresses every error"


def called_name(call: ast.Call) -> str:
    name: str = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return name


def is_broad(kind: ast.expr | None) -> bool:
    return isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}


def is_nothing(statement: ast.stmt) -> bool:
    is_bare_value = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_bare_value or isinstance(statement, ast.Pass | ast.Continue)


def test_the_rules_see_the_project() -> None:
    assert {"Makefile", "pyproject.toml", "cad_bridge/__init__.py"} <= {shown(path) for path in project_files()}


def test_no_file_names_a_path_of_a_machine_or_a_registry() -> None:
    found = [f"{shown(path)}: {match[0]}" for path, text in text_files() if (match := MACHINE.search(text))]
    assert found == []


def test_nothing_is_left_unfinished() -> None:
    found = [f"{shown(path)}: {match[0]}" for path, text in text_files() if (match := UNFINISHED.search(text))]
    assert found == []


def test_no_module_is_longer_than_a_reader_bears() -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PYTHON}
    longest = {name: LONGEST_TEST_MODULE if name.startswith("tests/") else LONGEST_MODULE for name in lengths}
    assert {name: length for name, length in lengths.items() if length > longest[name]} == {}


def test_only_the_clock_reads_the_clock() -> None:
    found = [
        f"{shown(path)}:{line}: {holder}.{attribute}"
        for path in SERVICE
        if shown(path) not in CLOCKS
        for holder, attribute, line in attribute_names(tree(path))
        if (holder, attribute) in CLOCK_READINGS
    ]
    assert found == []


def test_pure_packages_take_time_chance_and_the_world_as_arguments() -> None:
    found = [
        f"{shown(path)} imports {', '.join(sorted(impure))}"
        for path in SERVICE
        if shown(path).startswith(PURE) and (impure := imported_modules(tree(path)) & IMPURE)
    ]
    assert found == []


def test_an_installed_service_needs_no_tool() -> None:
    found = [
        f"{shown(path)} imports {', '.join(sorted(tools))}"
        for path in SERVICE
        if shown(path) not in NEEDS_TOOLS and (tools := imported_modules(tree(path)) & TOOLS)
    ]
    assert found == []


def test_errors_are_not_swallowed() -> None:
    found = [f"{shown(path)}:{line}: {why}" for path in PYTHON for line, why in broad_handlers(tree(path))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept:\n    g()",
        "try:\n    f()\nexcept Exception:\n    pass",
        "for x in y:\n    try:\n        f()\n    except BaseException:\n        continue",
        "import contextlib\nwith contextlib.suppress(ValueError, Exception):\n    f()",
    ],
)
def test_the_rule_against_swallowing_sees_each_way_to_do_it(source: str) -> None:
    assert len(list(broad_handlers(ast.parse(source)))) == 1


@pytest.mark.parametrize("source", ["datetime.now(UTC)", "dt.datetime.utcnow()", "clock = time.time", "date.today()"])
def test_the_rule_about_clocks_sees_each_way_to_read_one(source: str) -> None:
    assert {(holder, name) for holder, name, _ in attribute_names(ast.parse(source))} & CLOCK_READINGS


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host_and_no_path(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"[a-z+]+://\S*|file:\S*|^-\S+.*", text, re.MULTILINE) == []


def locked(name: str) -> dict[str, list[Requirement]]:
    """The entries of a lock, hashes checked to be there; a package may have one for each kind of Python."""
    found: dict[str, list[Requirement]] = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text(encoding="utf-8").strip()):
        requirement, _, hashes = entry.partition("\\\n")
        assert "--hash=sha256:" in hashes, f"{name}: {requirement} has no hash"
        parsed = Requirement(requirement)
        found.setdefault(canonicalize_name(parsed.name), []).append(parsed)
    return found


def project() -> dict[str, list[str]]:
    """The direct dependencies: of the service, and with the tools."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime: list[str] = stated["dependencies"]
    return {
        "requirements.lock": runtime,
        "requirements-dev.lock": [*runtime, *stated["optional-dependencies"]["dev"]],
        "scripts/lock-tool.lock": ["uv"],
    }


@pytest.mark.parametrize("name", list(project()))
def test_a_lock_meets_every_dependency_of_the_project(name: str) -> None:
    held = locked(name)
    for text in project()[name]:
        wanted = Requirement(text)
        for entry in held[canonicalize_name(wanted.name)]:
            (pin,) = entry.specifier
            assert pin.operator == "=="
            assert wanted.specifier.contains(pin.version, prereleases=True), f"{name}: {entry} does not meet {wanted}"


def test_the_service_runs_on_what_it_is_developed_with() -> None:
    runtime, development = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: [str(entry) for entry in entries] for name, entries in runtime.items()} == {
        name: [str(entry) for entry in development[name]] for name in runtime
    }


def test_the_front_end_lock_is_that_of_the_front_end_packages() -> None:
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert packages[""]["dependencies"] == package["dependencies"]
    for name, version in package["dependencies"].items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert all(entry["integrity"].startswith("sha512-") for name, entry in packages.items() if name)
