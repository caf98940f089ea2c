"""What a container is given: its environment, its volumes, its arguments."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kubelet.environment import expanded
from tests.cluster.kubelet.volumes import rewritten
from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj
from tests.cluster.space import Space, at, claim, config_map, ended, moments, pod, shell, state, succeeded

REPORT = ["python", "-c", "import json, os; json.dump(dict(os.environ), open('/out/env', 'w'))"]
OUT = at("/out", persistentVolumeClaim={"claimName": "out"})


def environment_of(space: Space, node: LocalNode, **fields: Any) -> dict[str, str]:
    """The environment of a container with these fields."""
    space.put(claim("out"))
    space.put(pod("reporter", REPORT, **OUT, **fields))
    assert succeeded(space, "reporter")
    result: dict[str, str] = json.loads((node.volume("out", space.name) / "env").read_text())
    return result


def secret(name: str, **data: str) -> Obj:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"kind": "Secret", "metadata": {"name": name}, "data": encoded}


def test_variables_come_from_the_spec_and_the_pod(
    space: Space, node: LocalNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVATE", "ours")
    fields = {"NAME": "metadata.name", "SPACE": "metadata.namespace", "NODE": "spec.nodeName", "IP": "status.podIP"}
    env: list[Obj] = [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()]
    env += [{"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]
    env += [{"name": "TASK", "value": '{"uri": "file:///out/x", "other": "s3://bucket/out/x", "name": "$(NAME)"}'}]
    result = environment_of(space, node, env=env, resources={"limits": {"cpu": "1500m"}})
    made = space.find("Pod", "reporter") or {}
    wanted = {"NAME": "reporter", "SPACE": space.name, "NODE": "local", "IP": made["status"]["podIP"], "CPUS": "2"}
    assert result.items() >= (wanted | {"GREETING": "hello", "HOSTNAME": "reporter"}).items()
    uri = f"file://{node.volume('out', space.name)}/x"
    assert json.loads(result["TASK"]) == {"uri": uri, "other": "s3://bucket/out/x", "name": "reporter"}
    assert result["PERENNIAL_BIND_ADDRESS"] == result["IP"] and "PRIVATE" not in result
    assert Path(result["HOME"]).name == made["metadata"]["uid"]


def test_variables_come_from_secrets(space: Space, node: LocalNode) -> None:
    space.put(secret("keys", user="ada", password="s3cret"))
    env = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
        {"name": "user", "value": "eve"},
    ]
    result = environment_of(space, node, env=env, envFrom=[{"secretRef": {"name": "keys"}}])
    assert result.items() >= {"PASSWORD": "s3cret", "password": "s3cret", "user": "eve"}.items()


def test_a_container_waits_for_a_missing_secret(space: Space) -> None:
    space.put(pod("waiter", ["true"], envFrom=[{"secretRef": {"name": "late"}}]))
    waiting = space.until("Pod", "waiter", lambda pod: "secret" in str(pod.get("status")))
    message = {"reason": "CreateContainerConfigError", "message": 'secret "late" not found'}
    assert state(waiting, "waiting") == message and waiting["status"]["phase"] == "Pending"
    space.put(secret("late"))
    assert succeeded(space, "waiter")


def test_a_pod_waits_for_a_missing_volume(space: Space) -> None:
    space.put(pod("waiter", ["cat", "/etc/settings/a"], **at("/etc/settings", configMap={"name": "late"})))
    space.until("Pod", "waiter", lambda pod: "ContainerCreating" in str(pod.get("status")))
    space.put(config_map("late", {"a": "1"}))
    assert succeeded(space, "waiter")


def test_a_termination_message_has_mounted_paths(space: Space) -> None:
    space.put(claim("out"))
    env = [{"name": "PLACE", "value": "file:///out/model"}, {"name": "FILE", "value": "/dev/termination-log"}]
    space.put(pod("talker", shell('printf "stored in %s" "$PLACE" > "$FILE"'), env=env, **OUT))
    assert state(space.until("Pod", "talker", ended), "terminated")["message"] == "stored in file:///out/model"


def test_a_volume_lasts_until_its_claim_is_deleted(space: Space, node: LocalNode) -> None:
    space.put(claim("out"))
    for name, script in (("writer", "echo kept > /out/file"), ("reader", "grep kept /out/file")):
        space.put(pod(name, shell(script), **OUT))
        assert succeeded(space, name)
        space.delete("Pod", name)
    directory = node.volume("out", space.name)
    space.delete("PersistentVolumeClaim", "out")
    assert any(not directory.exists() for _ in moments())


@pytest.mark.parametrize(
    "text,expected",
    [
        ("/data", "<real>"),
        ("--in=/data/x", "--in=<real>/x"),
        ('{"uri": "file:///data/x"}', '{"uri": "file://<real>/x"}'),
        ("/bin:/data/bin", "/bin:<real>/bin"),
        ("/data/models/m", "<models>/m"),
        ("/data/models2", "<real>/models2"),
        ("/data2", "/data2"),
        ("/data.bak", "/data.bak"),
        ("/other/data/x", "/other/data/x"),
        ("s3://data/x", "s3://data/x"),
        ("$(UNKNOWN)/data", "$(UNKNOWN)/data"),
    ],
)
def test_paths_below_a_mount_are_rewritten(text: str, expected: str) -> None:
    assert rewritten(text, {"/data": Path("<real>"), "/data/models/": Path("<models>")}) == expected


@pytest.mark.parametrize(
    "text,expected", [("a$(A)b", "a1b"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$A ${A}", "$A ${A}"), ("$$$(A)", "$1")]
)
def test_variables_are_expanded_as_kubernetes_does(text: str, expected: str) -> None:
    assert expanded(text, {"A": "1"}) == expected
