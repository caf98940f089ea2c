"""What a person types: kubectl against the API server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cluster.objects import Obj
from tests.cluster.space import Calls, Space, config_map, deployment, job, widget

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on the PATH")

Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(api: Calls, folder: Space, tmp_path: Path) -> Kubectl:
    """Runs kubectl in the folder's namespace and returns its output; `fails` is the exit code that is expected."""
    environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig), "HOME": str(tmp_path)}

    def run(arguments: str, stdin: Obj | None = None, fails: int = 0) -> str:
        text = yaml.safe_dump(stdin) if stdin else None
        command = [str(KUBECTL), "--namespace", folder.name, *arguments.split()]
        done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize("side", ["", "--server-side"])
def test_apply_and_diff(kubectl: Kubectl, side: str) -> None:
    apply, applied = f"apply {side} -f -", "serverside-applied" if side else "{}"
    for body, name in [(widget(), "widget.test.dev/a"), *([(deployment(), "deployment.apps/web")] if side else [])]:
        for changed, result, replicas in (
            (False, "created", "1"),
            (False, "unchanged", "1"),
            (True, "configured", "3"),
        ):
            body["spec"] |= {"replicas": 3} if changed else {}
            assert bool(kubectl(f"diff {side} -f -", stdin=body, fails=result != "unchanged")) == (
                result != "unchanged"
            )
            assert f"{name} {applied.format(result)}" in kubectl(apply, stdin=body)
            assert kubectl(f"get {name} -o jsonpath={{.spec.replicas}}") == replicas
        del body["spec"]["replicas"]
        kubectl(apply, stdin=body)
        assert kubectl(f"get {name} -o jsonpath={{.spec.replicas}}") == "1"


def test_apply_reports_what_is_wrong(kubectl: Kubectl) -> None:
    assert 'unknown field "spec.foo"' in kubectl("apply -f -", stdin=widget(spec={"foo": 1}), fails=1)
    refused = kubectl("apply -f -", stdin=widget(spec={"holdout": 0.95}), fails=1)
    assert "spec.holdout: Invalid value: must leave rows to train on" in refused
    kubectl("apply --server-side --field-manager=first -f -", stdin=widget(spec={"mode": "good"}))
    second = "apply --server-side --field-manager=second -f -"
    assert 'conflict with "first"' in kubectl(second, stdin=widget(spec={"mode": "ugly"}), fails=1)
    kubectl(f"{second} --force-conflicts", stdin=widget(spec={"mode": "ugly"}))


def test_get_prints_columns(kubectl: Kubectl) -> None:
    assert "No resources found" in kubectl("get widgets")
    kubectl("apply -f -", stdin=widget())
    assert kubectl("get wd").split()[:4] == ["NAME", "MODE", "READY", "AGE"]
    assert "REPLICAS" in kubectl("get wd -o wide")
    assert kubectl("get things -o name").strip() == "widget.test.dev/a"
    assert kubectl("get wd --field-selector spec.mode=good -o jsonpath={.items[*].metadata.name}") == "a"
    assert '"a" not found' in kubectl("get cm a", fails=1)


def test_get_watches(kubectl: Kubectl, api: Calls, folder: Space) -> None:
    kubectl("apply -f -", stdin=widget())
    command = [str(KUBECTL), "--kubeconfig", str(api.kubeconfig), "-n", folder.name, "get", "wd", "-w", "--no-headers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        assert watching.stdout.readline().split()[:2] == ["a", "good"]
        api.merge(folder.path("widgets", "a"), {"spec": {"mode": "ugly"}})
        assert watching.stdout.readline().split()[:2] == ["a", "ugly"]
        watching.terminate()


def test_wait_ends_when_the_condition_holds(kubectl: Kubectl, api: Calls, folder: Space) -> None:
    kubectl("apply -f -", stdin=widget())
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert "timed out waiting" in kubectl("wait wd/a --for=condition=Ready --timeout=1s", fails=1)
    api.merge(folder.path("widgets", "a", "status"), status)
    assert "condition met" in kubectl("wait wd/a --for=condition=Ready --timeout=20s")
    assert "condition met" in kubectl("wait crd/widgets.test.dev --for=condition=Established --timeout=20s")


def test_small_changes(kubectl: Kubectl) -> None:
    for body in (deployment(), widget()):
        kubectl("apply -f -", stdin=body)
    kubectl("scale widget/a --replicas=4")
    kubectl("scale deployment/web --replicas=2")
    kubectl("annotate widget a test.dev/approved-by=me")
    kubectl('patch widget a --type=merge -p {"spec":{"mode":"ugly"}}')
    kubectl('patch widget a --subresource=status --type=merge -p {"status":{"phase":"Up"}}')
    result = yaml.safe_load(kubectl("get widget a -o yaml"))
    assert result["spec"]["replicas"] == 4 and result["spec"]["mode"] == "ugly" and result["status"] == {"phase": "Up"}
    assert result["metadata"]["annotations"]["test.dev/approved-by"] == "me"
    assert kubectl("get deployment web -o jsonpath={.spec.replicas}") == "2"


def test_create_and_replace(kubectl: Kubectl) -> None:
    kubectl("create -f -", stdin=config_map("note", {"a": "1"}))
    result = yaml.safe_load(kubectl("get cm note -o yaml"))
    result["data"]["b"] = "2"
    kubectl("replace -f -", stdin=result)
    assert "the object has been modified" in kubectl("replace -f -", stdin=result, fails=1)
    kubectl("create configmap typed --from-literal=a=1")
    kubectl("create secret generic key --from-literal=a=1")
    kubectl("create serviceaccount robot")
    assert kubectl("get secret key -o jsonpath={.data.a}|{.type}") == "MQ==|Opaque"
    assert kubectl("get cm typed -o jsonpath={.data.a}") == "1"


def test_delete_waits_until_it_is_gone(kubectl: Kubectl) -> None:
    for body in (widget(), job()):
        kubectl("apply -f -", stdin=body)
    assert 'widget.test.dev "a" deleted' in kubectl("delete wd a")
    assert 'job.batch "once" deleted' in kubectl("delete job --all")
    assert "not found" in kubectl("delete wd a", fails=1)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("version", "Server Version: v1.36"),
        ("api-resources --api-group=test.dev", "widgets"),
        ("api-versions", "test.dev/v1"),
        ("get --raw /readyz", "ok"),
    ],
)
def test_questions_about_the_server(kubectl: Kubectl, question: str, answer: str) -> None:
    assert answer in kubectl(question)
