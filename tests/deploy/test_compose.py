"""docker-compose.yml: legal, closed to other machines, without secrets, and of one piece with the program."""

from __future__ import annotations

import http.server
import re
import subprocess
import sys
import threading
from graphlib import TopologicalSorter
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from deploy.kafka.kafka import version as kafka_version
from streams.config import load_config
from streams.gateway.limits import Limits
from streams.sinks.clickhouse.dsn import ServerDsn, parse_dsn
from tests.deploy.reading import ROOT, documents, interpolated, parsed, problems, text_of, version

PASSWORD = "a-password-of-this-test"  # noqa: S105 - of no server
ENVIRON = {"CLICKHOUSE_PASSWORD": PASSWORD}
(FILE,) = documents("docker-compose.yml")
COMPOSE: dict[str, Any] = interpolated(FILE, ENVIRON)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("streams:"))
ONCE = ["migrate", "topics"]
ANSWERING = {"deliver": "/health", "worker": "/health", "gateway": "/healthz"}
LASTING = sorted(set(SERVICES) - set(ONCE))
SERVER = parse_dsn(SERVICES["worker"]["environment"]["STREAMS_STORE"])


def test_it_is_a_compose_file() -> None:
    """It follows the schema that the Compose project publishes, with no key that this does not know."""
    assert problems(FILE, "compose-spec.json") == []
    assert OURS == ["deliver", "gateway", "migrate", "topics", "worker"]


@pytest.mark.parametrize("name", OURS)
def test_its_commands_are_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each container's command is one of the program, with its options, and lets the store be that of compose."""
    for variable, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(variable, value)
    options = parsed(SERVICES[name]["command"])

    assert options.get("config_path") in (None, Path("/etc/streams/config.yaml"))
    assert options.get("dsn") in (None, SERVICES[name]["environment"]["STREAMS_STORE"])


def test_images_are_of_fixed_versions() -> None:
    """Kafka is the version that the tests run, ClickHouse has the engine of the tests, and ours is this version."""
    engine = installed("chdb-core").split(".")  # its versions are those of ClickHouse

    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka_version()}"
    assert SERVICES["clickhouse"]["image"] == f"clickhouse/clickhouse-server:{engine[0]}.{engine[1]}"
    assert {SERVICES[name]["image"] for name in OURS} == {f"streams:{version()}"}
    assert {(ROOT / SERVICES[name]["build"]["dockerfile"]).is_file() for name in OURS} == {True}


