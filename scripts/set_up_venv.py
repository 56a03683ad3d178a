"""Builds .venv/ from requirements-dev.lock, with every hash checked, and installs the project into it.

Run by ``make`` with the machine's own Python, so it needs nothing but the standard library. It does nothing while the
lock, the project file and the Python are those of the last run; a run that was cut short is done again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / ".installed"
LOCK = ROOT / "requirements-dev.lock"
OWN = {"pip", "setuptools", "wheel", "cad-bridge"}
"""What is in the environment by right without being in the lock."""
SOURCES = (LOCK, ROOT / "pyproject.toml", Path(__file__))


def fingerprint() -> str:
    """What the environment depends on: lock, project file, this script, the Python and the place of the checkout."""
    digest = hashlib.sha256(f"{sys.version}\n{sys.base_prefix}\n{VENV}\n".encode())
    for source in SOURCES:
        digest.update(source.read_bytes())
    return digest.hexdigest()


def is_current(wanted: str) -> bool:
    """Whether the last run finished with the same fingerprint and its Python is still there to be run."""
    return STAMP.is_file() and STAMP.read_text(encoding="ascii") == wanted and fits()


def venv_python() -> str:
    """The Python of the environment."""
    return str(VENV / ("Scripts" if os.name == "nt" else "bin") / "python")


def require_ensurepip() -> None:
    """Debian and its kin keep ``ensurepip`` in a package of its own: it is installed, or asked for, here."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        sys.exit(f"This Python has no ensurepip. On Debian or Ubuntu, install it with: apt-get install {package}")
    say(f"installing Debian's {package}, which holds Python's own ensurepip")
    subprocess.run([apt, "update", "-qq"], check=True)  # noqa: S603
    subprocess.run([apt, "install", "-y", "-qq", "--no-install-recommends", package], check=True)  # noqa: S603


def say(text: str) -> None:
    """One line of progress."""
    sys.stdout.write(f"set-up: {text}\n")
    sys.stdout.flush()


def pip(*arguments: str) -> None:
    """Runs the environment's pip; its failure ends the run."""
    command = [venv_python(), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603


def build() -> None:
    """Brings the environment to what the lock says: what it does not name is removed, so that nothing stale helps."""
    if not fits():
        require_ensurepip()
        say(f"building .venv with Python {sys.version.split()[0]}")
        venv.EnvBuilder(clear=True, with_pip=True, symlinks=os.name != "nt").create(VENV)
    say("installing what requirements-dev.lock names, hashes checked (a minute or two the first time)")
    pip("install", "--quiet", "--require-hashes", "--no-deps", "-r", str(LOCK))
    remove_strangers()
    pip("install", "--quiet", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    pip("check")


def fits() -> bool:
    """Whether the environment that is there runs, with this very Python: then only what changed is installed."""
    command = [venv_python(), "-c", "import pip, sys; print(sys.version, sys.base_prefix, sys.prefix)"]
    try:
        answer = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    except OSError:
        return False
    return answer.stdout.strip() == f"{sys.version} {sys.base_prefix} {VENV}"


def remove_strangers() -> None:
    """Uninstalls what is in the environment but not in the lock."""
    command = [venv_python(), "-m", "pip", "--disable-pip-version-check", "list", "--format=freeze"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    locked = {canonical(line) for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line}
    strangers = {canonical(line) for line in listing.splitlines() if "==" in line} - locked - OWN
    if strangers:
        pip("uninstall", "--quiet", "-y", *sorted(strangers))


def canonical(requirement: str) -> str:
    """The normalised name of a ``name==version`` line."""
    return re.sub(r"[-_.]+", "-", requirement.partition("==")[0].strip()).lower()


def main() -> None:
    """Sets up .venv unless it is current."""
    wanted = fingerprint()
    if is_current(wanted):
        return
    STAMP.unlink(missing_ok=True)
    try:
        build()
    except subprocess.CalledProcessError as failure:
        sys.exit(f"set-up: this command failed with status {failure.returncode}: {' '.join(map(str, failure.cmd))}")
    STAMP.write_text(wanted, encoding="ascii")
    say("done")


if __name__ == "__main__":
    main()
