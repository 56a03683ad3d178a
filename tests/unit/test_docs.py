"""What the documentation says exists, and what exists is documented."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

import cad_bridge
from cad_bridge.settings import BarsSection, BoardSection, ConfigFile, PolicySection, Settings, SoftwareSection
from cad_bridge.workflow.policy import Policy
from tests.tracked import ROOT, files_named, shown

PAGES = files_named("*.md")
DECISIONS = ROOT / "docs/decisions"
TEMPLATE = "0000-template.md"
CONFIGURATION = ROOT / "docs/configuration.md"

FENCED = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
OUTSIDE = ("https://", "http://", "mailto:")
VERSION = r"\d+\.\d+\.\d+"


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def code(page: Path) -> Iterator[str]:
    """Each piece of code in a page: the lines of its blocks, and what stands between backticks."""
    for block in FENCED.finditer(page.read_text(encoding="utf-8")):
        yield from block[0].splitlines()[1:-1]
    yield from CODE.findall(prose(page))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them (repeated headings get a number)."""
    seen: dict[str, int] = {}
    found = set()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(slug if slug not in seen else f"{slug}-{seen[slug]}")
        seen[slug] = seen.get(slug, 0) + 1
    return frozenset(found)


def broken_links(page: Path) -> Iterator[str]:
    for match in LINK.finditer(CODE.sub("", prose(page))):
        target = match[1] or match[2]
        if target.startswith(OUTSIDE):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists():
            yield f"{shown(page)}: {target}"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            yield f"{shown(page)}: {target} (no such heading)"


def test_every_link_leads_somewhere() -> None:
    assert [link for page in PAGES for link in broken_links(page)] == []


def test_every_page_that_is_named_is_there() -> None:
    def is_there(page: Path, name: str) -> bool:
        return any((folder / name).is_file() for folder in (page.parent, ROOT, ROOT / "docs"))

    named = [
        (page, text) for page in PAGES for text in CODE.findall(prose(page)) if re.fullmatch(r"[\w./-]+\.md", text)
    ]
    assert [f"{shown(page)}: {text}" for page, text in named if not is_there(page, text)] == []


def test_the_check_of_links_sees_broken_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.test_docs.shown", lambda path: path.name)
    page = tmp_path / "page.md"
    page.write_text(
        '# A `b` heading\n[good](#a-b-heading) [bad](#nothing) [gone](gone.md "title") [there](page.md#a-b-heading)\n'
        "`[code](gone.md)` [out](https://example.org)\n```\n[block](gone.md)\n```\n![picture](gone.png)\n",
        encoding="utf-8",
    )
    found = list(broken_links(page))
    assert found == ["page.md: #nothing (no such heading)", "page.md: gone.md", "page.md: gone.png"]


# --- settings --------------------------------------------------------------------------------------------


def environment_settings() -> set[str]:
    return {f"CAD_BRIDGE_{name.upper()}" for name in Settings.model_fields}


def file_settings(section: type[BaseModel] = ConfigFile) -> set[str]:
    """The names of all keys and sections of the TOML file."""
    names: set[str] = set()
    for name, field in section.model_fields.items():
        names.add(name)
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                names |= file_settings(part)
    return names


def test_every_setting_that_is_named_exists() -> None:
    named = {
        (shown(page), name)
        for page in PAGES
        for name in re.findall(r"CAD_BRIDGE_[A-Z][A-Z_]*", page.read_text("utf-8"))
    }
    assert {(page, name) for page, name in named if name not in environment_settings()} == set()


def test_every_setting_is_documented() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    undocumented = {name for name in environment_settings() if name not in text}
    undocumented |= {name for name in file_settings() if not re.search(rf"(?<![\w]){name}(?![\w])", text)}
    assert undocumented == set()


