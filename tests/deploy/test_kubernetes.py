"""deploy/kubernetes: legal, of one piece, and with no more rights than it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streams.config import load_config
from streams.gateway.limits import Limits
from streams.runtime.topics import ALERTS, TOPICS
from tests.deploy.reading import ROOT, documents, parsed, problems, text_of, version

FOLDER = "deploy/kubernetes"
(KUSTOMIZATION,) = documents(f"{FOLDER}/kustomization.yaml")
OBJECTS: list[dict[str, Any]] = [
    found for name in KUSTOMIZATION["resources"] for found in documents(f"{FOLDER}/{name}")
]
NAMES = [f"{found['kind']}/{found['metadata']['name']}" for found in OBJECTS]
BY_NAME = dict(zip(NAMES, OBJECTS, strict=True))
SETS = ("StatefulSet/streams-worker", "StatefulSet/streams-deliver")
WORKER = BY_NAME["StatefulSet/streams-worker"]
PODS = {name: found["spec"]["template"] for name, found in BY_NAME.items() if "template" in found["spec"]}
DSN = "clickhouse://streams:a-password@clickhouse:8123/streams"


def container(name: str) -> dict[str, Any]:
    (only,) = PODS[name]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("name", NAMES)
def test_objects_are_legal(name: str) -> None:
    """Each follows the schema of its kind in Kubernetes 1.37, strictly, and names no namespace."""
    found = BY_NAME[name]

    assert problems(found, "kubernetes-1.37.json", found["kind"]) == []
    assert "namespace" not in found["metadata"]


def test_every_file_is_used() -> None:
    """The kustomization names every file of the folder, and the objects are those that are meant to be there."""
    used = [*KUSTOMIZATION["resources"], *KUSTOMIZATION["configMapGenerator"][0]["files"], "kustomization.yaml"]

    assert sorted(used) == sorted(path.name for path in (ROOT / FOLDER).iterdir())
    assert sorted(NAMES) == [
        "Job/streams-migrate",
        "Job/streams-topics",
        "PodDisruptionBudget/streams-gateway",
        "PodDisruptionBudget/streams-worker",
        "Service/streams-deliver",
        "Service/streams-gateway",
        "Service/streams-gateway-pods",
        "Service/streams-worker",
        "StatefulSet/streams-deliver",
        "StatefulSet/streams-gateway",
        "StatefulSet/streams-worker",
    ]


@pytest.mark.parametrize("name", PODS)
def test_its_commands_are_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each container's arguments are a command of the program, which finds the store in its environment."""
    monkeypatch.setenv("STREAMS_STORE", DSN)
    monkeypatch.setenv("STREAMS_INSTANCE", "streams-worker-0")
    options = parsed(container(name)["args"])

    assert options.get("config_path") in (None, Path("/etc/streams/config.yaml"))
    assert options.get("dsn") in (None, DSN)
    assert "command" not in container(name)


@pytest.mark.parametrize("name", PODS)
def test_pods_may_do_little(name: str) -> None:
    """No root, no capability, no writable root, no token, no profile but the runtime's, the user of the image."""
    pod, limits = PODS[name]["spec"], container(name)["securityContext"]

    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert "USER 10001:10001" in text_of("deploy/Dockerfile")
    assert limits == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


@pytest.mark.parametrize("name", PODS)
def test_no_variable_is_made_of_a_service(name: str) -> None:
    """Kubernetes adds no STREAMS_... of its own: it would for a Service with such a name."""
    assert PODS[name]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", PODS)
def test_resources_are_asked_for_and_limited(name: str) -> None:
    """Each container asks for processor and memory, and may have no more than its limits."""
    resources = container(name)["resources"]

    assert {kind: sorted(amounts) for kind, amounts in resources.items()} == {
        "requests": ["cpu", "memory"],
        "limits": ["cpu", "memory"],
    }


@pytest.mark.parametrize("name", PODS)
def test_what_is_mounted_is_there(name: str) -> None:
    """Mounts and volumes match; /tmp is writable and of limited size, the configuration is the generated one."""
    pod = PODS[name]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in container(name)["volumeMounts"]}
    (generated,) = KUSTOMIZATION["configMapGenerator"]

    assert set(mounts) == set(volumes)
    assert mounts["tmp"]["mountPath"] == "/tmp"  # noqa: S108 - within the container
    assert volumes["tmp"]["emptyDir"]["sizeLimit"]
    if "--config" in container(name)["args"]:
        assert mounts["config"] == {"name": "config", "mountPath": "/etc/streams", "readOnly": True}
        assert volumes["config"]["configMap"] == {"name": generated["name"]}


