"""The `cad-bridge` command."""

from cad_bridge.cli.main import main

__all__ = ["main"]
