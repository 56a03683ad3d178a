"""Which trust serves which local authority district: the project's own table, and the list of ambulance services."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from cad_bridge.discovery.boundary_set import AmbulanceService


class TableError(Exception):
    """A table of the project is not what it should be."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A district, or a named part of one, and the trust that serves it."""

    district_code: str
    district_name: str
    ods_code: str
    part: str = ""
    """Empty for a whole district, or for what is left of it when its named parts are taken out."""


@dataclass(frozen=True, slots=True)
class DistrictTable:
    """District code to trust. Codes are those of the Office for National Statistics, May 2025, and former ones."""

    by_code: dict[str, tuple[Assignment, ...]]
    current_codes: frozenset[str]

    def assignments(self, code: str) -> tuple[Assignment, ...]:
        """The trusts of a district by current or former code, the remainder first; none for an unknown code."""
        return self.by_code.get(code, ())

    def current(self, code: str) -> str:
        """The current code of a district that may be given by a former one."""
        return self.by_code[code][0].district_code


def read_district_table(text: str) -> DistrictTable:
    """Read ``district_code,district_name,ods_code,part,former_code``.

    Raises:
        TableError: columns are missing, or a district has no remainder or two.
    """
    by_code: dict[str, tuple[Assignment, ...]] = {}
    former: dict[str, str] = {}
    for row in _rows(text, ("district_code", "district_name", "ods_code", "part", "former_code")):
        code = row["district_code"]
        assignment = Assignment(code, row["district_name"], row["ods_code"], row["part"])
        by_code[code] = tuple(sorted((*by_code.get(code, ()), assignment), key=lambda entry: entry.part))
        if row["former_code"]:
            former[row["former_code"]] = code
    for code, assignments in by_code.items():
        if [assignment.part for assignment in assignments].count("") != 1:
            raise TableError(f"district {code} needs exactly one line without a part")
    current = frozenset(by_code)
    return DistrictTable({**by_code, **{old: by_code[code] for old, code in former.items()}}, current)


def read_services(text: str) -> dict[str, AmbulanceService]:
    """Read ``ods_code,short_name,name,code_status``, by ODS code.

    Raises:
        TableError: columns are missing, or a code is there twice.
    """
    services: dict[str, AmbulanceService] = {}
    for row in _rows(text, ("ods_code", "short_name", "name", "code_status")):
        if row["ods_code"] in services:
            raise TableError(f"service {row['ods_code']} is there twice")
        services[row["ods_code"]] = AmbulanceService(**row)
    return services


def _rows(text: str, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text))
    missing = set(columns) - set(reader.fieldnames or ())
    if missing:
        raise TableError(f"columns missing: {', '.join(sorted(missing))}")
    for row in reader:
        yield {column: (row[column] or "").strip() for column in columns}
