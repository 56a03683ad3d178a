"""Copies the front-end files that the board serves from node_modules/ to cad_bridge/web/board/static/vendor/.

Nothing is built. Two things are changed on the way, so that a page never asks another host for anything:

* NHS.UK frontend: the web fonts are taken out (they lie on assets.nhs.uk and are licensed for NHS sites only), Arial is
  used in their place, and its icons are asked for beside the style sheet;
* links to source maps, which are not served, are taken out.

A file that still names another host in a ``url()`` stops the copying.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "cad_bridge/web/board/static/vendor"

SOURCE_MAP = re.compile(r"(?://|/\*)# sourceMappingURL=\S+(?: \*/)?")
FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")
FOREIGN_URL = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])(?:[a-z]+:)?//""")

NHSUK_LICENCE = """\
nhsuk-frontend {version} is released by NHS England under the MIT Licence (package.json: "license": "MIT"; its
README: "The codebase is released under the MIT Licence, unless stated otherwise"). The npm package holds no copy of
the licence text. The style sheet here differs from the published one: its web fonts are taken out, Arial stands in
their place, and its icons are asked for beside it.
"""


def plain(text: str) -> str:
    """The file without its link to a source map."""
    return SOURCE_MAP.sub("", text).rstrip() + "\n"


def without_web_fonts(text: str) -> str:
    """NHS.UK's style sheet with Arial for its web fonts and its icons beside it."""
    text = FONT_FACE.sub("", plain(text)).replace("Frutiger W01,", "")
    return text.replace("url(/assets/images/", "url(images/")


TEXTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "nhsuk-frontend/nhsuk-frontend.min.css": ("nhsuk-frontend/dist/nhsuk/nhsuk-frontend.min.css", without_web_fonts),
    "nhsuk-frontend/nhsuk-frontend.min.js": ("nhsuk-frontend/dist/nhsuk/nhsuk-frontend.min.js", plain),
    "htmx/htmx.min.js": ("htmx.org/dist/htmx.min.js", plain),
    "htmx/hx-sse.min.js": ("htmx.org/dist/ext/hx-sse.min.js", plain),
    "htmx/LICENSE": ("htmx.org/LICENSE", plain),
    "leaflet/leaflet.css": ("leaflet/dist/leaflet.css", plain),
    "leaflet/leaflet.js": ("leaflet/dist/leaflet.js", plain),
    "leaflet/LICENSE": ("leaflet/LICENSE", plain),
}
PACKAGES = {"nhsuk-frontend": "nhsuk-frontend", "htmx": "htmx.org", "leaflet": "leaflet"}


def copy_assets() -> None:
    """Replaces the vendor folder whole: nothing of an earlier version stays.

    Raises:
        SystemExit: a file is missing, or would ask another host for something.
    """
    shutil.rmtree(VENDOR, ignore_errors=True)
    for target, (source, change) in TEXTS.items():
        write(VENDOR / target, change((MODULES / source).read_text(encoding="utf-8")))
    copy_icons()
    shutil.copytree(MODULES / "leaflet/dist/images", VENDOR / "leaflet/images")
    licence = NHSUK_LICENCE.format(version=version("nhsuk-frontend"))
    write(VENDOR / "nhsuk-frontend/LICENCE", licence)
    write_manifest()


def copy_icons() -> None:
    """The icons that NHS.UK's style sheet asks for, and no others (logos and favicons are the NHS's own marks)."""
    css = (VENDOR / "nhsuk-frontend/nhsuk-frontend.min.css").read_text(encoding="utf-8")
    folder = VENDOR / "nhsuk-frontend/images"
    folder.mkdir()
    for name in sorted(set(re.findall(r"url\(images/([\w.-]+)\)", css))):
        shutil.copyfile(MODULES / "nhsuk-frontend/dist/nhsuk/assets/images" / name, folder / name)


def write(target: Path, text: str) -> None:
    """Writes one file, unless it would make a page ask another host for something."""
    if target.suffix == ".css" and FOREIGN_URL.search(text):
        sys.exit(f"{target.name} still asks another host for a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def version(package: str) -> str:
    """The installed version of a package."""
    return str(json.loads((MODULES / package / "package.json").read_text(encoding="utf-8"))["version"])


def write_manifest() -> None:
    """manifest.json: the versions, and the SHA-256 of every file (a page can name it to fetch the file anew)."""
    files = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(VENDOR.rglob("*"))
        if path.is_file()
    }
    versions = {name: version(package) for name, package in PACKAGES.items()}
    manifest = json.dumps({"versions": versions, "sha256": files}, indent=2, sort_keys=True)
    write(VENDOR / "manifest.json", manifest + "\n")


if __name__ == "__main__":
    copy_assets()
