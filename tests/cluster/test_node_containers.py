"""How a container of a pod starts, is probed, ends and is started again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj, is_ready
from tests.cluster.space import Space, container, ended, moments, pod, shell, state, succeeded

ENDLESS = ["sleep", "600"]


@pytest.mark.parametrize(
    "command,code,reason,phase",
    [
        (["python", "-c", "pass"], 0, "Completed", "Succeeded"),
        (shell("exit 3"), 3, "Error", "Failed"),
        (shell("kill -KILL $$$$"), 137, "OOMKilled", "Failed"),  # Kubernetes makes one dollar of two
        (shell("kill -TERM $$$$"), 143, "Error", "Failed"),
        (["no-such-program"], 128, "StartError", "Failed"),
    ],
)
def test_the_status_has_the_exit_code(space: Space, command: list[str], code: int, reason: str, phase: str) -> None:
    space.put(pod("once", command, restartPolicy="Never" if code else "OnFailure"))
    result = space.until("Pod", "once", ended)
    last = state(result, "terminated")
    assert (result["status"]["phase"], last["exitCode"], last["reason"]) == (phase, code, reason)


def test_a_container_killed_by_a_person_is_not_oomkilled(space: Space, node: LocalNode) -> None:
    name = space.put(pod(f"victim-{space.name}", ENDLESS))["metadata"]["name"]
    space.until("Pod", name, is_ready)
    assert os.getpgid(node.processes[name]) == node.processes[name] != os.getpgid(0)
    node.kill(name)
    last = state(space.until("Pod", name, ended), "terminated")
    assert (last["exitCode"], last["reason"]) == (137, "Error")
    with pytest.raises(LookupError, match="0 running pods are named"):
        node.kill(name)


LONG = "head -c 5000 /dev/zero | tr '\\0' x > /dev/termination-log; printf %04096d 7 >> /dev/termination-log"


@pytest.mark.parametrize(
    "script,fields,message",
    [
        (LONG, {}, f"{7:04096}"),
        ("printf hello > /tmp/message", {"terminationMessagePath": "/tmp/message"}, "hello"),
        ("echo out; exit 1", {"terminationMessagePolicy": "FallbackToLogsOnError"}, "out\n"),
        ("echo out; exit 0", {"terminationMessagePolicy": "FallbackToLogsOnError"}, None),
        (
            "echo out; printf said > /dev/termination-log; exit 1",
            {"terminationMessagePolicy": "FallbackToLogsOnError"},
            "said",
        ),
    ],
)
def test_the_status_has_the_termination_message(
    space: Space, script: str, fields: dict[str, str], message: str | None
) -> None:
    space.put(pod("talker", shell(script), **fields))
    assert state(space.until("Pod", "talker", ended), "terminated").get("message") == message


def test_output_goes_to_the_log_file_in_the_annotation(space: Space) -> None:
    space.put(pod("talker", shell("echo out; echo err >&2")))
    result = space.until("Pod", "talker", ended)
    assert Path(result["metadata"]["annotations"]["cluster.local/log-file"]).read_text() == "out\nerr\n"


def test_a_crashing_container_is_restarted_after_growing_pauses(space: Space) -> None:
    space.put(pod("crasher", shell("exit 5"), restartPolicy="Always"))
    messages = [
        state(result, "waiting").get("message")
        for result in space.versions("Pod", "crasher", lambda pod: "back-off 40s" in str(state(pod, "waiting")))
    ]
    pauses = [message for message in dict.fromkeys(messages) if message and message.startswith("back-off")]
    assert pauses == [f"back-off {seconds}s restarting failed container=main" for seconds in (10, 20, 40)]
    result = space.find("Pod", "crasher")
    assert result and result["status"]["phase"] == "Running" and not is_ready(result)
    assert state(result, "terminated", "lastState")["exitCode"] == 5 and container(result)["restartCount"] >= 3


def test_the_containers_of_a_pod_run_side_by_side(space: Space, tmp_path: Path) -> None:
    both = pod("pair", shell(f"until test -e {tmp_path}/other; do sleep 0.01; done"))
    both["spec"]["containers"].append({"name": "other", "image": "local", "command": shell(f"touch {tmp_path}/other")})
    space.put(both)
    assert succeeded(space, "pair")


def test_an_image_without_a_command_is_refused(space: Space) -> None:
    space.put(pod("unknown", []))
    waiting = state(space.until("Pod", "unknown", lambda pod: state(pod, "waiting").get("message")), "waiting")
    assert waiting["reason"] == "CreateContainerError" and "container main has no command" in waiting["message"]


def test_a_stopping_pod_is_not_ready_and_has_its_grace_period(space: Space, tmp_path: Path) -> None:
    script = f"trap 'touch {tmp_path}/term' TERM; touch {tmp_path}/up; while :; do sleep 0.01; done"
    stubborn = pod("stubborn", shell(script), terminationGracePeriodSeconds=1)
    stubborn["metadata"]["finalizers"] = ["example.org/look"]
    space.put(stubborn)
    space.until("Pod", "stubborn", lambda pod: is_ready(pod) and (tmp_path / "up").exists())
    space.delete("Pod", "stubborn")
    assert state(space.until("Pod", "stubborn", lambda pod: not is_ready(pod)), "running")
    over = space.until("Pod", "stubborn", ended)
    assert (tmp_path / "term").exists() and state(over, "terminated")["exitCode"] == 137
    space.patch("Pod", "stubborn", {"metadata": {"finalizers": []}})
    space.until_gone("Pod", "stubborn")


def alive(pid: int) -> bool:
    """Whether there is such a process; an orphan that has ended is the init process's to remove."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended before or while it was read
        return False


