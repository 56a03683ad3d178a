"""Which numbered BaRS requirement is shown by which test.

Tests name what they show with ``@pytest.mark.req("APP4-VS-18")``. :func:`matrix` lets pytest collect the tests of a
checkout and sets their marks against the catalogue; :func:`print_requirements` is the command ``cad-bridge
requirements``. The catalogue holds ids, roles and levels only, no text of the standard.
"""

from cad_bridge.traceability.catalogue import Requirement, read_areas, read_catalogue, read_not_ours
from cad_bridge.traceability.collection import TestsUnavailableError
from cad_bridge.traceability.matrix import Matrix, Row, Status, as_json, matrix
from cad_bridge.traceability.report import as_page, print_requirements

__all__ = [
    "Matrix",
    "Requirement",
    "Row",
    "Status",
    "TestsUnavailableError",
    "as_json",
    "as_page",
    "matrix",
    "print_requirements",
    "read_areas",
    "read_catalogue",
    "read_not_ours",
]
