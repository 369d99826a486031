"""The compose file and the image, as far as they can be held without a Docker engine.

The schema knows the words of a compose file, not whether what they name is there: that is checked here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import environment
from helios.commands import COMMANDS
from helios.embedded.postgres import EXTENSIONS, LEAKPROOF
from helios.embedded.temporal import DYNAMIC_CONFIG, SEARCH_ATTRIBUTES
from helios.settings import PROJECT, Settings

FILE = PROJECT / "docker-compose.yml"
TEXT = FILE.read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("helioscs:")}
PROVIDERS_OWN = {"OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"}
JOBS = {"temporal-schema", "temporal-namespace", "migrate", "seed"}
PASSED_ON = re.compile(r"^  (HELIOS_[A-Z0-9_]+):$", re.MULTILINE)
INTERPOLATED = re.compile(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)(:?[?-])?")
SECRET = re.compile(r"PASSWORD|_KEY\b|PWD")


def service(name: str) -> dict[str, Any]:
    return SERVICES[name]


def ancestors(name: str) -> set[str]:
    found: set[str] = set()
    for each in SERVICES[name].get("depends_on", {}):
        found |= {each} | ancestors(each)
    return found


def test_it_is_a_compose_file() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_services_that_are_there_in_a_way_that_they_can_fulfil(name: str) -> None:
    for other, how in service(name).get("depends_on", {}).items():
        assert other in SERVICES, f"{name} waits for {other}, which is not there"
        done = "service_completed_successfully"
        assert how["condition"] == (done if other in JOBS else "service_healthy"), f"{name} waits for {other}"


def test_what_needs_a_server_waits_for_it() -> None:
    assert {
        "postgres",
        "pgbouncer",
        "valkey",
        "temporal",
        "temporal-schema",
        "temporal-namespace",
        "migrate",
    } <= ancestors("api")
    assert ancestors("worker") == ancestors("api")
    assert "migrate" in ancestors("seed")
    assert "temporal-schema" in ancestors("temporal")


@pytest.mark.parametrize("name", SERVICES)
def test_volumes_and_networks_are_declared_and_files_are_there(name: str) -> None:
    for volume in service(name).get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (PROJECT / source).exists(), f"{name} mounts {source}, which is not there"
            assert volume.endswith(":ro"), f"{name} may write to {source}"
        else:
            assert source in COMPOSE["volumes"], f"{name} mounts the volume {source}, which is not declared"
    assert set(service(name)["networks"]) <= set(COMPOSE["networks"])


def test_every_declared_volume_and_network_is_used() -> None:
    mounted = {volume.split(":")[0] for each in SERVICES.values() for volume in each.get("volumes", [])}
    joined = {network for each in SERVICES.values() for network in each["networks"]}
    assert set(COMPOSE["volumes"]) == {each for each in mounted if not each.startswith(".")}
    assert set(COMPOSE["networks"]) == joined


def test_postgresql_keeps_its_data_where_its_image_looks_for_it() -> None:
    assert "postgres:/var/lib/postgresql" in service("postgres")["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_to_a_version(name: str) -> None:
    image = service(name)["image"]
    assert re.fullmatch(r"[a-z/-]+:\d+\.\d+\.\d+(-pg18)?", image), image


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_how_it_is_checked_or_is_a_job(name: str) -> None:
    check = service(name).get("healthcheck", {})
    if name in JOBS:
        assert "test" not in check
        assert service(name)["restart"].startswith("on-failure")
        assert check.get("disable", False) is (name in OURS), "the image's own check is the API's"
    else:
        assert check["test"][0] in ("CMD", "CMD-SHELL")
        assert service(name)["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_the_loopback_only(name: str) -> None:
    for port in service(name).get("ports", []):
        assert port.startswith("127.0.0.1:"), f"{name} publishes {port}"
        assert "outside" in service(name)["networks"], "a network without a way out publishes nothing"


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_commands_that_exist_with_settings_that_exist(name: str) -> None:
    assert service(name)["command"][0] in COMMANDS
    known = {f"HELIOS_{field.upper()}" for field in Settings.model_fields} | PROVIDERS_OWN
    unknown = set(service(name)["environment"]) - known
    assert not unknown, f"{name} sets what no setting reads: {unknown}"


def test_every_helios_variable_anywhere_in_it_is_a_setting() -> None:
    known = {f"HELIOS_{field.upper()}" for field in Settings.model_fields}
    used = set(re.findall(r"\bHELIOS_[A-Z_]+\b", TEXT + (PROJECT / "Dockerfile").read_text()))
    used |= {each.name for each in environment.VARIABLES if each.name.startswith("HELIOS_")}
    assert used <= known, used - known


def test_the_services_settings_are_accepted() -> None:
    """What the file sets, with the secrets that the documented command makes, opens as settings."""
    made = {each.name: each.make() for each in environment.VARIABLES if each.make}
    for name, each in OURS.items():
        variables = {key: str(value) for key, value in each["environment"].items() if value is not None}
        filled = {key: INTERPOLATED.sub(lambda m: made.get(m[1], ""), value) for key, value in variables.items()}
        fields = {key.removeprefix("HELIOS_").lower(): value for key, value in filled.items()}
        assert Settings(**fields), name  # type: ignore[arg-type]


def test_only_migrations_get_the_owners_address() -> None:
    holders = {name for name, each in SERVICES.items() if "HELIOS_POSTGRES_OWNER_DSN" in each.get("environment", {})}
    assert holders == {"migrate"}


def test_secrets_come_from_the_environment_and_their_absence_is_an_error() -> None:
    for line in TEXT.splitlines():
        for name, sign in INTERPOLATED.findall(line):
            if SECRET.search(name):
                assert sign == ":?", f"{name} may be missing: {line.strip()}"
    literal = re.compile(r"^\s+\w*(PASSWORD|PWD|SECRET|_KEY):[ \t]+(?!\$\{)", re.MULTILINE)
    assert not literal.search(TEXT)


def test_the_documented_command_makes_what_the_file_asks_for() -> None:
    asked = {name for name, _ in INTERPOLATED.findall(TEXT)} | PROVIDERS_OWN | set(PASSED_ON.findall(TEXT))
    assert {each.name for each in environment.VARIABLES} == asked
    needed = {name for name, sign in INTERPOLATED.findall(TEXT) if sign == ":?"}
    assert {each.name for each in environment.VARIABLES if each.make} == needed


@pytest.mark.parametrize("group", ["vault_", "audit_anchor_s3_"])
def test_what_lies_outside_of_the_machine_can_be_named(group: str) -> None:
    settings = {f"HELIOS_{name.upper()}" for name in Settings.model_fields if name.startswith(group)}
    assert settings
    for name in ("api", "worker"):
        assert settings <= service(name)["environment"].keys()


def test_the_example_is_what_the_command_prints() -> None:
    made = "\n".join(environment.lines(example=True)) + "\n"
    assert (PROJECT / ".env.example").read_text() == made, "python3 deploy/environment.py --example > .env.example"


def test_the_made_keys_are_keys(tmp_path: Path) -> None:
    from helios.keyring import root_key
    from helios.tokens import Tokens

    target = tmp_path / "env"
    with target.open("w") as file:
        subprocess.run([sys.executable, PROJECT / "deploy" / "environment.py"], stdout=file, check=True)
    assert target.stat().st_mode & 0o077 == 0
    values = dict(re.findall(r"^([A-Z_]+)=(.+)$", target.read_text(), re.MULTILINE))
    assert root_key(values["HELIOS_ROOT_KEY"])
    assert Tokens(values["HELIOS_TOKEN_KEY"].strip('"').replace("\\n", "\n"), "helioscs")
    assert len({value for name, value in values.items() if "PASSWORD" in name}) == 5


def test_the_jobs_do_what_the_embedded_stack_does() -> None:
    roles = (PROJECT / "deploy/postgres/10-roles.sh").read_text()
    assert set(re.findall(r"CREATE EXTENSION IF NOT EXISTS (\w+)", roles)) == set(EXTENSIONS)
    assert tuple(re.findall(r"ALTER FUNCTION (.+) LEAKPROOF", roles)) == LEAKPROOF
    namespace = (PROJECT / "deploy/temporal/namespace.sh").read_text()
    listed = re.search(r'^attributes="(.*)"$', namespace, re.MULTILINE)
    assert listed is not None
    assert tuple(listed[1].split()) == SEARCH_ATTRIBUTES
    dynamic = yaml.safe_load((PROJECT / "deploy/temporal/dynamicconfig.yaml").read_text())
    for name, value in DYNAMIC_CONFIG.items():
        assert dynamic[name][0]["value"] == json.loads(value)


def test_the_image_holds_all_that_runs_and_no_secret() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text()
    assert "--require-hashes" in dockerfile
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["10001:10001"]
    assert "HEALTHCHECK" in dockerfile
    assert not re.search(r"^(ENV|ARG).*(PASSWORD|SECRET|ROOT_KEY|TOKEN_KEY)", dockerfile, re.MULTILINE)
    kept = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"activities", "api", "helios", "schema", "web", "workflows", "worker.py", "alembic.ini"} <= kept
    assert all((PROJECT / each).exists() for each in kept)


@pytest.mark.parametrize("script", sorted((PROJECT / "deploy").rglob("*.sh")), ids=lambda path: path.name)
def test_the_scripts_parse(script: Path) -> None:
    checked = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
