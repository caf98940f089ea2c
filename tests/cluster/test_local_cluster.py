"""What only the local cluster does: it forgets, stops and starts again, reaches local pods and reads their logs."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.calls import Calls, config_map
from tests.cluster.local import LocalCluster
from tests.cluster.objects import Obj

PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path) as local:
        yield local


@pytest.fixture
def api(local: LocalCluster) -> Calls:
    return Calls(local)


@pytest.fixture
def port() -> Iterator[int]:
    """Where a container answers every request with its method, path, body and one header."""

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self.send_response(418)
            self.send_header("X-Told", self.headers.get("X-Asked", ""))
            self.end_headers()
            self.wfile.write(f"{self.command} {self.path} {body}".encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def running(api: Calls, name: str, port: int = 80, *, ready: bool = True, **metadata: Any) -> None:
    """A pod that a node has started."""
    container = {"name": "main", "image": "x:1", "ports": [{"name": "http", "containerPort": port}]}
    metadata = {"name": name, "labels": {"app": "echo"}, **metadata}
    spec = {"containers": [container, {"name": "side", "image": "y:1"}]}
    assert api.post(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}).code == 201
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    api.merge(
        f"{PODS}/{name}/status", {"status": {"phase": "Running", "podIP": "127.0.0.1", "conditions": [condition]}}
    )


def serve(api: Calls, **port: Any) -> None:
    spec: Obj = {"selector": {"app": "echo"}, "ports": [{"name": "web", "port": 80, **port}]}
    assert (
        api.post(SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"}, "spec": spec}).code
        == 201
    )


@pytest.mark.parametrize("address", ["echo:{port}", "echo:http", "echo", "http:echo:{port}"])
def test_a_pod_is_reached_through_the_server(api: Calls, port: int, address: str) -> None:
    running(api, "echo", port)
    answer = api.post(f"{PODS}/{address.format(port=port)}/proxy/v2/models", {"a": 1}, x="y z")
    assert (answer.code, answer.body) == (418, 'POST /v2/models?x=y+z {"a": 1}')


@pytest.mark.parametrize("target", [{"targetPort": "http"}, {}])
@pytest.mark.parametrize("address", ["echo", "echo:web", "echo:80"])
def test_a_service_is_reached_through_a_ready_pod(api: Calls, port: int, address: str, target: Obj) -> None:
    running(api, "broken", 1, ready=False)
    running(api, "echo", port)
    serve(api, **(target or {"targetPort": port}))
    assert {api.get(f"{SERVICES}/{address}/proxy/").body for _ in range(5)} == {"GET / "}


def test_a_service_without_a_ready_pod_says_so(api: Calls) -> None:
    running(api, "broken", ready=False)
    serve(api)
    answer = api.get(f"{SERVICES}/echo/proxy/")
    assert (answer.code, answer.message) == (503, 'no endpoints available for service "echo"')
    assert 'no service port "other"' in api.get(f"{SERVICES}/echo:other/proxy/").message


def test_a_pod_that_does_not_answer_is_a_bad_gateway(api: Calls) -> None:
    running(api, "dead", 1)
    assert api.get(f"{PODS}/dead/proxy/").code == 502


@pytest.fixture
def log(api: Calls, tmp_path: Path) -> Path:
    """The log of the first container of the pod `talker`."""
    log = tmp_path / "main.log"
    log.write_text("one\ntwo\nthree\n")
    running(api, "talker", annotations={"cluster.local/log-file": str(log)})
    return log


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "one\ntwo\nthree\n"),
        ({"tailLines": "2"}, "two\nthree\n"),
        ({"tailLines": "0"}, ""),
        ({"limitBytes": "5"}, "one\nt"),
    ],
)
def test_a_log_is_what_the_node_keeps_in_its_file(api: Calls, log: Path, query: dict[str, str], text: str) -> None:
    assert api.get(f"{PODS}/talker/log", **query).body == text


def test_every_container_has_its_own_log(api: Calls, log: Path) -> None:
    log.with_name("side.log").write_text("hello\n")
    assert api.get(f"{PODS}/talker/log", container="side").body == "hello\n"
    assert api.get(f"{PODS}/talker/log", container="other").code == 400


def test_a_log_is_followed_until_the_pod_ends(api: Calls, log: Path) -> None:
    def more() -> None:
        with log.open("a") as file:
            file.write("four\n")
        api.merge(f"{PODS}/talker/status", {"status": {"phase": "Succeeded"}})

    writer = threading.Timer(0.2, more)
    writer.start()
    assert api.get(f"{PODS}/talker/log", follow="true").body == "one\ntwo\nthree\nfour\n"
    writer.join()


def test_a_pod_that_has_not_started_has_no_log(api: Calls) -> None:
    running(api, "silent")
    answer = api.get(f"{PODS}/silent/log")
    assert answer.code == 400 and 'container "main" in pod "silent" is waiting to start' in answer.message


def test_what_is_compacted_is_gone_for_watches_lists_and_parts_of_lists(local: LocalCluster, api: Calls) -> None:
    for name in "abc":
        api.post(MAPS, config_map(name))
    first = api.get(MAPS, limit=1).ok["metadata"]
    api.post(MAPS, config_map("d"))
    local.compact()
    with api.watch(MAPS, resourceVersion=first["resourceVersion"]) as events:
        (event,) = list(events)
    assert event["type"] == "ERROR" and (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    assert api.get(MAPS, limit=1, **{"continue": first["continue"]}).body["code"] == 410
    exact = api.get(MAPS, resourceVersion=first["resourceVersion"], resourceVersionMatch="Exact")
    assert (exact.code, exact.body["reason"]) == (410, "Expired")
    now = api.get(MAPS).ok["metadata"]["resourceVersion"]
    with api.watch(MAPS, resourceVersion=now) as events:
        api.post(MAPS, config_map("e"))
        assert next(events)["object"]["metadata"]["name"] == "e"


def test_a_watch_is_kept_current_by_bookmarks(api: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cluster.watch.BOOKMARK_SECONDS", 0.05)
    start = api.get(MAPS).ok["metadata"]["resourceVersion"]
    with api.watch(MAPS, resourceVersion=start, allowWatchBookmarks="true") as events:
        made = api.post("/api/v1/namespaces", {"metadata": {"name": "elsewhere"}}).ok["metadata"]["resourceVersion"]
        versions = (event["object"]["metadata"]["resourceVersion"] for event in events if event["type"] == "BOOKMARK")
        assert made in versions


def test_a_namespace_takes_its_contents_with_it_and_waits_for_those_that_are_held(api: Calls) -> None:
    api.post("/api/v1/namespaces", {"metadata": {"name": "doomed"}})
    inside = "/api/v1/namespaces/doomed/configmaps"
    api.post(inside, config_map("free"))
    api.post(inside, config_map("held", finalizers=["test.dev/hold"]))
    assert api.delete("/api/v1/namespaces/doomed").ok["status"]["phase"] == "Terminating"
    assert api.get(f"{inside}/free").code == 404
    refused = api.post(inside, config_map("late"))
    assert refused.code == 403 and "because it is being terminated" in refused.message
    api.merge(f"{inside}/held", {"metadata": {"finalizers": None}})
    assert api.get("/api/v1/namespaces/doomed").code == 404


def test_it_comes_back_with_its_objects_at_the_same_address(local: LocalCluster, api: Calls) -> None:
    api.post(MAPS, config_map("kept"))
    before = local.url
    local.stop()
    local.start()
    assert local.url == before and api.get(f"{MAPS}/kept").code == 200


def test_stopping_ends_open_watches(local: LocalCluster, api: Calls) -> None:
    with api.watch(MAPS, timeoutSeconds=600) as events:
        stopper = threading.Timer(0.2, local.stop)
        stopper.start()
        assert list(events) == []
    stopper.join()


def test_two_clusters_know_nothing_of_each_other(api: Calls, tmp_path: Path) -> None:
    api.post(MAPS, config_map("mine"))
    with LocalCluster(tmp_path / "other") as other:
        assert Calls(other).get(f"{MAPS}/mine").code == 404


def test_people_start_it_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.cluster", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
        assert config["clusters"][0]["cluster"]["server"] == url
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
