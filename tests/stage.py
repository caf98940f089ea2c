"""A cluster, a node where it has none, the CRDs, and the real operator as a process: what stories are played on.

CLUSTER chooses the cluster: `local` (the one of tests/cluster), `real` (etcd and kube-apiserver from
$KUBEBUILDER_ASSETS), `current` (whatever the kubeconfig leads to; its own nodes run the pods).
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from perennial_operator.core import names
from perennial_operator.core.api.values import as_text
from tests.cluster import Fork, ForkServer, LocalCluster, LocalNode, RealApi, envtest_binaries
from tests.current_cluster import require
from tests.kubectl import Kubectl

ROOT = Path(__file__).parents[1]
SERVING = "perennial.dev/model-deployment={},perennial.dev/role=serving"
CAPTURED = "model_captured_rows_total{"
OWN_TRAINER = "own-trainer:1"
IMAGES = {
    "perennial-trainer:0.1.0": ["python", "-m", "perennial_trainer"],
    OWN_TRAINER: ["python", "-m", "own_trainer"],
}
"""What the trainers' images run, for the local node, which has no images."""

IN_IMAGES = ("trainer", "tests/contract", "operator", "kubectl")
"""Where the code of the Jobs' images is."""

TRAINER = [
    "sklearn.linear_model",
    *("perennial_trainer." + name for name in ("training.train", "validation.validate", "drift.check")),
    *("perennial_trainer." + name for name in ("ledger.record", "ledger.recover", "serve.app")),
]
PRELOADED = {"perennial_trainer": TRAINER}
"""What the trainer imports for each task: a second of processor time for each container, if each does it itself."""

HURRY = 10.0
"""How many times faster than a kubelet the local node probes and backs off: tests wait for work, not for timers."""

LONGEST_PAUSE = 0.25
"""Seconds between two looks of a long wait: each look is a request, which costs what is waited for its processor."""

T = TypeVar("T")


def chosen_cluster() -> str:
    """What CLUSTER says; by itself a real API server where $KUBEBUILDER_ASSETS has one, else the local cluster."""
    asked = os.environ.get("CLUSTER", "")
    return asked or ("real" if os.environ.get("KUBEBUILDER_ASSETS") and envtest_binaries() else "local")


class ForkedOperator:
    """An operator with a process of its own."""

    def __init__(self, fork: Fork) -> None:
        self.pid, self._ended = fork.started.result(timeout=30), fork.ended

    @property
    def has_ended(self) -> bool:
        return self._ended.done()

    def send_signal(self, number: signal.Signals) -> None:
        if not self.has_ended:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        """Its exit code as in `subprocess`; TimeoutError if it does not end in time."""
        return self._ended.result(timeout=seconds)


