"""Prints the entries of a lock file for some packages only, or for all but some; the image is built from such parts.

Usage: ``lock_entries.py only|without NAME[,NAME...] LOCK``. A name that the lock does not hold is an error.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ENTRY = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", re.MULTILINE)


def entries(lock: str) -> list[tuple[str, str]]:
    """Name and whole text (hashes included) of each entry, in order; a package may have several, by marker."""
    starts = [*ENTRY.finditer(lock)]
    ends = [*(match.start() for match in starts[1:]), len(lock)]
    return [(match[1], lock[match.start() : end]) for match, end in zip(starts, ends, strict=True)]


def selected(lock: str, names: set[str], *, keep: bool) -> str:
    """The lock with only the named packages, or without them.

    Raises:
        ValueError: the lock does not hold one of the names.
    """
    found = entries(lock)
    missing = names - {name for name, _ in found}
    if missing:
        raise ValueError(f"the lock does not hold {', '.join(sorted(missing))}")
    return "".join(text for name, text in found if (name in names) is keep)


if __name__ == "__main__":
    mode, listed, path = sys.argv[1:]
    sys.stdout.write(selected(Path(path).read_text(encoding="utf-8"), set(listed.split(",")), keep=mode == "only"))
