"""Writes docs/requirements.md from the marks on the tests (``make requirements``)."""

from __future__ import annotations

import sys
from pathlib import Path

from cad_bridge.traceability import TestsUnavailableError, as_page, matrix

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/requirements.md"


def main() -> None:
    """Collects the tests and writes the page."""
    try:
        whole = matrix(ROOT)
    except TestsUnavailableError as problem:
        sys.exit(str(problem))
    PAGE.write_text(as_page(whole), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} written\n")
    if whole.faults:
        sys.exit("\n".join(whole.faults))


if __name__ == "__main__":
    main()
