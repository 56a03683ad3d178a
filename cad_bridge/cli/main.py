"""All commands; each group lives in a module of its own."""

from __future__ import annotations

import sys

import typer

from cad_bridge.cli import catalogue, checking, demo, geography, people, serving, telling
from cad_bridge.settings import ConfigurationError
from cad_bridge.store.embedded import EmbeddedDatabaseError

app = typer.Typer(
    name="cad-bridge",
    help="Ambulance CAD-to-CAD and validation workflow service (NHS BaRS).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("serve")(serving.serve)
app.command("migrate")(serving.migrate)
app.command("check-config")(serving.check_config)
app.command("validate")(checking.validate)
app.command("explain")(checking.explain)
app.command("machines")(telling.machines)
app.command("requirements")(telling.requirements)
app.command("replay")(telling.replay)
# Longitudes are negative in most of the country: they must not be taken for options.
app.command("locate", context_settings={"ignore_unknown_options": True})(geography.locate)
app.add_typer(geography.polygons, name="polygons")
app.add_typer(geography.uprns, name="uprns")
app.add_typer(catalogue.catalogue, name="catalogue")
app.command("sandbox")(demo.sandbox)
app.command("demo")(demo.demo)
app.command("hash-password")(people.hash_password)
app.command("hash-key")(people.hash_key)


def main() -> None:
    """Run a command; what a person can mend is said in a line, without a traceback."""
    try:
        app()
    except (ConfigurationError, EmbeddedDatabaseError) as error:
        sys.stderr.write(f"cad-bridge: {error}\n")
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"cad-bridge: {error.filename}: {error.strerror}\n")
        sys.exit(2)
