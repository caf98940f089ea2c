"""How a container of a pod starts, ends and is started again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj, is_true
from tests.cluster.space import Space, moments, pod, shell

pytest_plugins = ["tests.cluster.fixtures"]

ENDLESS = ["sleep", "600"]


def state(pod: Obj, kind: str, which: str = "state") -> Obj:
    """What `kind` (running, waiting, terminated) of the first container says; empty if it is in another state."""
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    result: Obj = statuses[0].get(which, {}).get(kind) or {}
    return result


def ended(pod: Obj) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def ready(pod: Obj) -> bool:
    return is_true(pod, "Ready")


def dead(pid: int) -> bool:
    """No such process, not even as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def signalled(name: str) -> list[str]:
    """A command that sends itself a signal; `$$$$` is the shell's `$$` once Kubernetes has expanded it."""
    return shell(f"kill -{name} $$$$")


@pytest.mark.parametrize(
    "command,code,reason,phase",
    [
        (["python", "-c", "pass"], 0, "Completed", "Succeeded"),
        (shell("exit 3"), 3, "Error", "Failed"),
        (signalled("KILL"), 137, "OOMKilled", "Failed"),
        (signalled("TERM"), 143, "Error", "Failed"),
        (["no-such-program"], 128, "StartError", "Failed"),
    ],
)
def test_the_exit_code_says_how_a_container_ended(
    space: Space, command: list[str], code: int, reason: str, phase: str
) -> None:
    space.put(pod("once", command))
    result = space.until("Pod", "once", ended)
    last = state(result, "terminated")
    assert (result["status"]["phase"], last["exitCode"], last["reason"]) == (phase, code, reason)


def test_a_container_killed_from_outside_is_not_oomkilled(space: Space, node: LocalNode) -> None:
    space.put(pod(f"victim-{space.name}", ENDLESS))
    space.until("Pod", f"victim-{space.name}", ready)
    node.kill(f"victim-{space.name}")
    last = state(space.until("Pod", f"victim-{space.name}", ended), "terminated")
    assert (last["exitCode"], last["reason"]) == (137, "Error")


def test_killing_a_pod_that_does_not_run_is_an_error(node: LocalNode) -> None:
    with pytest.raises(LookupError, match="0 running pods are named nobody"):
        node.kill("nobody")


def test_the_termination_message_is_its_files_last_4096_bytes(space: Space) -> None:
    write = "import sys; open(sys.argv[1], 'w').write('x' * 5000 + 'y' * 4096)"
    space.put(pod("talker", ["python", "-c", write, "/dev/termination-log"]))
    assert state(space.until("Pod", "talker", ended), "terminated")["message"] == "y" * 4096


def test_a_termination_message_may_be_written_to_another_path(space: Space) -> None:
    space.put(pod("talker", shell("printf hello > /tmp/message"), terminationMessagePath="/tmp/message"))
    assert state(space.until("Pod", "talker", ended), "terminated")["message"] == "hello"


@pytest.mark.parametrize(
    "script,message",
    [
        ("echo boom >&2; exit 1", "boom\n"),
        ("echo boom >&2; exit 0", None),
        ("echo boom >&2; printf said > /dev/termination-log; exit 1", "said"),
    ],
)
def test_logs_stand_in_for_a_message_only_after_an_error(space: Space, script: str, message: str | None) -> None:
    space.put(pod("talker", shell(script), terminationMessagePolicy="FallbackToLogsOnError"))
    assert state(space.until("Pod", "talker", ended), "terminated").get("message") == message


def test_output_goes_to_the_log_file_in_the_annotation(space: Space) -> None:
    space.put(pod("talker", shell("echo out; echo err >&2")))
    result = space.until("Pod", "talker", ended)
    log = Path(result["metadata"]["annotations"]["cluster.local/log-file"])
    assert log.read_text() == "out\nerr\n"


def test_a_crashing_container_is_restarted_after_growing_pauses(space: Space) -> None:
    space.put(pod("crasher", shell("exit 5"), restartPolicy="Always"))
    messages = [
        state(result, "waiting").get("message")
        for result in space.versions("Pod", "crasher", lambda pod: "back-off 40s" in str(state(pod, "waiting")))
    ]
    pauses = [message for message in dict.fromkeys(messages) if message and message.startswith("back-off")]
    assert pauses == [f"back-off {seconds}s restarting failed container=main" for seconds in (10, 20, 40)]
    result = space.find("Pod", "crasher")
    assert result and result["status"]["phase"] == "Running" and not ready(result)
    assert state(result, "terminated", "lastState")["exitCode"] == 5
    assert result["status"]["containerStatuses"][0]["restartCount"] >= 3


