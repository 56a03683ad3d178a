"""Where the official BaRS material and the geography lie, if they lie beside this checkout at all."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
"""The folder with the official examples, profiles and boundaries; never part of this project."""

needs_shared = pytest.mark.skipif(
    not (SHARED / "bars").is_dir(),
    reason="the official BaRS material is not beside this checkout (../shared)",
)
