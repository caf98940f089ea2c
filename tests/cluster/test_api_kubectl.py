"""What a person types: kubectl against the API server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cluster.calls import Calls, Folder, config_map, deployment, job, widget
from tests.cluster.objects import Obj

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on the PATH")

Kubectl = Callable[..., str]


@pytest.fixture
def kubectl(api: Calls, folder: Folder, tmp_path: Path) -> Kubectl:
    """Runs kubectl in the folder's namespace and says what it printed; `fails` is the exit code that is expected."""
    environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig), "HOME": str(tmp_path)}

    def run(*words: str, stdin: Obj | None = None, fails: int = 0) -> str:
        text = yaml.safe_dump(stdin) if stdin else None
        command = [str(KUBECTL), "--namespace", folder.name, *words]
        done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize("side", [[], ["--server-side"]])
def test_apply_creates_changes_and_leaves_alone(kubectl: Kubectl, side: list[str]) -> None:
    word = "serverside-applied" if side else "{}"
    apply = ("apply", *side, "-f", "-")
    bodies = [(widget(), "widget.test.dev/a"), *([(deployment(), "deployment.apps/web")] if side else [])]
    for body, name in bodies:
        assert f"{name} {word.format('created')}" in kubectl(*apply, stdin=body)
        assert f"{name} {word.format('unchanged')}" in kubectl(*apply, stdin=body)
        body["spec"]["replicas"] = 3
        assert f"{name} {word.format('configured')}" in kubectl(*apply, stdin=body)
        assert kubectl("get", name, "-o", "jsonpath={.spec.replicas}") == "3"
        del body["spec"]["replicas"]
        kubectl(*apply, stdin=body)
        assert kubectl("get", name, "-o", "jsonpath={.spec.replicas}") == "1"


def test_apply_refuses_a_typo_and_a_broken_rule(kubectl: Kubectl) -> None:
    assert 'unknown field "spec.foo"' in kubectl("apply", "-f", "-", stdin=widget(spec={"foo": 1}), fails=1)
    refused = kubectl("apply", "-f", "-", stdin=widget(spec={"holdout": 0.95}), fails=1)
    assert "spec.holdout: Invalid value: must leave rows to train on" in refused
    assert 'unknown field "spec.template.spec.typo"' in kubectl(
        "apply", "-f", "-", stdin=job(template={"spec": {"typo": 1, **job()["spec"]["template"]["spec"]}}), fails=1
    )


def test_a_conflict_names_the_other(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "--field-manager=first", "-f", "-", stdin=widget(spec={"mode": "good"}))
    second = ("apply", "--server-side", "--field-manager=second", "-f", "-")
    assert 'conflict with "first"' in kubectl(*second, stdin=widget(spec={"mode": "ugly"}), fails=1)
    kubectl(*second, "--force-conflicts", stdin=widget(spec={"mode": "ugly"}))


@pytest.mark.parametrize("side", [[], ["--server-side"]])
def test_diff_shows_what_apply_would_do(kubectl: Kubectl, side: list[str]) -> None:
    kubectl("apply", *side, "-f", "-", stdin=widget())
    assert kubectl("diff", *side, "-f", "-", stdin=widget()) == ""
    assert "+  replicas: 4" in kubectl("diff", *side, "-f", "-", stdin=widget(spec={"replicas": 4}), fails=1)


def test_get_prints_columns(kubectl: Kubectl) -> None:
    assert "No resources found" in kubectl("get", "widgets")
    kubectl("apply", "-f", "-", stdin=widget())
    assert kubectl("get", "wd").split()[:4] == ["NAME", "MODE", "READY", "AGE"]
    assert "REPLICAS" in kubectl("get", "wd", "-o", "wide")
    assert kubectl("get", "things", "-o", "name").strip() == "widget.test.dev/a"
    assert yaml.safe_load(kubectl("get", "wd", "a", "-o", "yaml"))["spec"]["mode"] == "good"
    assert kubectl("get", "wd", "--field-selector", "spec.mode=good", "-o", "jsonpath={.items[*].metadata.name}") == "a"
    assert '"a" not found' in kubectl("get", "cm", "a", fails=1)


