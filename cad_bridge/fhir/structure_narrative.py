"""Narrative text of a received resource: only the harmless XHTML that FHIR allows (txt-1), and some text (txt-2).

Not read with an HTML parser, which forgives, and takes quadratic time on some hostile input: one pass over strictly
written tags is enough to refuse all else.
"""

from __future__ import annotations

import re

from cad_bridge.fhir.schema_types import words

_ELEMENTS = frozenset(
    words(
        """
    a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img
    li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var
    """
    )
)
_ATTRIBUTES = frozenset(
    words(
        """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset
    cite class colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap rel
    rev rowspan rules scope shape span src start style summary tabindex title type valign value vspace width xmlns
    xml:lang
    """
    )
)
_ACTIVE = ("javascript:", "vbscript:", "data:text")

# Only single characters repeat possessively: before 3.11.5 Python errs where a whole group does.
_MARKUP = re.compile(
    r"<!--[^-]*+(?:-[^-]++)*-->"
    r"|</(?P<end>[a-z][a-z0-9]*+)\s*+>"
    r"|<(?P<start>[a-z][a-z0-9]*+)(?P<attributes>(?:\s++[a-z][a-z:]*+\s*+=\s*+(?:\"[^\"<]*+\"|'[^'<]*+'))*)\s*+(?P<empty>/?)>"
)
_ATTRIBUTE = re.compile(r"([a-z][a-z:]*+)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)')")


def is_plain_xhtml(div: str) -> bool:
    """Whether `div` is one balanced ``<div>`` of allowed elements and attributes, without anything that can run."""
    position, open_elements, outermost = 0, list[str](), list[str]()
    while (begin := div.find("<", position)) >= 0:
        markup = _MARKUP.match(div, begin)
        if markup is None or (not open_elements and div[position:begin].strip()):
            return False
        if not open_elements and markup["start"]:
            outermost.append(markup["start"])
        if not _fits(markup, open_elements):
            return False
        position = markup.end()
    return outermost == ["div"] and not open_elements and not div[position:].strip()


def has_text(div: str) -> bool:
    """Whether the narrative shows anything: text that is not blank, or an image."""
    return "<img" in div or bool(_MARKUP.sub("", div).strip())


def _fits(markup: re.Match[str], open_elements: list[str]) -> bool:
    """Whether the tag is allowed and closes what was opened last; keeps account of what is open."""
    if markup["end"]:
        return bool(open_elements) and open_elements.pop() == markup["end"]
    if markup["start"]:
        if not markup["empty"]:
            open_elements.append(markup["start"])
        return markup["start"] in _ELEMENTS and _attributes_fit(markup["attributes"])
    return True


def _attributes_fit(attributes: str) -> bool:
    return all(
        name in _ATTRIBUTES and not "".join((double or single).split()).lower().startswith(_ACTIVE)
        for name, double, single in _ATTRIBUTE.findall(attributes)
    )
