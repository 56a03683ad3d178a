"""The boundary indexes that the tests ask; each is built once."""

from __future__ import annotations

import pytest

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.packaged import default_set
from tests.unit.discovery.ground import index


@pytest.fixture(scope="session")
def squares_index() -> BoundaryIndex:
    return index()


@pytest.fixture(scope="session")
def default_index() -> BoundaryIndex:
    return BoundaryIndex(default_set())
