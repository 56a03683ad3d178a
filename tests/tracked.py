"""The project's own files, as git sees them: tracked, or new and not ignored."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@cache
def project_files() -> tuple[Path, ...]:
    """Every file of the project, by full path.

    Raises:
        RuntimeError: this is not a git checkout, so nobody can say what belongs to the project.
    """
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        raise RuntimeError("the house rules are checked in a git checkout, and with git installed")
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in sorted(filter(None, listing.split("\0"))) if (path := ROOT / name).is_file())


def files_named(*patterns: str) -> list[Path]:
    """The project's files whose path fits one of the patterns, such as ``*.md``."""
    return [path for path in project_files() if any(path.match(pattern) for pattern in patterns)]


def shown(path: Path) -> str:
    """A path as a test should print it."""
    return path.relative_to(ROOT).as_posix()