@pytest.mark.parametrize("name", PODS)
def test_secrets_are_referred_to(name: str) -> None:
    """The store and passwords come from a Secret that is not in these files; every other variable is a field."""
    environment = container(name).get("env", [])

    assert container(name)["envFrom"] == [{"secretRef": {"name": "streams"}}]
    assert not [variable for variable in environment if "value" in variable]
    assert "Secret" not in {found["kind"] for found in OBJECTS}


@pytest.mark.parametrize("name", PODS)
def test_the_image_is_of_this_version(name: str) -> None:
    """Manifests name the image, the kustomization its version, which is that of the project."""
    (image,) = KUSTOMIZATION["images"]

    assert container(name)["image"] == image["name"] == "streams"
    assert image["newTag"] == version()


def test_labels_meet_their_selectors() -> None:
    """Service, budget, spread and StatefulSet all select the workers' pods, and no others."""
    labels = PODS["StatefulSet/streams-worker"]["metadata"]["labels"]
    spread = PODS["StatefulSet/streams-worker"]["spec"]["topologySpreadConstraints"]
    selectors = [
        BY_NAME["Service/streams-worker"]["spec"]["selector"],
        BY_NAME["PodDisruptionBudget/streams-worker"]["spec"]["selector"]["matchLabels"],
        WORKER["spec"]["selector"]["matchLabels"],
        *(constraint["labelSelector"]["matchLabels"] for constraint in spread),
    ]
    others = [PODS[name]["metadata"]["labels"] for name in PODS if name != "StatefulSet/streams-worker"]

    assert len(selectors) == 5
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert not [pod for selector in selectors for pod in others if selector.items() <= pod.items()]


