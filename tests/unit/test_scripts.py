"""The set-up scripts, and the image's recipe as far as it can be read without building it."""

from __future__ import annotations

import hashlib
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from scripts.copy_assets import FOREIGN_URL, TEXTS, VENDOR, plain, without_web_fonts, write
from scripts.lock_entries import selected
from tests.tracked import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

STYLE = (
    "@font-face{font-family:Frutiger W01;src:url(https://assets.nhs.uk/fonts/a.woff2)}"
    "@font-face{font-family:Frutiger W01;src:url(https://assets.nhs.uk/fonts/b.woff2)}"
    "body{font-family:Frutiger W01,arial,sans-serif}i{background:url(/assets/images/cross.svg)}"
    "\n/*# sourceMappingURL=nhsuk.css.map */"
)

needs_assets = pytest.mark.skipif(
    not (VENDOR / "manifest.json").is_file(), reason="the front-end packages are not installed (make assets)"
)


def test_the_style_sheet_loses_its_web_fonts_and_finds_its_icons_beside_it() -> None:
    changed = without_web_fonts(STYLE)
    assert changed == "body{font-family:arial,sans-serif}i{background:url(images/cross.svg)}\n"


@pytest.mark.parametrize("comment", ["//# sourceMappingURL=a.js.map", "/*# sourceMappingURL=a.css.map */"])
def test_links_to_source_maps_are_taken_out(comment: str) -> None:
    assert plain(f"code();\n{comment}\n") == "code();\n"


@pytest.mark.parametrize(
    "value", ["url(https://example.org/a)", "url( '//example.org/a')", '@import "http://example.org"']
)
def test_a_style_sheet_that_asks_another_host_is_not_copied(tmp_path: Path, value: str) -> None:
    with pytest.raises(SystemExit, match="asks another host"):
        write(tmp_path / "a.css", f"a{{b:{value}}}")
    assert list(tmp_path.iterdir()) == []


@needs_assets
def test_what_the_board_serves_is_whole_and_asks_no_other_host() -> None:
    stated = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))
    assert set(TEXTS) < set(stated["sha256"])
    for name, digest in stated["sha256"].items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
    for sheet in VENDOR.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not FOREIGN_URL.search(text)
        for address in re.findall(r"url\(([\w./-]+)\)", text):
            assert (sheet.parent / address).is_file(), f"{sheet.name} asks for {address}"


LOCK = """\
a==1 \\
    --hash=sha256:1
b-c==2 ; python_version < '3.12' \\
    --hash=sha256:2
b-c==3 \\
    --hash=sha256:3
"""


def test_part_of_a_lock_is_taken_with_its_hashes_and_markers() -> None:
    assert selected(LOCK, {"a"}, keep=True) == "a==1 \\\n    --hash=sha256:1\n"
    assert selected(LOCK, {"a"}, keep=False) == LOCK.removeprefix("a==1 \\\n    --hash=sha256:1\n")
    assert selected(LOCK, {"a", "b-c"}, keep=True) == LOCK


def test_a_package_that_the_lock_does_not_hold_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not hold d"):
        selected(LOCK, {"a", "d"}, keep=True)


def image_parts() -> list[tuple[str, str, str]]:
    """Mode, packages and lock of each part of a lock that the image is built from."""
    return re.findall(r"lock_entries\.py (only|without) (\S+)\s+(?:\\\s+)?(\S+\.lock)", DOCKERFILE)


def test_the_image_takes_its_packages_from_the_locks() -> None:
    parts = image_parts()
    assert [(mode, lock) for mode, _, lock in parts] == [
        ("only", "requirements-dev.lock"),
        ("without", "requirements.lock"),
    ]
    for mode, names, lock in parts:
        text = (ROOT / lock).read_text(encoding="utf-8")
        assert selected(text, set(names.split(",")), keep=mode == "only")
    installs = re.findall(r"pip(?: --python \S+)? install [^&]*", DOCKERFILE)
    assert len(installs) == 3
    assert all("--require-hashes" in install or "--no-index" in install for install in installs)


def copied_into_the_image() -> list[str]:
    """What the image copies from the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source.rstrip("/") for line in lines for source in line.split()[:-1]]


def test_what_the_image_copies_is_there_and_reaches_the_builder() -> None:
    rules = [
        line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    for source in copied_into_the_image():
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in let_in, source
    assert not any(fnmatchcase(name, rule) for rule in let_in for name in (".git", ".venv", "tests", ".cad-bridge"))


def test_the_image_does_not_run_as_root_and_says_how_it_is() -> None:
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    user = re.search(r"^USER (\d+):(\d+)$", last_stage, re.MULTILINE)
    assert user is not None
    assert "0" not in user.groups()
    assert "HEALTHCHECK" in last_stage
    assert "/health/live" in last_stage
    assert 'CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]' in last_stage
