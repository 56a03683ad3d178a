"""The site's own what3words resolver: found by name, and its failures harm nothing."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

from cad_bridge.discovery.crs import GridPoint
from cad_bridge.discovery.query import ResolvedPlace, What3WordsSource
from cad_bridge.plugged_in import what3words_source
from cad_bridge.settings import ConfigurationError, DiscoverySection

LEEDS = ResolvedPlace(GridPoint(430_160, 433_562), 3.0)


class Table:
    def place_of_words(self, words: str) -> ResolvedPlace | None:
        return LEEDS if words == "a.b.c" else None


class Failing:
    def place_of_words(self, words: str) -> ResolvedPlace | None:
        raise ConnectionError(words)


class Absurd:
    def place_of_words(self, words: str) -> ResolvedPlace | None:
        return ResolvedPlace(GridPoint(math.nan, 433_562), 3.0)


class Else:
    def place_of_words(self, words: str) -> str:
        return words


class Nothing:
    """No resolver."""


class Unmade:
    def __init__(self) -> None:
        raise OSError("no licence file")


def named(name: str) -> What3WordsSource:
    found = what3words_source(f"{__name__}:{name}")
    assert found is not None
    return found


def test_a_resolver_is_asked() -> None:
    assert named("Table").place_of_words("a.b.c") == LEEDS
    assert named("Table").place_of_words("d.e.f") is None
    assert what3words_source(None) is None


@pytest.mark.parametrize("name", ["Failing", "Absurd", "Else"])
def test_a_resolver_that_fails_leaves_the_words_unresolved_and_out_of_the_log(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert named(name).place_of_words("a.b.c") is None
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "a.b.c" not in record.getMessage() + str(vars(record))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tests.unit.nowhere:Table", "ModuleNotFoundError"),
        (f"{__name__}:Absent", "AttributeError"),
        (f"{__name__}:Unmade", "no licence file"),
        (f"{__name__}:Nothing", "has no place_of_words"),
    ],
)
def test_what_is_no_resolver_stops_the_start(name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        what3words_source(name)


@pytest.mark.parametrize("name", ["words", "words:", ":Words", "words:Wo rds", "../words:Words"])
def test_a_name_is_a_module_and_a_class(name: str) -> None:
    with pytest.raises(ValueError, match="what3words_resolver"):
        DiscoverySection(what3words_resolver=name)


def test_the_interface_is_the_documented_one() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/configuration.md").read_text(encoding="utf-8")
    assert "place_of_words(self, words: str) -> ResolvedPlace | None" in page
