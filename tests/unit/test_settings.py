"""Settings: unknown keys are refused, secrets are not told, and defaults are safe."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from cad_bridge.cli.serving import database
from cad_bridge.settings import ConfigFile, ConfigurationError, Settings, load_config, load_settings
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.vocabulary import Priority, Side, UseCase

SERVICE = """
[[service]]
id = "http://fhir.nhs.uk/id/dos-service-id|2000000011"
ods_code = "RX8"
name = "Test EOC"
use_cases = ["a4t1", "a6t1"]
role = "ast"
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cad-bridge.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_service_is_known_by_the_canonical_spelling_of_its_id(tmp_path: Path) -> None:
    site = load_config(_file(tmp_path, SERVICE)).site()
    service = site.service("https://fhir.nhs.uk/Id/dos-service-id|2000000011")
    assert service is not None
    assert service.plays(UseCase.CAS_VALIDATION, Side.REQUESTER)
    assert not service.plays(UseCase.CAS_VALIDATION, Side.RESPONDER)


def test_policy_times_that_are_not_set_keep_their_defaults(tmp_path: Path) -> None:
    text = SERVICE + "[service.policy]\ndispatch_minutes = { C3 = 4 }\nbreach_minutes = { C3 = 40 }\n"
    policy = next(iter(load_config(_file(tmp_path, text)).site().services.values())).policy
    assert policy.dispatch_time(Priority.C3) == timedelta(minutes=4)
    assert policy.dispatch_time(Priority.C2) == timedelta(minutes=2)
    assert policy.breach_time(Priority.HCP3) == timedelta(minutes=40)
    assert policy.breach_time(Priority.C4) is None


REMOTE = '[[remote]]\nid = "x|2"\nname = "CAS"\n'
CLIENT = f'[[client]]\nname = "{{name}}"\nkey_sha256 = "{"0" * 64}"\nservices = ["x|1"]\nroles = ["cad"]\n'
USER = (
    '[[user]]\nusername = "dot"\nname = "Dot"\npassword_hash = "$argon2id$x"\nservices = ["x|1"]\n'
    'roles = ["dispatcher"]\n'
)


@pytest.mark.req("APP4-VR-10")
def test_local_rules_say_which_categories_may_wait_for_a_validation(tmp_path: Path) -> None:
    text = SERVICE + '[service.policy]\nvalidated = ["C3", "C4"]\n'
    policy = next(iter(load_config(_file(tmp_path, text)).site().services.values())).policy
    asked = (Priority.C1, Priority.C2, Priority.C3, Priority.HCP4, Priority.C4T, None)
    assert [policy.may_be_validated(arp) for arp in asked] == [False, False, True, True, False, False]
    assert Policy().may_be_validated(None), "without rules it is what the CAD chooses"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[service]]\nnonsense = 1\n", "nonsense"),
        (SERVICE + "failsafe = false\n", "failsafe"),
        (SERVICE + "[service.policy]\ndispatch_minutes = { C9 = 1 }\n", "C9"),
        (SERVICE + '[service.policy]\nvalidated = ["C3", "C9"]\n', "C9"),
        (SERVICE + SERVICE, "same id"),
        (REMOTE + REMOTE, r"\[\[remote\]\] sections have the same id"),
        (CLIENT.format(name="a") + CLIENT.format(name="b"), "same key_sha256"),
        (CLIENT.format(name="a") + CLIENT.format(name="a").replace("0", "1"), "same name"),
        (USER + USER, "same username"),
        ("not toml", "not TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load_config(_file(tmp_path, text))


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        load_config(tmp_path / "none.toml")


def test_a_refused_file_tells_no_secret(tmp_path: Path) -> None:
    text = SERVICE + '[[client]]\nname = "x"\nkey_sha256 = "letmein"\nservices = []\nroles = []\n'
    with pytest.raises(ConfigurationError) as caught:
        load_config(_file(tmp_path, text))
    assert "letmein" not in str(caught.value)


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAD_BRIDGE_DATABSE_URL", "postgresql://x")
    with pytest.raises(ConfigurationError, match="CAD_BRIDGE_DATABSE_URL"):
        load_settings()


def test_a_real_site_does_not_get_the_embedded_database_by_accident(tmp_path: Path) -> None:
    inbound = {"proxy_address": "10.0.0.5", "subjects": ["CN=proxy"]}
    config = ConfigFile.model_validate({"bars": {"inbound": inbound}})
    with (
        pytest.raises(ConfigurationError, match="CAD_BRIDGE_DATABASE_URL"),
        database(Settings(data_dir=tmp_path), config),
    ):
        pass


def test_the_database_that_was_named_is_used() -> None:
    with database(Settings(database_url="postgresql://there/x"), ConfigFile()) as opened:
        assert opened.url == "postgresql://there/x"
        assert opened.revive is None, "a site's own server is not ours to start"