def documented_file() -> dict[str, Any]:
    """The TOML file of the configuration page, with secrets where it has dots."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    return tomllib.loads(example.replace('key_sha256 = "..."', f'key_sha256 = "{"0" * 64}"'))


def test_the_documented_file_is_one_that_is_taken() -> None:
    config = ConfigFile.model_validate(documented_file())
    assert config.site().services


def test_the_documented_times_and_switches_are_the_defaults() -> None:
    documented = documented_file()
    assert PolicySection(**documented["service"][0]["policy"]).policy() == Policy()
    assert config_of(documented, "board") == BoardSection()
    for section, model, names in (
        ("bars", BarsSection(), ("base_url", "key_id", "timeout_seconds", "negotiation", "direct", "maintenance")),
        ("bars", BarsSection(), ("known_services_only",)),
        ("software", SoftwareSection(), ("instance",)),
    ):
        for name in names:
            assert documented[section][name] == getattr(model, name), name


def config_of(documented: dict[str, Any], section: str) -> BaseModel:
    found: BaseModel = getattr(ConfigFile.model_validate(documented), section)
    return found


# --- commands --------------------------------------------------------------------------------------------


@cache
def commands() -> frozenset[str]:
    """The commands of ``cad-bridge``, those of groups as ``group command``."""
    group = typer.main.get_group(import_module("cad_bridge.cli.main").app)
    names = set(group.commands)
    for name, command in group.commands.items():
        names |= {f"{name} {inner}" for inner in getattr(command, "commands", {})}
    return frozenset(names)


def named_commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for text in code(page):
            for words in re.findall(r"(?:^|[\s/])cad-bridge((?: [a-z][a-z-]*)+)", text):
                yield shown(page), words.strip()


def is_command(words: str) -> bool:
    first, _, rest = words.partition(" ")
    inner = {name for name in commands() if name.startswith(f"{first} ")}
    return first in commands() and (not inner or not rest or f"{first} {rest.partition(' ')[0]}" in inner)


def test_every_command_that_is_named_exists() -> None:
    assert [f"{page}: cad-bridge {words}" for page, words in named_commands() if not is_command(words)] == []


def test_every_command_is_documented() -> None:
    named = {words for _, words in named_commands()}
    first_words = {words.partition(" ")[0] for words in named}
    assert {command for command in commands() if " " not in command} - first_words == set()


def options() -> Iterator[str]:
    """Every option of every command, but ``--help``."""
    group = typer.main.get_group(import_module("cad_bridge.cli.main").app)
    for command in group.commands.values():
        for each in (command, *getattr(command, "commands", {}).values()):
            for parameter in each.params:
                yield from (name for name in parameter.opts if name.startswith("--"))


def test_every_option_is_documented() -> None:
    text = " ".join(code(ROOT / "docs/commands.md"))
    undocumented = {name for name in options() if not re.search(rf"{name}(?![\w-])", text)}
    assert undocumented - {"--lenient"} == set(), "of --lenient the opposite is documented: it is the default"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        (shown(page), target)
        for page in PAGES
        for text in code(page)
        for target in re.findall(r"^make ([a-z-]+)", text.strip())
    }
    assert {(page, target) for page, target in named if target not in targets} == set()


# --- decisions -------------------------------------------------------------------------------------------

SECTIONS = ["Context", "Decision", "Consequences", "Alternatives"]
DECISION_PAGES = sorted(DECISIONS.glob("[0-9]*.md"))


@pytest.mark.parametrize("page", DECISION_PAGES, ids=lambda page: page.name)
def test_a_decision_says_why_what_and_what_else(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(rf"# 0*{int(page.name[:4])}[. ] *\S", text), "the title begins with the page's number"
    assert [heading for heading in HEADING.findall(text) if heading in SECTIONS] == SECTIONS


def test_decisions_have_numbers_of_their_own_and_stand_in_the_list() -> None:
    numbers = [page.name[:4] for page in DECISION_PAGES]
    assert len(set(numbers)) == len(numbers)
    listed = set(LINK.findall((DECISIONS / "README.md").read_text(encoding="utf-8")))
    assert {page.name for page in DECISION_PAGES} == {target for target, _ in listed}


# --- changelog -------------------------------------------------------------------------------------------


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert sections[0].startswith("[Unreleased]")
    released = [
        match[1] for section in sections[1:] if (match := re.match(rf"\[({VERSION})\] - \d{{4}}-\d\d-\d\d\n", section))
    ]
    assert len(released) == len(sections) - 1, "a released version has a number and a date"
    in_preparation = re.search(rf"version in preparation is ({VERSION})", sections[0])
    assert cad_bridge.__version__ == (in_preparation[1] if in_preparation else released[0])
