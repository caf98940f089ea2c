"""A container that is a fork of a prepared process behaves as one with a process of its own."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj
from tests.cluster.space import Space, moments, pod

pytest_plugins = ["tests.cluster.fixtures"]

PROGRAM = Path(__file__).parent / "programs" / "forked.py"
REPORT = """
import json, os, random, sys
seen = {"cwd": os.getcwd(), "env": dict(os.environ), "argv": sys.argv, "preloaded": "decimal" in sys.modules}
seen |= {"group": os.getpgid(0) == os.getpid(), "files": sorted(os.listdir("/proc/self/fd")), "path": sys.path[0]}
seen |= {"stdin": os.readlink("/proc/self/fd/0"), "drawn": random.random(), "pid": os.getpid()}
print(json.dumps(seen), flush=True)
"""


def forked(name: str, code: str, **words: object) -> Obj:
    """The node's fixture forks programs of this name."""
    return pod(name, ["python", "-m", "forked", code], env=words.pop("env", []), **words)


def ended(pod: Obj) -> Obj:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    end: Obj = statuses[0].get("state", {}).get("terminated", {})
    return end


def test_a_fork_sees_what_a_new_process_sees(space: Space) -> None:
    seen = []
    for name in ("one", "two"):
        space.put(forked(name, REPORT, env=[{"name": "OWN", "value": name}]))
        end = space.until("Pod", name, ended)
        seen.append(json.loads(Path(end["metadata"]["annotations"]["cluster.local/log-file"]).read_text()))
    for name, one in zip(("one", "two"), seen, strict=True):
        assert one["preloaded"]
        assert (one["env"]["OWN"], one["env"]["HOSTNAME"], one["env"]["GREETING"]) == (name, name, "hello")
        assert one["cwd"] == one["path"] == one["env"]["HOME"]
        assert one["argv"] == [str(PROGRAM), REPORT]
        assert (one["group"], one["stdin"], one["files"]) == (True, "/dev/null", ["0", "1", "2", "3"])  # 3 lists them
        assert "USER" not in one["env"]
    assert seen[0]["drawn"] != seen[1]["drawn"]


def test_a_container_with_its_own_pythonpath_is_no_fork(space: Space, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins, os; builtins.own = os.environ['OWN']")
    env = [{"name": "PYTHONPATH", "value": f"{tmp_path}:{PROGRAM.parent}"}, {"name": "OWN", "value": "x"}]
    space.put(forked("once", "assert own == 'x' and 'decimal' not in sys.modules", env=env))
    assert ended(space.until("Pod", "once", ended))["exitCode"] == 0


@pytest.mark.parametrize(
    "code,exit_code,reason",
    [
        ("pass", 0, "Completed"),
        ("sys.exit(3)", 3, "Error"),
        ("1 / 0", 1, "Error"),
        ("import os; os.kill(os.getpid(), 9)", 137, "OOMKilled"),
    ],
)
def test_a_fork_ends_with_its_own_code(space: Space, code: str, exit_code: int, reason: str) -> None:
    space.put(forked("once", code, terminationMessagePolicy="FallbackToLogsOnError"))
    end = ended(space.until("Pod", "once", ended))
    assert (end["exitCode"], end["reason"]) == (exit_code, reason)
    assert ("ZeroDivisionError" in end.get("message", "")) == (exit_code == 1)


def test_a_fork_writes_its_termination_message(space: Space) -> None:
    space.put(forked("talker", "open('/dev/termination-log', 'w').write('done')"))
    assert ended(space.until("Pod", "talker", ended))["message"] == "done"


LASTING = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
open("{file}", "w").write("%d %d\\n" % (os.getpid(), os.getppid()))
time.sleep(60)
"""


def pids(directory: Path) -> list[int]:
    """The process and the fork server of a container that runs LASTING."""
    file = directory / "pids"
    assert any(file.exists() and file.read_text().endswith("\n") for _ in moments())
    return [int(pid) for pid in file.read_text().split()]


@pytest.mark.parametrize("how,code", [(signal.SIGTERM, 7), (signal.SIGKILL, 137)])
def test_a_fork_gets_signals(space: Space, tmp_path: Path, how: signal.Signals, code: int) -> None:
    space.put(forked("lasting", LASTING.format(file=tmp_path / "pids")))
    os.kill(pids(tmp_path)[0], how)
    assert ended(space.until("Pod", "lasting", ended))["exitCode"] == code


def test_stopping_the_node_ends_forks_and_their_server(kubeconfig: Path, space: Space, tmp_path: Path) -> None:
    lasting = forked("lasting", LASTING.format(file=tmp_path / "pids"))
    lasting["spec"]["nodeName"] = "second"
    environment = {"PYTHONPATH": str(PROGRAM.parent)}
    with LocalNode(kubeconfig, tmp_path / "node", environment, preloaded={"forked": ["decimal"]}, name="second"):
        space.put(lasting)
        running = pids(tmp_path)
    assert not any(Path("/proc", str(pid)).exists() for pid in running)