def test_services_start_in_order() -> None:
    """What a service waits for is there, waits for nothing in a circle, and is waited for in the right way."""
    waits = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    order = list(TopologicalSorter({name: set(needed) for name, needed in waits.items()}).static_order())
    conditions = {(needed, how["condition"]) for needs in waits.values() for needed, how in needs.items()}

    assert sorted(order) == sorted(SERVICES)
    assert {*ANSWERING} <= {*order[-4:]}
    assert conditions == {
        ("kafka", "service_healthy"),
        ("clickhouse", "service_healthy"),
        ("topics", "service_completed_successfully"),
        ("migrate", "service_completed_successfully"),
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_lasts_or_ends(name: str) -> None:
    """What lasts is checked and started again, what ends is neither; all have limits, and none a name of its own."""
    service = SERVICES[name]

    assert ("healthcheck" in service) == (name in LASTING)
    assert service["restart"] == ("unless-stopped" if name in LASTING else "no")
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["logging"]["driver"] == "local"
    assert not {"container_name", "hostname", "privileged", "network_mode"} & set(service)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_little(name: str) -> None:
    """Our containers have no capabilities, gain none, and write nowhere but into /tmp."""
    service = SERVICES[name]

    assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"])  # noqa: S108 - within the container
    assert all(mount["read_only"] for mount in service["volumes"])


def host_of(port: str | dict[str, Any]) -> str | None:
    return port.get("host_ip") if isinstance(port, dict) else port.rpartition(":")[0].rpartition(":")[0]


def test_no_port_is_open_to_other_machines() -> None:
    """Every published port is on 127.0.0.1, and ours are whichever are free, so that there may be several."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert [host_of(port) for port in ports] == ["127.0.0.1"] * 5
    assert [SERVICES[name]["ports"] for name in ANSWERING] == [[{"target": 8080, "host_ip": "127.0.0.1"}]] * 3


def secrets_in(node: Any, path: str = "") -> list[str]:
    """Return the paths of texts that are, or hold, a password written out."""
    if isinstance(node, dict):
        told = {key: value for key, value in node.items() if key != "secrets"}  # these are names and places
        return [found for key, value in told.items() for found in secrets_in(value, f"{path}.{key}")]
    if isinstance(node, list):
        return [found for value in node for found in secrets_in(value, path)]
    literal = re.sub(r"\$\{\w+:\?[^}]*\}", "", str(node))
    named = re.search(r"(?i)(password|secret|token)[^.]*$", path) and literal
    return [path] if named or re.search(r"://[^/@:\s]*:[^/@\s]+@", literal) else []


def test_no_password_stands_in_it() -> None:
    """A password is a variable that must be set: without it nothing starts, with it the secret is in no argument."""
    arguments = [str(service.get(key)) for service in SERVICES.values() for key in ("command", "entrypoint", "build")]

    assert secrets_in(FILE) == []
    assert secrets_in({"CLICKHOUSE_PASSWORD": "x"}) != []
    assert secrets_in({"STREAMS_STORE": "clickhouse://user:x@host"}) != []
    assert not [text for text in arguments if PASSWORD in text]
    with pytest.raises(LookupError, match="CLICKHOUSE_PASSWORD"):
        interpolated(FILE, {})


def test_the_store_is_the_server_of_compose() -> None:
    """Ours speak to the database and as the user that ClickHouse makes, with its password."""
    made = SERVICES["clickhouse"]["environment"]

    assert isinstance(SERVER, ServerDsn)
    assert (SERVER.host, SERVER.port, SERVER.secure) == ("clickhouse", 8123, False)
    assert (SERVER.database, SERVER.user) == (made["CLICKHOUSE_DB"], made["CLICKHOUSE_USER"])
    assert SERVER.password == made["CLICKHOUSE_PASSWORD"] == PASSWORD
    assert "http://clickhouse:8123/ping" in SERVICES["clickhouse"]["healthcheck"]["test"]


def test_what_is_mounted_is_there() -> None:
    """Every mounted file exists, every named volume is declared and used, and none is made by mistake."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [mount for mount in mounts if isinstance(mount, dict)]
    named = {mount.partition(":")[0] for mount in mounts if isinstance(mount, str)}

    assert named == set(COMPOSE["volumes"]) == {"kafka", "clickhouse"}
    assert not [mount["source"] for mount in files if not (ROOT / mount["source"]).is_file()]
    assert {mount["bind"]["create_host_path"] for mount in files} == {False}


def test_the_configuration_is_one_of_ours() -> None:
    """The mounted configuration has no problem, and names the broker of compose."""
    (mount,) = SERVICES["worker"]["volumes"]
    config = load_config(ROOT / mount["source"])

    assert mount["target"] == "/etc/streams/config.yaml"
    assert config.kafka.brokers == ("kafka:9092",)
    assert config.kafka.replication == 1


def test_the_deliverer_is_asked_for_and_has_the_secrets_of_its_routes() -> None:
    """It starts with its profile only, and each route of the configuration finds its secret in a file of Compose."""
    (mount,) = SERVICES["deliver"]["volumes"]
    config = load_config(ROOT / mount["source"])
    named = [getattr(route, f"{route.secret}_file") for route in config.alerting.routes.values()]

    assert {name: service.get("profiles") for name, service in SERVICES.items() if "profiles" in service} == {
        "deliver": ["alerts"],
        "gateway": ["gateway"],
    }
    assert named == [f"/run/secrets/{name}" for name in SERVICES["deliver"]["secrets"]]
    assert sorted(COMPOSE["secrets"]) == sorted([*SERVICES["deliver"]["secrets"], *SERVICES["gateway"]["secrets"]])
    assert [list(secret) for secret in COMPOSE["secrets"].values()] == [["file"]] * 2
    assert "secrets/" in text_of(".gitignore").splitlines()
    assert config.detection.models.keys() == config.models.keys()


def test_the_gateway_has_the_tokens_that_its_command_names() -> None:
    """Its file of tokens is its only secret, and what it takes to stop is longer than Kafka may take to answer."""
    command = SERVICES["gateway"]["command"]

    assert SERVICES["gateway"]["secrets"] == ["tokens"]
    assert command[command.index("--token-file") + 1] == "/run/secrets/tokens"
    assert int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s")) > Limits.confirm_seconds


def test_clickhouse_settings_are_xml() -> None:
    """The settings of ClickHouse are what its server merges: XML under one `clickhouse`."""
    root = ET.fromstring(text_of("deploy/compose/clickhouse.xml"))  # noqa: S314 - our own file

    assert root.tag == "clickhouse"


class Answer(http.server.BaseHTTPRequestHandler):
    """A worker that is well or not: its server's `status`."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == self.server.asked else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.mark.parametrize("name", ANSWERING)
@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_health_is_what_it_answers(name: str, status: int, code: int) -> None:
    """A check passes when its path is answered with success, and fails when not, and when not at all."""
    kind, python, *arguments = SERVICES[name]["healthcheck"]["test"]
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        server.status, server.asked = status, ANSWERING[name]  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = [argument.replace(":8080/", f":{server.server_port}/") for argument in arguments]
        done = subprocess.run([sys.executable, *here], capture_output=True, check=False)  # noqa: S603
        server.shutdown()
    gone = subprocess.run([sys.executable, *here], capture_output=True, check=False)  # noqa: S603

    assert (kind, python) == ("CMD", "python")
    assert f"http://127.0.0.1:8080{ANSWERING[name]}'" in arguments[-1]
    assert (done.returncode, gone.returncode) == (code, 1)


@pytest.mark.parametrize("name", ANSWERING)
def test_it_is_checked_where_it_listens(name: str) -> None:
    """Its port is the same in the command, the health check, the ports and the image."""
    service = SERVICES[name]

    assert service["command"][-2:] == ["--listen" if name == "gateway" else "--web", "0.0.0.0:8080"]
    assert service["ports"][0]["target"] == 8080
    assert "EXPOSE 8080" in text_of("deploy/Dockerfile")