def test_a_container_that_ends_well_is_not_restarted_on_failure(space: Space) -> None:
    space.put(pod("once", ["true"], restartPolicy="OnFailure"))
    assert space.until("Pod", "once", ended)["status"]["containerStatuses"][0]["restartCount"] == 0


def test_several_containers_of_a_pod_run_side_by_side(space: Space, tmp_path: Path) -> None:
    both = pod("pair", shell(f"until test -e {tmp_path}/other; do sleep 0.01; done"))
    both["spec"]["containers"].append({"name": "other", "image": "local", "command": shell(f"touch {tmp_path}/other")})
    space.put(both)
    assert space.until("Pod", "pair", ended)["status"]["phase"] == "Succeeded"


def test_an_image_without_a_command_is_refused_with_a_sentence(space: Space) -> None:
    unknown = pod("unknown", ["true"])
    del unknown["spec"]["containers"][0]["command"]
    space.put(unknown)
    waiting = state(space.until("Pod", "unknown", lambda pod: state(pod, "waiting").get("message")), "waiting")
    assert waiting["reason"] == "CreateContainerError"
    assert "container main has no command" in waiting["message"]


def trapped(tmp_path: Path, at_term: str) -> list[str]:
    """A command that runs until SIGTERM makes it do something; `up` is there when it is ready for that."""
    return shell(f"trap '{at_term}' TERM; touch {tmp_path}/up; while :; do sleep 0.01; done")


def test_a_deleted_pod_is_killed_after_its_grace_period(space: Space, node: LocalNode, tmp_path: Path) -> None:
    stubborn = trapped(tmp_path, f"echo term >> {tmp_path}/seen")
    name = space.put(pod(f"stubborn-{space.name}", stubborn, terminationGracePeriodSeconds=1))["metadata"]["name"]
    space.until("Pod", name, lambda pod: ready(pod) and (tmp_path / "up").exists())
    pid = node.processes[name]
    space.delete("Pod", name)
    space.until_gone("Pod", name)
    assert (tmp_path / "seen").read_text() == "term\n"
    assert dead(pid)


def test_a_stopping_pod_is_not_ready(space: Space, tmp_path: Path) -> None:
    current = pod("held", trapped(tmp_path, f"until test -e {tmp_path}/go; do sleep 0.01; done; exit 4"))
    current["metadata"]["finalizers"] = ["example.org/look"]
    space.put(current)
    space.until("Pod", "held", lambda pod: ready(pod) and (tmp_path / "up").exists())
    space.delete("Pod", "held")
    stopping = space.until("Pod", "held", lambda pod: not ready(pod))
    assert state(stopping, "running")
    (tmp_path / "go").touch()
    over = space.until("Pod", "held", ended)
    assert (over["status"]["phase"], state(over, "terminated")["exitCode"]) == ("Failed", 4)
    space.patch("Pod", "held", {"metadata": {"finalizers": []}})
    space.until_gone("Pod", "held")


def test_a_pod_removed_by_force_leaves_no_process(space: Space, node: LocalNode) -> None:
    name = space.put(pod(f"forced-{space.name}", ENDLESS))["metadata"]["name"]
    space.until("Pod", name, ready)
    pid = node.processes[name]
    space.delete("Pod", name, gracePeriodSeconds=0)
    space.until_gone("Pod", name)
    assert any(dead(pid) for _ in moments())


def test_what_a_container_leaves_running_dies_with_it(space: Space, tmp_path: Path) -> None:
    space.put(pod("parent", shell(f"sleep 600 & echo $! > {tmp_path}/child; exit 0")))
    space.until("Pod", "parent", ended)
    child = int((tmp_path / "child").read_text())
    assert any(gone_or_zombie(child) for _ in moments())


def gone_or_zombie(pid: int) -> bool:
    """An orphan is the init process's to reap."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_processes_do_not_share_the_group_of_the_tests(space: Space, node: LocalNode) -> None:
    name = space.put(pod(f"grouped-{space.name}", ENDLESS))["metadata"]["name"]
    space.until("Pod", name, ready)
    assert os.getpgid(node.processes[name]) == node.processes[name] != os.getpgid(0)
    os.kill(node.processes[name], signal.SIGTERM)