def test_workers_keep_their_names() -> None:
    """A worker's instance is its pod's name, given by a StatefulSet with the headless Service it names."""
    (instance,) = container("StatefulSet/streams-worker")["env"]

    assert instance == {"name": "STREAMS_INSTANCE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert f"Service/{WORKER['spec']['serviceName']}" in BY_NAME
    assert BY_NAME["Service/streams-worker"]["spec"]["clusterIP"] == "None"
    assert WORKER["spec"]["podManagementPolicy"] == "Parallel"
    assert PODS["StatefulSet/streams-worker"]["spec"]["terminationGracePeriodSeconds"] == 30


def test_there_is_one_deliverer() -> None:
    """One pod, as the topic of alerts has one partition, under the Service that it names and that selects only it."""
    deliverer, service = BY_NAME["StatefulSet/streams-deliver"], BY_NAME["Service/streams-deliver"]["spec"]
    labels = {name: pod["metadata"]["labels"] for name, pod in PODS.items()}
    (topic,) = [topic for topic in TOPICS if topic.name == ALERTS]

    assert deliverer["spec"]["replicas"] == topic.partitions == 1
    assert deliverer["spec"]["serviceName"] == "streams-deliver"
    assert service["clusterIP"] == "None"
    assert deliverer["spec"]["selector"]["matchLabels"] == service["selector"]
    assert [name for name, found in labels.items() if service["selector"].items() <= found.items()] == [
        "StatefulSet/streams-deliver"
    ]


def test_routes_find_their_secrets() -> None:
    """Each route of the configuration has its secret in a file of the Secret that only the deliverer mounts."""
    config = load_config(ROOT / FOLDER / "config.yaml")
    (mounted,) = [one for one in container("StatefulSet/streams-deliver")["volumeMounts"] if one["name"] == "secrets"]
    named = [Path(getattr(route, f"{route.secret}_file")) for route in config.alerting.routes.values()]
    volumes = {name: pod["spec"]["volumes"] for name, pod in PODS.items()}
    holding = {name: one["secret"] for name, some in volumes.items() for one in some if "secret" in one}

    assert {file.parent for file in named} == {Path(mounted["mountPath"])}
    assert mounted["readOnly"] is True
    assert holding == {
        "StatefulSet/streams-deliver": {"secretName": "streams-routes"},
        "StatefulSet/streams-gateway": {"secretName": "streams-tokens"},
    }
    assert config.detection.models.keys() == config.models.keys()


@pytest.mark.parametrize("name", SETS)
def test_pods_that_are_not_ready_are_found(name: str) -> None:
    """The headless Service names every pod, for Prometheus must see those most of all that are not ready."""
    assert BY_NAME[name.replace("StatefulSet", "Service")]["spec"]["publishNotReadyAddresses"] is True


@pytest.mark.parametrize("name", SETS)
def test_probes_ask_where_it_answers(name: str) -> None:
    """Life is asked at /health, readiness at /ready, on the port that the process is told and the Service names."""
    lasting = container(name)
    probes = {kind: lasting[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    annotations = PODS[name]["metadata"]["annotations"]
    (port,) = lasting["ports"]

    assert {kind: probe["path"] for kind, probe in probes.items()} == {
        "startup": "/health",
        "liveness": "/health",
        "readiness": "/ready",
    }
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert BY_NAME[name.replace("StatefulSet", "Service")]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert lasting["args"][-2:] == ["--web", f"0.0.0.0:{port['containerPort']}"]
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(port["containerPort"]),
        "prometheus.io/path": "/metrics",
    }


def test_gateways_are_found_and_asked_where_they_listen() -> None:
    """Both Services and the budget select gateways and nothing else; every probe asks /healthz on its port."""
    gateway, labels = (
        container("StatefulSet/streams-gateway"),
        {name: PODS[name]["metadata"]["labels"] for name in PODS},
    )
    selectors = [
        BY_NAME["Service/streams-gateway"]["spec"]["selector"],
        BY_NAME["Service/streams-gateway-pods"]["spec"]["selector"],
        BY_NAME["PodDisruptionBudget/streams-gateway"]["spec"]["selector"]["matchLabels"],
        BY_NAME["StatefulSet/streams-gateway"]["spec"]["selector"]["matchLabels"],
    ]
    probes = [gateway[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]

    for selector in selectors:
        assert [name for name, found in labels.items() if selector.items() <= found.items()] == [
            "StatefulSet/streams-gateway"
        ]
    assert BY_NAME["Service/streams-gateway-pods"]["spec"]["clusterIP"] == "None"
    assert BY_NAME["Service/streams-gateway-pods"]["spec"]["publishNotReadyAddresses"] is True
    assert probes == [{"path": "/healthz", "port": "web"}] * 3
    assert gateway["args"][-2:] == ["--listen", f"0.0.0.0:{gateway['ports'][0]['containerPort']}"]


def test_a_gateway_has_its_tokens_and_time_to_answer() -> None:
    """Its file of tokens is in the Secret; before it is killed those who are in have had Kafka's time, and more."""
    gateway, pod = container("StatefulSet/streams-gateway"), PODS["StatefulSet/streams-gateway"]["spec"]
    (mounted,) = [one for one in gateway["volumeMounts"] if one["name"] == "secrets"]
    waits = gateway["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert gateway["args"][gateway["args"].index("--token-file") + 1] == f"{mounted['mountPath']}/tokens.yaml"
    assert mounted["readOnly"] is True
    assert pod["terminationGracePeriodSeconds"] > Limits.confirm_seconds + waits


def test_every_worker_finds_a_partition() -> None:
    """The configuration has no problem, and there are no more workers than partitions."""
    config = load_config(ROOT / FOLDER / "config.yaml")

    assert WORKER["spec"]["replicas"] <= config.kafka.partitions
    assert config.kafka.replication == 3


@pytest.mark.parametrize("name", [name for name in PODS if name.startswith("Job/")])
def test_jobs_end(name: str) -> None:
    """A Job is tried again a few times, gives up in the end, and is removed some time after it has ended."""
    spec = BY_NAME[name]["spec"]

    assert PODS[name]["spec"]["restartPolicy"] == "Never"
    assert min(spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) > 0


def test_the_schemas_are_strict() -> None:
    """A misspelled key anywhere, and a text where a number belongs, break the schema."""
    misspelled = {**WORKER, "spec": {**WORKER["spec"], "replica": 2}}
    mistyped = {**WORKER, "spec": {**WORKER["spec"], "replicas": "2"}}

    assert [len(problems(found, "kubernetes-1.37.json", "StatefulSet")) for found in (misspelled, mistyped)] == [1, 1]
