"""Asks pytest which tests there are and which requirements they name, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PLUGIN = "cad_bridge.traceability.collector"
"""Named, not imported: it needs pytest, which an installed service does not have."""
OPTION = "--requirements-out"

COLLECTED = {0, 5}
"""pytest's exit codes for: collected, and collected but there is no test."""


class TestsUnavailableError(Exception):
    """There are no tests to ask, or they cannot be collected. The text says which, and what pytest said."""

    __test__ = False


def collect(root: Path) -> dict[str, tuple[str, ...]]:
    """The requirement ids named by each test under ``root``, by test id as pytest writes it.

    Args:
        root: the top of a checkout: the folder with ``pyproject.toml`` and ``tests/``.

    Raises:
        TestsUnavailableError: no checkout, no pytest, or tests that do not import.
    """
    if not (root / "tests").is_dir() or not (root / "pyproject.toml").is_file():
        raise TestsUnavailableError(f"{root} holds no tests: they are part of a checkout, not of the installed package")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "requirements.json"
        outcome = _run_pytest(root, target)
        if outcome.returncode not in COLLECTED or not target.is_file():
            raise TestsUnavailableError(
                f"pytest could not collect the tests:\n{outcome.stdout[-4000:]}{outcome.stderr[-2000:]}"
            )
        found: dict[str, list[str]] = json.loads(target.read_text(encoding="utf-8"))
    return {test: tuple(ids) for test, ids in sorted(found.items())}


def _run_pytest(root: Path, target: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    options = [
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        PLUGIN,
        OPTION,
        str(target),
    ]
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
