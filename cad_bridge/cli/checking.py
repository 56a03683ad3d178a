"""Messages in files: `validate` lints them, `explain` says which decision row they fall under."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cad_bridge.fhir.check import check_message
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.json_lines import JsonLines
from cad_bridge.fhir.structure import check_structure
from cad_bridge.protocol import explain as explaining
from cad_bridge.protocol.definitions import check_definition

_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFORMATION: "cyan"}

Files = Annotated[list[Path], typer.Argument(help="Files with one BaRS message each.", exists=True, dir_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Strict = Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")]


def validate(files: Files, as_json: AsJson = False, strict: Strict = False) -> None:
    """Lint messages; exit 1 if any of them would be refused."""
    linted = [_lint(file, strict=strict) for file in files]
    if as_json:
        typer.echo(json.dumps([_as_dict(each) for each in linted], indent=2))
    else:
        _print(linted)
    if any(finding.issue.is_error for each in linted for finding in each.findings):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Finding:
    """An issue, and the line of the file that it is about, where that can be told."""

    issue: Issue
    line: int | None


@dataclass(frozen=True, slots=True)
class _Linted:
    """A file and all that is to be said about it."""

    name: str
    findings: tuple[_Finding, ...]

    @property
    def errors(self) -> int:
        """How many of them refuse the message."""
        return sum(finding.issue.is_error for finding in self.findings)


def _lint(file: Path, *, strict: bool) -> _Linted:
    raw = file.read_bytes()
    lines = JsonLines(raw)
    return _Linted(
        name=str(file),
        findings=tuple(_Finding(issue, lines.line(issue.expression)) for issue in findings(raw, strict=strict)),
    )


def findings(raw: bytes, *, strict: bool) -> list[Issue]:
    """Everything that the checks of a received message say about these bytes."""
    structure = check_structure(raw)
    if structure.bundle is None or structure.is_refused:
        return list(structure.issues)
    facts = read_facts(structure.bundle)
    issues = [*structure.issues, *check_definition(facts, strict=strict)]
    return [*issues, *check_message(structure.bundle, facts, strict=strict, collected=structure.collected)]


def _print(linted: list[_Linted]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for each in linted:
        verdict = "[bold red]refused[/]" if each.errors else "[green]accepted[/]"
        warnings = len(each.findings) - each.errors
        console.print(f"[bold]{escape(each.name)}[/]: {verdict}, {each.errors} errors, {warnings} warnings")
        for finding in sorted(each.findings, key=lambda item: not item.issue.is_error):
            issue, line = finding.issue, f"line {finding.line}, " if finding.line is not None else ""
            colour = _COLOURS[issue.severity]
            console.print(
                f"  [{colour}]{issue.severity}[/] {line}{escape(issue.expression)}: "
                f"{escape(issue.diagnostics)} [dim]({escape(issue.rule)}, {issue.code})[/]"
            )


def _as_dict(linted: _Linted) -> dict[str, Any]:
    return {
        "file": linted.name,
        "accepted": linted.errors == 0,
        "issues": [
            {
                "severity": finding.issue.severity.value,
                "code": finding.issue.code,
                "line": finding.line,
                "expression": finding.issue.expression,
                "diagnostics": finding.issue.diagnostics,
                "rule": finding.issue.rule,
            }
            for finding in linted.findings
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
