"""When a container is ready, and when it is taken for dead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cluster.node import LocalNode
from tests.cluster.objects import Obj, is_true
from tests.cluster.space import Space, moments, pod, shell

pytest_plugins = ["tests.cluster.fixtures"]

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


def server(name: str, directory: Path, **words: Any) -> Obj:
    ports = [{"name": "web", "containerPort": 8080}]
    return pod(name, ["python", "-c", SERVER, str(directory)], ports=ports, **words)


def ready(pod: Obj) -> bool:
    return is_true(pod, "Ready")


def container(pod: Obj) -> Obj:
    result: Obj = (pod.get("status", {}).get("containerStatuses") or [{}])[0]
    return result


def exists(file: Path) -> Obj:
    return {"exec": {"command": ["test", "-e", str(file)]}, "periodSeconds": 1}


def test_pods_serve_the_same_port_at_different_addresses(space: Space, tmp_path: Path) -> None:
    for name in ("one", "two"):
        space.put(server(name, tmp_path, readinessProbe=HEALTH))
    addresses = {space.until("Pod", name, ready)["status"]["podIP"] for name in ("one", "two")}
    assert len(addresses) == 2


def test_readiness_follows_what_the_server_answers(space: Space, tmp_path: Path) -> None:
    space.put(server("server", tmp_path, readinessProbe=HEALTH))
    space.until("Pod", "server", ready)
    (tmp_path / "sick").touch()
    unready = space.until("Pod", "server", lambda pod: not ready(pod))
    assert container(unready)["state"]["running"]
    assert container(unready)["restartCount"] == 0
    (tmp_path / "sick").unlink()
    space.until("Pod", "server", ready)


def test_a_container_is_not_ready_before_its_readiness_probe(space: Space, tmp_path: Path) -> None:
    space.put(pod("late", ["sleep", "600"], readinessProbe=exists(tmp_path / "ready")))
    running = space.until("Pod", "late", lambda pod: container(pod).get("state", {}).get("running"))
    assert not ready(running)
    (tmp_path / "ready").touch()
    space.until("Pod", "late", ready)


def test_a_container_that_does_not_live_is_restarted(space: Space, tmp_path: Path) -> None:
    (tmp_path / "alive").touch()
    script = f"touch {tmp_path}/alive {tmp_path}/up; exec sleep 600"
    probe = {**exists(tmp_path / "alive"), "failureThreshold": 2}
    space.put(pod("patient", shell(script), restartPolicy="Always", livenessProbe=probe))
    space.until("Pod", "patient", lambda pod: ready(pod) and (tmp_path / "up").exists())
    (tmp_path / "alive").unlink()
    again = space.until("Pod", "patient", lambda pod: container(pod)["restartCount"] and ready(pod))
    assert container(again)["lastState"]["terminated"]["exitCode"] == 143


def test_liveness_is_not_asked_before_the_start_is_over(space: Space, tmp_path: Path) -> None:
    startup = {**exists(tmp_path / "started"), "failureThreshold": 10_000}
    asked = {"exec": {"command": shell(f"echo asked >> {tmp_path}/liveness; false")}, "failureThreshold": 1}
    script = f"while :; do sleep 0.01; echo x >> {tmp_path}/ticks; done"
    space.put(pod("slow", shell(script), restartPolicy="Always", startupProbe=startup, livenessProbe=asked))
    ticks = tmp_path / "ticks"
    assert any(ticks.exists() and ticks.stat().st_size > 40 for _ in moments())
    result = space.find("Pod", "slow")
    assert result and not container(result)["started"] and not ready(result)
    assert not (tmp_path / "liveness").exists()
    (tmp_path / "started").touch()
    space.until("Pod", "slow", lambda pod: container(pod)["restartCount"])
    assert (tmp_path / "liveness").exists()


def test_a_container_that_never_starts_up_is_restarted(space: Space, tmp_path: Path) -> None:
    startup = {**exists(tmp_path / "never"), "failureThreshold": 2}
    space.put(pod("stuck", ["sleep", "600"], restartPolicy="Always", startupProbe=startup))
    space.until("Pod", "stuck", lambda pod: container(pod).get("restartCount"))


def test_a_probe_that_times_out_fails_and_leaves_no_process(space: Space, node: LocalNode, tmp_path: Path) -> None:
    slow = {"exec": {"command": shell(f"echo $$$$ >> {tmp_path}/pids; exec sleep 600")}, "failureThreshold": 1}
    space.put(pod(f"slow-{space.name}", ["sleep", "600"], restartPolicy="Always", livenessProbe=slow))
    space.until("Pod", f"slow-{space.name}", lambda pod: container(pod).get("restartCount"))
    first = (tmp_path / "pids").read_text().split()[0]
    assert any(not Path("/proc", first).exists() for _ in moments())
    assert f"slow-{space.name}" in node.processes