def test_get_watches(kubectl: Kubectl, api: Calls, folder: Folder) -> None:
    kubectl("apply", "-f", "-", stdin=widget())
    command = [str(KUBECTL), "--kubeconfig", str(api.kubeconfig), "-n", folder.name, "get", "wd", "-w", "--no-headers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        assert watching.stdout.readline().split()[:2] == ["a", "good"]
        api.merge(folder.path("widgets", "a"), {"spec": {"mode": "ugly"}})
        assert watching.stdout.readline().split()[:2] == ["a", "ugly"]
        watching.terminate()


def test_describe_shows_fields_and_events(kubectl: Kubectl, api: Calls, folder: Folder) -> None:
    made = api.post(folder.path("widgets"), widget()).ok
    about = {
        "apiVersion": "test.dev/v1",
        "kind": "Widget",
        "name": "a",
        "namespace": folder.name,
        "uid": made["metadata"]["uid"],
    }
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "involvedObject": about}
    api.post(
        folder.path("events"), event | {"reason": "Turned", "message": "It has turned.", "type": "Normal", "count": 1}
    )
    text = kubectl("describe", "widget", "a")
    assert "Mode:" in text and "It has turned." in text
    assert "It has turned." in kubectl("events", "--for", "widget/a")
    kubectl("apply", "-f", "-", stdin=deployment())
    assert "StrategyType:" in kubectl("describe", "deployment", "web")


def test_wait_ends_when_the_condition_holds(kubectl: Kubectl, api: Calls, folder: Folder) -> None:
    kubectl("apply", "-f", "-", stdin=widget())
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert "timed out waiting" in kubectl("wait", "wd/a", "--for=condition=Ready", "--timeout=1s", fails=1)
    api.merge(folder.path("widgets", "a", "status"), status)
    assert "condition met" in kubectl("wait", "wd/a", "--for=condition=Ready", "--timeout=20s")
    assert "condition met" in kubectl("wait", "crd/widgets.test.dev", "--for=condition=Established", "--timeout=20s")
    assert "condition met" in kubectl("wait", "wd/a", "--for=jsonpath={.spec.mode}=good", "--timeout=20s")


def test_small_changes(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=deployment())
    kubectl("apply", "-f", "-", stdin=widget())
    kubectl("scale", "widget/a", "--replicas=4")
    kubectl("scale", "deployment/web", "--replicas=2")
    kubectl("annotate", "widget", "a", "test.dev/approved-by=me")
    kubectl("label", "widget", "a", "team=x")
    kubectl("patch", "widget", "a", "--type=merge", "-p", '{"spec":{"mode":"ugly"}}')
    kubectl("patch", "widget", "a", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Up"}}')
    result = yaml.safe_load(kubectl("get", "widget", "a", "-o", "yaml"))
    assert result["spec"]["replicas"] == 4 and result["spec"]["mode"] == "ugly" and result["status"] == {"phase": "Up"}
    assert result["metadata"]["annotations"]["test.dev/approved-by"] == "me" and result["metadata"]["labels"] == {
        "team": "x"
    }
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "2"


def test_edit_and_replace(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=config_map("note", {"a": "1"}))
    result = yaml.safe_load(kubectl("get", "cm", "note", "-o", "yaml"))
    result["data"]["b"] = "2"
    kubectl("replace", "-f", "-", stdin=result)
    assert "the object has been modified" in kubectl("replace", "-f", "-", stdin=result, fails=1)


def test_typed_creates(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "note", "--from-literal=a=1")
    kubectl("create", "secret", "generic", "key", "--from-literal=a=1")
    kubectl("create", "serviceaccount", "robot")
    assert kubectl("get", "secret", "key", "-o", "jsonpath={.data.a} {.type}") == "MQ== Opaque"
    assert kubectl("get", "cm", "note", "-o", "jsonpath={.data.a}") == "1"


def test_explain_reads_the_schema(kubectl: Kubectl) -> None:
    text = kubectl("explain", "widget.spec.mode")
    assert "How it is done." in text and "ENUM:" in text
    assert "steps" in kubectl("explain", "wd.spec", "--recursive")
    assert "Number of desired pods" in kubectl("explain", "deployment.spec.replicas")


def test_rollout_status_follows_a_deployment(kubectl: Kubectl, api: Calls, folder: Folder) -> None:
    kubectl("apply", "-f", "-", stdin=deployment())
    assert "Waiting for deployment" in kubectl("rollout", "status", "deployment/web", "--watch=false")
    counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    api.merge(folder.path("deployments", "web", "status"), {"status": {"observedGeneration": 1, **counts}})
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=20s")


def test_delete_waits_until_it_is_gone(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=widget())
    kubectl("apply", "-f", "-", stdin=job())
    assert 'widget.test.dev "a" deleted' in kubectl("delete", "wd", "a")
    assert 'job.batch "once" deleted' in kubectl("delete", "job", "--all")
    assert "not found" in kubectl("delete", "wd", "a", fails=1)
    assert kubectl("delete", "wd", "a", "--ignore-not-found") == ""


def test_questions_about_the_server(kubectl: Kubectl) -> None:
    assert "Server Version: v1.36" in kubectl("version")
    assert "widgets" in kubectl("api-resources", "--api-group=test.dev")
    assert "test.dev/v1" in kubectl("api-versions")
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert kubectl("get", "--raw", "/readyz") == "ok"
