"""What a container finds: its environment, its volumes, its arguments."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.kubelet.environment import expanded
from tests.cluster.kubelet.volumes import publish, rewritten
from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj
from tests.cluster.space import Space, at, claim, moments, pod, shell

pytest_plugins = ["tests.cluster.fixtures"]

TELL = ["python", "-c", "import json, os; json.dump(dict(os.environ), open('/out/env', 'w'))"]


def environment_of(space: Space, node: LocalNode, **words: Any) -> dict[str, str]:
    """The environment that a container with these words finds."""
    space.put(claim("out"))
    space.put(pod("teller", TELL, **at("/out", persistentVolumeClaim={"claimName": "out"}), **words))
    assert space.until("Pod", "teller", ended)["status"]["phase"] == "Succeeded"
    result: dict[str, str] = json.loads((node.volume("out", space.name) / "env").read_text())
    return result


def ended(pod: Obj) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def secret(name: str, **data: str) -> Obj:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"kind": "Secret", "metadata": {"name": name}, "data": encoded}


def config(name: str, **data: str) -> Obj:
    return {"kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_container_gets_only_its_own_environment(
    space: Space, node: LocalNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVATE", "ours")
    result = environment_of(space, node, env=[{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2 $$(A) $(C)"}])
    assert result.items() >= {"A": "1", "B": "12 $(A) $(C)", "GREETING": "hello", "HOSTNAME": "teller"}.items()
    assert result["PERENNIAL_BIND_ADDRESS"].startswith("127.")
    assert Path(result["HOME"]).name == (space.find("Pod", "teller") or {})["metadata"]["uid"]
    assert "PRIVATE" not in result


def test_variables_may_come_from_the_pod_itself(space: Space, node: LocalNode) -> None:
    fields = {"NAME": "metadata.name", "SPACE": "metadata.namespace", "NODE": "spec.nodeName", "IP": "status.podIP"}
    env = [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()]
    cpu: Obj = {"resource": "limits.cpu"}
    env += [{"name": "CPUS", "valueFrom": {"resourceFieldRef": cpu}}]
    env += [{"name": "MILLIS", "valueFrom": {"resourceFieldRef": {**cpu, "divisor": "1m"}}}]
    result = environment_of(space, node, env=env, resources={"limits": {"cpu": "1500m"}})
    address = (space.find("Pod", "teller") or {})["status"]["podIP"]
    wanted = {"NAME": "teller", "SPACE": space.name, "NODE": "local", "IP": address, "CPUS": "2", "MILLIS": "1500"}
    assert result.items() >= wanted.items()


def test_variables_may_come_from_secrets_and_config_maps(space: Space, node: LocalNode) -> None:
    space.put(secret("keys", user="ada", password="s3cret"))
    space.put(config("settings", level="high", colour="red"))
    env = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
        {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "x", "optional": True}}},
        {"name": "colour", "value": "blue"},
    ]
    sources = [
        {"prefix": "DB_", "secretRef": {"name": "keys"}},
        {"configMapRef": {"name": "settings"}},
        {"configMapRef": {"name": "absent", "optional": True}},
    ]
    result = environment_of(space, node, env=env, envFrom=sources)
    wanted = {"PASSWORD": "s3cret", "LEVEL": "high", "DB_user": "ada", "level": "high", "colour": "blue"}
    assert result.items() >= wanted.items()
    assert "NONE" not in result


def test_a_container_waits_for_a_missing_secret_and_says_so(space: Space) -> None:
    space.put(pod("waiter", ["true"], envFrom=[{"secretRef": {"name": "late"}}]))
    waiting = space.until("Pod", "waiter", lambda pod: "secret" in str(pod.get("status")))
    (status,) = waiting["status"]["containerStatuses"]
    assert status["state"]["waiting"] == {"reason": "CreateContainerConfigError", "message": 'secret "late" not found'}
    assert waiting["status"]["phase"] == "Pending"
    space.put(secret("late"))
    assert space.until("Pod", "waiter", ended)["status"]["phase"] == "Succeeded"


def test_a_pod_waits_for_a_volume_that_is_not_there_yet(space: Space) -> None:
    space.put(pod("waiter", ["cat", "/etc/settings/a"], **at("/etc/settings", configMap={"name": "late"})))
    space.until("Pod", "waiter", lambda pod: "ContainerCreating" in str(pod.get("status")))
    space.put(config("late", a="1"))
    assert space.until("Pod", "waiter", ended)["status"]["phase"] == "Succeeded"


def test_mount_paths_are_rewritten_to_the_volumes(space: Space, node: LocalNode) -> None:
    task = {"uri": "file:///out/data.csv", "other": "s3://bucket/out/data.csv"}
    result = environment_of(space, node, env=[{"name": "TASK", "value": json.dumps(task)}])
    directory = node.volume("out", space.name)
    assert json.loads(result["TASK"]) == {"uri": f"file://{directory}/data.csv", "other": "s3://bucket/out/data.csv"}


def test_a_containers_last_words_name_paths_as_they_are_mounted(space: Space) -> None:
    space.put(claim("shared"))
    talk = 'printf "stored in %s" "$PLACE" > "$WORD"'
    env = [{"name": "PLACE", "value": "file:///shared/model"}, {"name": "WORD", "value": "/dev/termination-log"}]
    space.put(pod("talker", shell(talk), env=env, **at("/shared", persistentVolumeClaim={"claimName": "shared"})))
    terminated = space.until("Pod", "talker", ended)["status"]["containerStatuses"][0]["state"]["terminated"]
    assert terminated["message"] == "stored in file:///shared/model"


def test_a_claims_contents_outlive_a_pod_and_go_with_the_claim(space: Space, node: LocalNode) -> None:
    space.put(claim("shared"))
    assert space.until("PersistentVolumeClaim", "shared", lambda result: result["status"].get("phase") == "Bound")
    mounted = at("/shared", persistentVolumeClaim={"claimName": "shared"})
    space.put(pod("writer", shell("echo kept > /shared/file"), **mounted))
    space.until("Pod", "writer", ended)
    space.put(pod("reader", shell("grep kept /shared/file"), **mounted))
    assert space.until("Pod", "reader", ended)["status"]["phase"] == "Succeeded"
    directory = node.volume("shared", space.name)
    for name in ("writer", "reader"):
        space.delete("Pod", name)
    space.delete("PersistentVolumeClaim", "shared")
    assert any(not directory.exists() for _ in moments())


def test_changes_of_a_config_map_reach_its_volume(space: Space) -> None:
    space.put(config("settings", a="old", gone="x"))
    wait = "until grep -q new /etc/settings/a; do sleep 0.01; done; test ! -e /etc/settings/gone"
    space.put(pod("reader", shell(wait), **at("/etc/settings", configMap={"name": "settings"})))
    space.until("Pod", "reader", lambda pod: pod.get("status", {}).get("phase") == "Running")
    space.patch("ConfigMap", "settings", {"data": {"a": "new", "gone": None}})
    assert space.until("Pod", "reader", ended)["status"]["phase"] == "Succeeded"


def test_items_of_a_secret_are_files_where_they_are_wanted(space: Space) -> None:
    space.put(secret("keys", token="s3cret", other="x"))
    items = [{"key": "token", "path": "deep/down/token"}]
    check = "grep s3cret /keys/deep/down/token && test ! -e /keys/other"
    space.put(pod("reader", shell(check), **at("/keys", secret={"secretName": "keys", "items": items})))
    assert space.until("Pod", "reader", ended)["status"]["phase"] == "Succeeded"


@pytest.mark.parametrize(
    "text,meant",
    [
        ("/data", "<real>"),
        ("/data/x.csv", "<real>/x.csv"),
        ("--in=/data/x", "--in=<real>/x"),
        ('{"uri": "file:///data/x"}', '{"uri": "file://<real>/x"}'),
        ("/bin:/data/bin", "/bin:<real>/bin"),
        ("/data/models/m", "<models>/m"),
        ("/data/models2", "<real>/models2"),
        ("/data2", "/data2"),
        ("/data.bak", "/data.bak"),
        ("/other/data/x", "/other/data/x"),
        ("s3://data/x", "s3://data/x"),
        ("http://host/data/x", "http://host/data/x"),
        ("$(UNKNOWN)/data", "$(UNKNOWN)/data"),
    ],
)
def test_only_what_is_a_path_below_a_mount_is_rewritten(text: str, meant: str) -> None:
    assert rewritten(text, {"/data": Path("<real>"), "/data/models/": Path("<models>")}) == meant


@pytest.mark.parametrize(
    "text,meant",
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$A ${A}", "$A ${A}"), ("$$$(A)", "$1"), ("a$(A)b", "a1b")],
)
def test_variables_are_expanded_as_kubernetes_does(text: str, meant: str) -> None:
    assert expanded(text, {"A": "1"}) == meant


paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


trees = st.dictionaries(paths, st.binary(max_size=3), max_size=4).filter(
    lambda files: not any(other.startswith(f"{path}/") for path in files for other in files)
)


@given(st.lists(trees, min_size=1, max_size=4))
def test_a_published_directory_shows_exactly_the_newest_files(rounds: list[dict[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        for files in rounds:
            publish(Path(name), files)
            shown = {
                os.path.relpath(os.path.join(at, file), name): Path(at, file).read_bytes()
                for at, _, result in os.walk(name, followlinks=True)
                for file in result
                if not os.path.relpath(at, name).startswith("..")
            }
            assert shown == files
