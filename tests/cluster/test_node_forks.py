"""A container that is a fork of a prepared process behaves as one with a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj
from tests.cluster.space import Space, ended, moments, pod, state, succeeded

PROGRAM = Path(__file__).parent / "programs" / "forked.py"
REPORT = """
import json, os, random
seen = {"cwd": os.getcwd(), "env": dict(os.environ), "argv": sys.argv, "preloaded": "decimal" in sys.modules}
seen |= {"group": os.getpgid(0) == os.getpid(), "files": sorted(os.listdir("/proc/self/fd")), "path": sys.path[0]}
seen |= {"stdin": os.readlink("/proc/self/fd/0"), "drawn": random.random()}
print(json.dumps(seen), flush=True)
open("/dev/termination-log", "w").write("done")
"""
LASTING = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
open("{file}", "w").write("%d\\n" % os.getpid())
time.sleep(60)
"""


def forked(name: str, code: str, **fields: object) -> Obj:
    """The node's fixture forks programs of this name."""
    return pod(name, ["python", "-m", "forked", code], **fields)


def test_a_fork_sees_what_a_new_process_sees(space: Space) -> None:
    drawn = set()
    for name in ("one", "two"):
        space.put(forked(name, REPORT, env=[{"name": "OWN", "value": name}]))
        result = space.until("Pod", name, ended)
        assert state(result, "terminated")["message"] == "done"
        seen = json.loads(Path(result["metadata"]["annotations"]["cluster.local/log-file"]).read_text())
        assert (seen["env"]["OWN"], seen["env"]["HOSTNAME"], seen["env"]["GREETING"]) == (name, name, "hello")
        assert seen["cwd"] == seen["path"] == seen["env"]["HOME"] and "USER" not in seen["env"]
        assert seen["preloaded"] and seen["argv"][0] == str(PROGRAM)
        assert (seen["group"], seen["stdin"], seen["files"]) == (
            True,
            "/dev/null",
            ["0", "1", "2", "3"],
        )  # 3 lists them
        drawn.add(seen["drawn"])
    assert len(drawn) == 2


def test_a_container_with_its_own_pythonpath_is_no_fork(space: Space, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins, os; builtins.own = os.environ['OWN']")
    env = [{"name": "PYTHONPATH", "value": f"{tmp_path}:{PROGRAM.parent}"}, {"name": "OWN", "value": "x"}]
    space.put(forked("once", "assert own == 'x' and 'decimal' not in sys.modules", env=env))
    assert succeeded(space, "once")


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
    end = state(space.until("Pod", "once", ended), "terminated")
    assert (end["exitCode"], end["reason"]) == (exit_code, reason)
    assert ("ZeroDivisionError" in end.get("message", "")) == (exit_code == 1)


def test_stopping_the_node_ends_its_forks(kubeconfig: Path, space: Space, tmp_path: Path) -> None:
    lasting = forked("lasting", LASTING.format(file=tmp_path / "pid"))
    lasting["spec"]["nodeName"] = "second"
    environment = {"PYTHONPATH": str(PROGRAM.parent)}
    with LocalNode(kubeconfig, tmp_path / "node", environment, preloaded={"forked": ["decimal"]}, name="second"):
        space.put(lasting)
        file = tmp_path / "pid"
        assert any(file.exists() and file.read_text().endswith("\n") for _ in moments())
    assert not Path("/proc", file.read_text().strip()).exists()
