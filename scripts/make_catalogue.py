"""Writes cad_bridge/traceability/catalogue.csv: id, area, role, level and scope of every numbered requirement.

The source is the requirement catalogue that lies beside the checkout; its texts stay there. Run it when that catalogue
changes: ``python scripts/make_catalogue.py [CATALOGUE]``.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT.parent / "shared/requirements/requirements.yaml"
TARGET = ROOT / "cad_bridge/traceability/catalogue.csv"
FIELDS = ("id", "area", "role", "level", "scope")


def rows(catalogue: dict[str, Any]) -> list[dict[str, str]]:
    """One row for each requirement, in the catalogue's order; scope is ``main`` unless the catalogue says ``out``."""
    return [
        {**{field: requirement[field] for field in FIELDS[:-1]}, "scope": requirement.get("scope", "main")}
        for area in catalogue["areas"]
        for requirement in area["requirements"]
    ]


def main() -> None:
    """Reads the catalogue and writes the table."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE
    found = rows(yaml.safe_load(source.read_text(encoding="utf-8")))
    with TARGET.open("w", encoding="ascii", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}: {len(found)} requirements\n")


if __name__ == "__main__":
    main()