class Stage:
    """While the context lasts the cluster is up and the operator watches one namespace of it.

    `images` are further images of the trainer, each with the program that it runs on the local node. `on` is a stage
    whose cluster and node are used; then the namespace is deleted at the end.
    """

    def __init__(
        self,
        directory: Path,
        *,
        cluster: str = "local",
        namespace: str = "default",
        operator: bool = True,
        environment: Mapping[str, str] | None = None,
        images: Mapping[str, Path] | None = None,
        through: Callable[[Path], Path] = lambda kubeconfig: kubeconfig,
        on: Stage | None = None,
    ) -> None:
        self.directory, self.cluster, self.namespace = directory, on.cluster if on else cluster, namespace
        self._on = on
        self._starts_operator, self._environment, self._through = operator, dict(environment or {}), through
        self._images = dict(images or {})
        self._stack = ExitStack()
        self._operator: ForkedOperator | None = None
        self.operator_log = directory / "operator.log"

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _set_up(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._on:
            self.kubeconfig, self.kubectl = self._on.kubeconfig, Kubectl(self._on.kubeconfig, self.namespace)
            self._stack.callback(self.kubectl.close)
            self._prepare_namespace()
            self._stack.callback(self.kubectl.delete, "Namespace", self.namespace)
        else:
            self._set_up_cluster()
        if self.cluster != "current":
            self.node = self._on.node if self._on else self._stack.enter_context(self._local_node())
        self._stack.callback(self.kill_operator)
        if self._starts_operator:
            self.start_operator()

    def _set_up_cluster(self) -> None:
        if self.cluster == "current":
            self.kubeconfig = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube/config")
        else:
            start = RealApi if self.cluster == "real" else LocalCluster
            self.kubeconfig = self._stack.enter_context(start(self.directory / "api")).kubeconfig
        self.kubectl = Kubectl(self.kubeconfig, self.namespace)
        self._stack.callback(self.kubectl.close)
        if self.cluster == "current":
            require(self.kubectl)
        self._prepare_namespace()
        self.kubectl.apply(ROOT / "manifests" / "crds")
        self.wait("the CRDs are established", self._established, 30)

    def _local_node(self) -> LocalNode:
        folders = [*(ROOT / part for part in IN_IMAGES), *(program.parent for program in self._images.values())]
        runs = {image: ["python", "-m", program.stem] for image, program in self._images.items()}
        return LocalNode(
            self.kubeconfig,
            self.directory / "node",
            {"PYTHONPATH": ":".join(map(str, folders))},
            hurry=HURRY,
            entrypoints=IMAGES | runs,
            preloaded=PRELOADED | {program.stem: TRAINER for program in self._images.values()},
        )

    def _prepare_namespace(self) -> None:
        if self.kubectl.get("Namespace", self.namespace) is None:
            self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
            if self.cluster == "current" and not self._on:
                self._stack.callback(self.kubectl.delete, "Namespace", self.namespace)

    def _established(self) -> bool:
        definitions = [
            d for d in self.kubectl.list("CustomResourceDefinition") if d["spec"]["group"] == "perennial.dev"
        ]
        conditions = [c for d in definitions for c in (d.get("status") or {}).get("conditions") or []]
        return sum(c["type"] == "Established" and c["status"] == "True" for c in conditions) == 3

    # ---- the operator

    def start_operator(self) -> None:
        """The operator's process runs, with its log appended to `operator_log`."""
        self._operator = self.operator_process()

    def operator_process(self, **more: str) -> ForkedOperator:
        """A process of the operator, with `more` in its environment."""
        environment = {
            "PERENNIAL_NAMESPACES": self.namespace,
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(self._through(self.kubeconfig)),
            **self._environment,
            **more,
        }
        server = ForkServer.of(["perennial_operator.app"], environment)
        return ForkedOperator(server.fork(["perennial_operator"], environment, self.directory, self.operator_log))

    def shoot_operator(self) -> None:
        """The operator is killed, and nobody waits for it."""
        if self._operator:
            self._operator.send_signal(signal.SIGKILL)

    def kill_operator(self, how: signal.Signals = signal.SIGKILL) -> int | None:
        """The operator is gone; its exit code."""
        if self._operator is None:
            return None
        self._operator.send_signal(how)
        code = self._operator.wait(20)
        self._operator = None
        return code

    def operator_ended(self) -> bool:
        """Whether the operator was started and has ended by itself."""
        return self._operator is not None and self._operator.has_ended

    # ---- what people see and do

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        for manifest in manifests:
            self.kubectl.apply(manifest)

    def outcome(self, report: str) -> tuple[str, str]:
        """The outcome of a DriftReport and its message, once the operator has written them."""

        def with_outcome() -> dict[str, Any] | None:
            status = (self.kubectl.get("DriftReport", report) or {}).get("status") or {}
            return status if status.get("outcome") else None

        status = self.wait(f"report {report} has an outcome", with_outcome, 30)
        return status["outcome"], status["message"]

    def check_now(self, deployment: str) -> None:
        """A drift check is made as soon as a second has passed, so after everything that has happened up to now."""
        soon = datetime.now(UTC) + timedelta(seconds=1)
        self.kubectl.annotate("ModelDeployment", deployment, {names.CHECK: as_text(soon)})

    def wait(self, what: str, condition: Callable[[], T | None], timeout: float = 60.0) -> T:
        """The condition's answer as soon as it has one; AssertionError says what never came, and the operator's last words."""
        end, pause = time.monotonic() + timeout, 0.05
        while not (answer := condition()):
            if time.monotonic() > end:
                log = self.operator_log.read_text() if self.operator_log.exists() else ""
                raise AssertionError(
                    f"after {timeout:g} s it is not so that {what}\n" + "\n".join(log.splitlines()[-15:])
                )
            time.sleep(pause)
            pause = min(1.2 * pause, LONGEST_PAUSE)
        return answer

    def version(self, name: str) -> dict[str, Any]:
        """The status of a ModelVersion; empty if there is none."""
        return (self.kubectl.get("ModelVersion", name) or {}).get("status") or {}

    def until_phase(self, name: str, *phases: str, timeout: float = 90.0) -> dict[str, Any]:
        """The status of the ModelVersion once it is in one of the phases."""

        def reached() -> dict[str, Any] | None:
            status = self.version(name)
            return status if status.get("phase") in phases else None

        return self.wait(f"{name} is {' or '.join(phases)}", reached, timeout)

    def condition(self, deployment: str, kind: str) -> dict[str, Any]:
        """A condition of the ModelDeployment; empty if it has none of that type."""
        status = (self.kubectl.get("ModelDeployment", deployment) or {}).get("status") or {}
        return next((c for c in status.get("conditions", []) if c["type"] == kind), {})

    def claim(self, name: str, mode: str = "ReadWriteOnce") -> Path:
        """The directory of a PersistentVolumeClaim that is there now; only where the node is the local one."""
        if self.kubectl.get("PersistentVolumeClaim", name) is None:  # another size would be refused
            spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
            self.kubectl.apply(
                {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
            )
        return self.node.volume(name, self.namespace)

    def serving_pods(self, deployment: str) -> list[dict[str, Any]]:
        """The pods behind the Service that are ready."""
        pods = self.kubectl.list("Pod", SERVING.format(deployment))
        return [p for p in pods if is_ready(p)]

    def serves_alone(self, version: str) -> bool:
        """Whether every ready pod behind the Service is of this version."""
        pods = self.serving_pods(version.rsplit("-v", 1)[0])
        return {pod["metadata"]["labels"]["perennial.dev/model-version"] for pod in pods} == {version}

    def captured_rows(self, deployment: str) -> int:
        """How many rows the pods that are ready have written; not on the current kubeconfig."""
        lines: list[str] = []
        for pod in self.serving_pods(deployment):
            port = pod["spec"]["containers"][0]["ports"][0]["containerPort"]
            lines += httpx.get(
                f"http://{pod['status']['podIP']}:{port}/metrics", trust_env=False, verify=False
            ).text.splitlines()
        return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(CAPTURED)))

    def predict(self, deployment: str, columns: Mapping[str, Sequence[Any]]) -> list[float]:
        """The predictions of one ready pod behind the Service, for columns of rows."""
        inputs = [
            {
                "name": name,
                "shape": [len(values)],
                "datatype": "BYTES" if any(isinstance(v, str) for v in values) else "FP64",
                "data": list(values),
            }
            for name, values in columns.items()
        ]
        return [float(value) for value in self.infer(deployment, {"inputs": inputs})["predict"]]

    def infer(self, deployment: str, body: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Each output of one ready pod behind the Service, by the Open Inference Protocol."""
        pods = self.serving_pods(deployment)
        assert pods, f"no pod of {deployment} is ready"
        port = pods[0]["spec"]["containers"][0]["ports"][0]["containerPort"]
        path = f"/v2/models/{deployment}/infer"
        if self.cluster == "current":
            answer = self.kubectl._http.post(
                f"/api/v1/namespaces/{self.namespace}/services/{deployment}:{port}/proxy{path}", json=body
            )
        else:
            url = f"http://{pods[uuid.uuid4().int % len(pods)]['status']['podIP']}:{port}{path}"
            answer = httpx.post(url, json=body, timeout=30, trust_env=False, verify=False)
        assert answer.status_code == 200, answer.text
        return {output["name"]: output["data"] for output in answer.json()["outputs"]}


def is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")