def test_a_pod_deleted_by_force_leaves_no_process(space: Space, node: LocalNode, tmp_path: Path) -> None:
    name = space.put(pod(f"forced-{space.name}", shell(f"sleep 600 & echo $! > {tmp_path}/child; wait")))["metadata"][
        "name"
    ]
    space.until("Pod", name, lambda pod: is_ready(pod) and (tmp_path / "child").exists())
    pids = [node.processes[name], int((tmp_path / "child").read_text())]
    space.delete("Pod", name, gracePeriodSeconds=0)
    space.until_gone("Pod", name)
    assert any(not any(map(alive, pids)) for _ in moments())


SERVER = """
import http.server, os, pathlib, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        well = self.path == "/health" and not pathlib.Path(sys.argv[1], "sick").exists()
        self.send_response(200 if well else 503)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer((os.environ["PERENNIAL_BIND_ADDRESS"], 8080), Health).serve_forever()
"""
HEALTH = {"httpGet": {"path": "/health", "port": "web"}, "periodSeconds": 1, "failureThreshold": 2}


def exists(file: Path, failures: int = 2) -> Obj:
    return {"exec": {"command": ["test", "-e", str(file)]}, "periodSeconds": 1, "failureThreshold": failures}


def test_readiness_follows_the_probe_at_the_pods_own_address(space: Space, tmp_path: Path) -> None:
    for name in ("one", "two"):
        ports = [{"name": "web", "containerPort": 8080}]
        space.put(pod(name, ["python", "-c", SERVER, str(tmp_path)], ports=ports, readinessProbe=HEALTH))
    assert len({space.until("Pod", name, is_ready)["status"]["podIP"] for name in ("one", "two")}) == 2
    (tmp_path / "sick").touch()
    unready = space.until("Pod", "one", lambda pod: not is_ready(pod))
    assert state(unready, "running") and container(unready)["restartCount"] == 0
    (tmp_path / "sick").unlink()
    space.until("Pod", "one", is_ready)


def test_a_container_without_liveness_is_restarted(space: Space, tmp_path: Path) -> None:
    script = shell(f"touch {tmp_path}/alive {tmp_path}/up; exec sleep 600")
    probes = {"startupProbe": exists(tmp_path / "up", 10_000), "livenessProbe": exists(tmp_path / "alive")}
    space.put(pod("patient", script, restartPolicy="Always", **probes))
    space.until("Pod", "patient", is_ready)
    (tmp_path / "alive").unlink()
    again = space.until("Pod", "patient", lambda pod: container(pod)["restartCount"] and is_ready(pod))
    assert state(again, "terminated", "lastState")["exitCode"] == 143


def test_a_container_that_never_starts_up_is_restarted(space: Space, tmp_path: Path) -> None:
    probes = {
        "startupProbe": exists(tmp_path / "never"),
        "livenessProbe": {"exec": {"command": ["touch", f"{tmp_path}/x"]}},
    }
    space.put(pod("stuck", ENDLESS, restartPolicy="Always", **probes))
    space.until("Pod", "stuck", lambda pod: container(pod).get("restartCount"))
    assert not (tmp_path / "x").exists()


def test_a_probe_that_times_out_fails_and_leaves_no_process(space: Space, tmp_path: Path) -> None:
    slow = {"exec": {"command": shell(f"echo $$$$ >> {tmp_path}/pids; exec sleep 600")}, "failureThreshold": 1}
    space.put(pod("slow", ENDLESS, restartPolicy="Always", livenessProbe=slow))
    space.until("Pod", "slow", lambda pod: container(pod).get("restartCount"))
    first = int((tmp_path / "pids").read_text().split()[0])
    assert any(not alive(first) for _ in moments())
