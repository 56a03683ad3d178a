"""Messages in files: `validate` lints them, `explain` says which decision row they fall under."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.structure import check_structure
from cad_bridge.protocol import explain as explaining
from cad_bridge.protocol.conformance import check_message
from cad_bridge.protocol.definitions import check_definition

_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFORMATION: "cyan"}

Files = Annotated[list[Path], typer.Argument(help="Files with one BaRS message each.", exists=True, dir_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Strict = Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")]


def validate(files: Files, as_json: AsJson = False, strict: Strict = False) -> None:
    """Lint messages; exit 1 if any of them would be refused."""
    found = {str(file): findings(file.read_bytes(), strict=strict) for file in files}
    if as_json:
        typer.echo(json.dumps([_as_dict(name, issues) for name, issues in found.items()], indent=2))
    else:
        _print(found)
    if any(issue.is_error for issues in found.values() for issue in issues):
        raise typer.Exit(1)


def findings(raw: bytes, *, strict: bool) -> list[Issue]:
    """Everything that the checks of a received message say about these bytes."""
    structure = check_structure(raw)
    if structure.bundle is None or structure.is_refused:
        return list(structure.issues)
    facts = read_facts(structure.bundle)
    issues = [*structure.issues, *check_definition(facts, strict=strict)]
    return [*issues, *check_message(structure.bundle, facts, strict=strict)]


def _print(found: dict[str, list[Issue]]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for name, issues in found.items():
        errors = sum(issue.is_error for issue in issues)
        verdict = "[bold red]refused[/]" if errors else "[green]accepted[/]"
        console.print(f"[bold]{escape(name)}[/]: {verdict}, {errors} errors, {len(issues) - errors} warnings")
        for issue in sorted(issues, key=lambda item: not item.is_error):
            colour = _COLOURS[issue.severity]
            console.print(
                f"  [{colour}]{issue.severity}[/] {escape(issue.expression)}: "
                f"{escape(issue.diagnostics)} [dim]({escape(issue.rule)}, {issue.code})[/]"
            )


def _as_dict(name: str, issues: list[Issue]) -> dict[str, Any]:
    return {
        "file": name,
        "accepted": not any(issue.is_error for issue in issues),
        "issues": [
            {
                "severity": issue.severity.value,
                "code": issue.code,
                "expression": issue.expression,
                "diagnostics": issue.diagnostics,
                "rule": issue.rule,
            }
            for issue in issues
        ],
    }


def explain(
    file: Annotated[Path, typer.Argument(help="A file with one BaRS message.", exists=True, dir_okay=False)],
    as_json: AsJson = False,
    strict: Strict = False,
) -> None:
    """Say which decision row a message falls under, and why the rows above did not fire."""
    explanation = explaining.explain(file.read_bytes(), strict=strict)
    typer.echo(json.dumps(explanation.as_dict(), indent=2) if as_json else explanation.text())
    if not explanation.is_accepted:
        raise typer.Exit(1)
