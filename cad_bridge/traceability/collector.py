"""A pytest plugin that writes which collected test carries which ``req`` marks.

Loaded by :mod:`cad_bridge.traceability.collection` only (``-p cad_bridge.traceability.collector``), so that marks made
in tables, comprehensions and parametrised cases are seen as pytest sees them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cad_bridge.traceability.collection import OPTION


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option that names the file to write."""
    parser.addoption(OPTION, type=Path, default=None, help="write the req marks of the collected tests to this file")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Writes ``{"test id": ["requirement id", ...]}``, one entry for each test that shows at least one requirement."""
    target = session.config.getoption(OPTION)
    if target is None:
        return
    shown = {item.nodeid: ids for item in session.items if is_expected_to_pass(item) and (ids := requirement_ids(item))}
    target.write_text(json.dumps(shown), encoding="utf-8")


def requirement_ids(item: pytest.Item) -> list[str]:
    """The ids on a test, from all its marks (case, function, class, module), each once.

    Raises:
        pytest.UsageError: a mark holds something else than ids.
    """
    ids = [requirement_id for mark in item.iter_markers("req") for requirement_id in mark.args]
    if not all(isinstance(requirement_id, str) for requirement_id in ids):
        raise pytest.UsageError(f"{item.nodeid}: a req mark takes requirement ids only, not {ids!r}")
    return list(dict.fromkeys(ids))


def is_expected_to_pass(item: pytest.Item) -> bool:
    """Whether the test shows anything: one that is always skipped, or expected to fail, does not."""
    return item.get_closest_marker("skip") is None and item.get_closest_marker("xfail") is None
