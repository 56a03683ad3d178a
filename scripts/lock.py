"""Renews the lock files: requirements.lock (the service), requirements-dev.lock (with tools), package-lock.json.

Without ``--upgrade`` what is locked stays where pyproject.toml and package.json still allow it. The resolver (uv) comes
by its own lock with hashes, into a throw-away environment. No registry host is written to any lock file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from install_assets import npm_command  # noqa: E402

COMPILE = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    """Runs one command at the root of the checkout; its failure ends the run."""
    subprocess.run(command, check=True, cwd=ROOT, env=environment)  # noqa: S603


def lock_python(upgrade: bool) -> None:
    """Resolves pyproject.toml twice, for the service alone and with the tools."""
    with tempfile.TemporaryDirectory() as folder:
        venv.EnvBuilder(with_pip=True).create(folder)
        tool = Path(folder) / "bin"
        run(str(tool / "pip"), "install", "--quiet", "--require-hashes", "-r", "scripts/lock-tool.lock")
        options = [*COMPILE, *(["--upgrade"] if upgrade else [])]
        run(str(tool / "uv"), "pip", "compile", "pyproject.toml", *options, "-o", "requirements.lock")
        extra = ["--extra", "dev", "-o", "requirements-dev.lock"]
        run(str(tool / "uv"), "pip", "compile", "pyproject.toml", *options, *extra)


def lock_front_end() -> None:
    """Resolves package.json, whose versions are exact: to upgrade one, change it there."""
    npm, environment = npm_command()
    run(*npm, "install", "--package-lock-only", "--loglevel=error", environment=environment)
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    if any("resolved" in package for package in packages.values()):
        sys.exit("package-lock.json names a registry host: remove its 'resolved' lines (.npmrc should have done so)")


if __name__ == "__main__":
    lock_python("--upgrade" in sys.argv[1:])
    lock_front_end()
