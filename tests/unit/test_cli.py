"""The commands that need no service: what they print and how they exit."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from cad_bridge.cli.main import app, main
from cad_bridge.settings import ConfigurationError
from tests import messages
from tests.service import OUR_CAS

RUN = CliRunner()


@pytest.fixture
def message(tmp_path: Path) -> Path:
    """A file with a good validation request."""
    path = tmp_path / "message.json"
    path.write_text(json.dumps(messages.validation_request(destination=OUR_CAS)), encoding="utf-8")
    return path


def _broken(message: Path) -> Path:
    bundle = json.loads(message.read_text(encoding="utf-8"))
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Encounter":
            entry["resource"]["status"] = "bananas"
    message.write_text(json.dumps(bundle), encoding="utf-8")
    return message


def test_validate_accepts_a_good_message_and_says_so(message: Path) -> None:
    result = RUN.invoke(app, ["validate", str(message)])
    assert result.exit_code == 0, result.output
    assert "accepted" in result.output


def test_validate_refuses_a_bad_one_with_the_path_and_without_the_value(message: Path) -> None:
    result = RUN.invoke(app, ["validate", "--json", str(_broken(message))])
    assert result.exit_code == 1
    (said,) = json.loads(result.output)
    assert said["accepted"] is False
    error = next(issue for issue in said["issues"] if issue["severity"] == "error")
    assert error["expression"].endswith("status")
    assert "bananas" not in result.output


def test_validate_names_the_line_of_the_file(message: Path) -> None:
    bundle = json.loads(_broken(message).read_text(encoding="utf-8"))
    message.write_text(json.dumps(bundle, indent=1), encoding="utf-8")
    lines = message.read_text(encoding="utf-8").splitlines()
    wanted = next(number for number, line in enumerate(lines, start=1) if "bananas" in line)
    (said,) = json.loads(RUN.invoke(app, ["validate", "--json", str(message)]).output)
    error = next(issue for issue in said["issues"] if issue["severity"] == "error")
    assert error["line"] == wanted
    assert f"line {wanted}, " in RUN.invoke(app, ["validate", str(message)]).output


def test_explain_names_the_row_and_why_others_did_not_fire(message: Path) -> None:
    result = RUN.invoke(app, ["explain", str(message)])
    assert result.exit_code == 0, result.output
    assert "Row DT-02" in result.output
    assert "DT-09" in result.output


def test_machines_prints_every_state_machine() -> None:
    result = RUN.invoke(app, ["machines"])
    assert result.exit_code == 0
    assert "%% validation-requester" in result.output
    assert "%% validation-responder" in result.output
    assert "pending --> breached: breach_due" in result.output


def test_locate_answers_with_a_negative_longitude() -> None:
    result = RUN.invoke(app, ["locate", "53.7975", "-1.5436"])
    assert result.exit_code == 0, result.output
    assert "RX8" in result.output


def test_check_config_says_what_the_settings_come_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        '[[service]]\nid = "x|1"\nods_code = "RX8"\nname = "EOC"\nuse_cases = ["a4t1"]\nrole = "ast"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("CAD_BRIDGE_CONFIG", str(file))
    result = RUN.invoke(app, ["check-config"])
    assert result.exit_code == 0, result.output
    assert "service: EOC (ast): a4t1" in result.output


def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("CAD_BRIDGE_CONFIG", str(tmp_path / "c.toml"))
    monkeypatch.setenv("CAD_BRIDGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("CAD_BRIDGE_DATABASE_URL", raising=False)


def test_check_config_names_the_boundaries_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, monkeypatch, '[discovery]\nwhat3words_resolver = "tests.unit.test_plugged_in:Table"\n')
    result = RUN.invoke(app, ["check-config"])
    assert result.exit_code == 0, result.output
    assert "boundaries: default-" in result.output
    assert "(not for operational use)" in result.output
    assert "looked up: postcode, what3words" in result.output
    assert not (tmp_path / "data").exists()


_TOKENS = '[bars]\ntoken_url = "http://127.0.0.1:9/token"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[discovery]\nuprn_table = "/nowhere/uprn.table"\n', "discovery.uprn_table"),
        ('[discovery]\nwhat3words_resolver = "nowhere:Words"\n', "discovery.what3words_resolver"),
        (_TOKENS, "bars.private_key_file is needed"),
        (f'{_TOKENS}private_key_file = "/nowhere/key.pem"\n', "bars.private_key_file: the private key cannot be used"),
        ('[bars.inbound]\nproxy_address = "10.0.0.5"\nsubjects = ["CN=x"]\n', "so this is a real site"),
    ],
)
def test_check_config_finds_what_would_fail_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    configured(tmp_path, monkeypatch, text)
    result = RUN.invoke(app, ["check-config"])
    assert result.exit_code == 1
    assert isinstance(result.exception, ConfigurationError)
    assert told in str(result.exception)


def test_a_file_that_cannot_be_written_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "nowhere" / "areas.svg"
    monkeypatch.setattr("sys.argv", ["cad-bridge", "polygons", "check", "--picture", str(picture)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"cad-bridge: {picture}: No such file or directory\n"


@pytest.mark.parametrize(
    ("url", "command", "told"),
    [
        ("mysql://secret@host/x", ["check-config"], "must name a PostgreSQL database"),
        ("secret", ["migrate"], "must name a PostgreSQL database"),
        ("postgresql://secret@127.0.0.1:1/x", ["migrate"], "the database cannot be used: connection failed"),
        ("postgres://secret@127.0.0.1:1/x", ["catalogue", "list"], "the database cannot be used: connection failed"),
        ("postgresql+psycopg://secret@127.0.0.1:1/x", ["replay", str(uuid4())], "cannot be used: connection failed"),
    ],
)
def test_a_database_that_cannot_be_used_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str, command: list[str], told: str
) -> None:
    monkeypatch.setenv("CAD_BRIDGE_DATABASE_URL", url)
    monkeypatch.delenv("CAD_BRIDGE_CONFIG", raising=False)
    result = RUN.invoke(app, command)
    assert isinstance(result.exception, ConfigurationError)
    assert told in str(result.exception)
    assert "secret" not in str(result.exception)


def test_a_route_of_the_sandbox_that_leads_nowhere_is_said() -> None:
    result = RUN.invoke(app, ["sandbox", "--route", "nowhere"])
    assert result.exit_code == 2
    assert "a route is SERVICE=URL" in result.output


def test_the_help_names_the_sections_that_secrets_are_for() -> None:
    assert "`user` section" in RUN.invoke(app, ["--help"], env={"COLUMNS": "200"}).output


def test_a_key_is_hashed_as_the_configuration_wants_it() -> None:
    result = RUN.invoke(app, ["hash-key"], input="secret\n")
    assert "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b" in result.output


def test_a_password_is_hashed_with_argon2() -> None:
    result = RUN.invoke(app, ["hash-password"], input="secret\nsecret\n")
    assert "$argon2id$" in result.output
