"""Connections to the cluster: credentials, contexts, and the messages of errors."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import incluster_config

from kubectl_perennial import client as cluster
from tests.builders import SPEC
from tests.plugin import tool_files
from tests.plugin.certificates import Authority
from tests.plugin.terminal import Terminal


class Guard(BaseHTTPRequestHandler):
    """An API server that answers permitted requests with an empty list and others with an error."""

    def do_GET(self) -> None:
        server: Any = self.server
        code, answer = server.answer(self)
        body = json.dumps(answer).encode() if isinstance(answer, dict) else answer
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


EMPTY = {"items": [], "metadata": {}}


def bearer(token: str) -> Any:
    def answer(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, Any]]:
        known = request.headers.get("Authorization") == f"Bearer {token}"
        return (200, EMPTY) if known else (401, {"message": "Unauthorized"})

    return answer


@pytest.fixture
def guard() -> Iterator[Any]:
    """Starts such a server with a rule of which requests are permitted; returns its address."""
    servers = []

    def start(answer: Any, tls: ssl.SSLContext | None = None) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Guard)
        server.answer = answer  # type: ignore[attr-defined]
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()


def a_kubeconfig(path: Path, server: str, user: dict[str, Any], cluster: Mapping[str, Any] = {}) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("one", "two")],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def at(terminal: Terminal, kubeconfig: Path) -> Terminal:
    return replace(terminal, kubeconfig=kubeconfig)


NONE = "No ModelDeployment in namespace {}.\n"


def test_token_is_sent(terminal: Terminal, guard: Any, tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path / "config", guard(bearer("sesame")), {"token": "sesame"})
    assert at(terminal, path).output("status") == NONE.format(terminal.kubectl.namespace)


def test_credential_plugin_is_run(terminal: Terminal, guard: Any, tmp_path: Path) -> None:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "of-the-day"},
    }
    (tmp_path / "login").write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(credential)}\nE\n")
    (tmp_path / "login").chmod(0o755)
    program = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(tmp_path / "login"),
        "interactiveMode": "Never",
    }
    path = a_kubeconfig(tmp_path / "config", guard(bearer("of-the-day")), {"exec": program})
    assert at(terminal, path).output("status") == NONE.format(terminal.kubectl.namespace)


def test_client_and_server_certificates_are_used(terminal: Terminal, guard: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = guard(lambda _: (200, EMPTY), authority.serving())
    user = {name: str(path) for name, path in authority.client("ada").items()}
    path = a_kubeconfig(tmp_path / "config", server, user, {"certificate-authority": str(authority.path)})
    assert at(terminal, path).output("status") == NONE.format(terminal.kubectl.namespace)
    (tmp_path / "another").mkdir()
    stranger = Authority(tmp_path / "another")
    path = a_kubeconfig(tmp_path / "config", server, user, {"certificate-authority": str(stranger.path)})
    assert "certificate verify failed" in at(terminal, path).error("status")


@pytest.mark.parametrize(
    ("code", "answer", "sentence"),
    [
        (
            401,
            {"message": "Unauthorized"},
            "the API server does not know you (401 Unauthorized); log in to the cluster again",
        ),
        (
            403,
            {"message": "ada cannot list"},
            "ada cannot list; ask for the ClusterRole perennial-view (to read) or perennial-edit (to write)",
        ),
        (
            404,
            b"404 page not found\n",
            "the cluster does not know perennial.dev/v1alpha1; install Perennial's CRDs: docs/install.md",
        ),
        (500, {"message": "etcd has no leader"}, "etcd has no leader"),
        (200, b"<html>a proxy</html>", "{server} is not an API server: it answers b'<html>a proxy</html>'"),
    ],
)
def test_error_of_the_server_is_one_sentence(
    terminal: Terminal, guard: Any, tmp_path: Path, code: int, answer: Any, sentence: str
) -> None:
    server = guard(lambda _: (code, answer))
    path = a_kubeconfig(tmp_path / "config", server, {"token": "x"})
    assert at(terminal, path).error("status") == sentence.format(server=server)


def test_unreachable_server_is_named(terminal: Terminal, tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path / "config", "http://127.0.0.1:9", {})
    result = at(terminal, path).error("status")
    assert result.startswith("the API server http://127.0.0.1:9 does not answer: ")
    assert "Connection refused" in result and result.endswith("is this the right --context?")


def test_bad_kubeconfig_is_named_with_the_options(terminal: Terminal, tmp_path: Path) -> None:
    for content in (None, "", "{", "[]", "apiVersion: v1\nkind: Config\n"):
        path = tmp_path / "config"
        if content is not None:
            path.write_text(content)
        result = at(terminal, path).error("status")
        assert result.startswith("cannot connect to a cluster: "), content
        assert result.endswith("; give --kubeconfig or --context, or set KUBECONFIG")


def test_unknown_context_is_named_with_the_known_ones(rolling_out: Terminal) -> None:
    assert rolling_out.error("status", "--context", "production") == (
        "context production is not in the kubeconfig; it has: local"
    )


def test_options_may_precede_the_command(rolling_out: Terminal) -> None:
    where = ("-n", rolling_out.kubectl.namespace, "--context", "local", "--kubeconfig", str(rolling_out.kubeconfig))
    result = rolling_out.run(*where, "status", "bike", namespace=False, KUBECONFIG="/nowhere")
    assert result.code == 0, result.err
    assert "bike-v3" in result.out


def test_default_namespace_is_that_of_the_context(terminal: Terminal, guard: Any, tmp_path: Path) -> None:
    path = a_kubeconfig(tmp_path / "config", guard(lambda _: (200, EMPTY)), {"token": "x"})
    content = yaml.safe_load(path.read_text())
    content["contexts"][0]["context"]["namespace"] = "team-a"
    path.write_text(yaml.safe_dump(content))
    for words, namespace in (((), "team-a"), (("--context", "two"), "default")):
        assert at(terminal, path).run("status", *words, namespace=False).out == NONE.format(namespace)


def test_list_works_without_custom_field_selectors(terminal: Terminal, guard: Any, tmp_path: Path) -> None:
    model = {"metadata": {"name": "bike", "namespace": "default"}, "spec": {}}
    versions = [
        {
            "metadata": {"name": f"{name}-v1", "creationTimestamp": "2026-11-23T12:00:00Z"},
            "spec": {"modelDeployment": name, "number": 1, "trigger": {"reason": "Initial"}},
        }
        for name in ("bike", "tram")
    ]

    def before_1_31(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, Any]]:
        if "fieldSelector" in request.path:
            return 400, {"message": "field label not supported: spec.modelDeployment"}
        return 200, {"items": versions, "metadata": {}} if "modelversions" in request.path else model

    path = a_kubeconfig(tmp_path / "config", guard(before_1_31), {"token": "x"})
    versions_shown = json.loads(at(terminal, path).output("history", "bike", "-o", "json"))
    assert [each["name"] for each in versions_shown] == ["bike-v1"]


def test_reporter_in_a_pod_can_only_create_reports(
    terminal: Terminal, guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the ClusterRole perennial-reporter and the service account of the pod."""
    written = []

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, Any]]:
        at_models = "/apis/perennial.dev/v1alpha1/namespaces/team-a"
        if request.headers.get("Authorization") != "bearer of-the-pod":
            return 401, {"message": "Unauthorized"}
        if (request.command, request.path) == ("GET", f"{at_models}/modeldeployments/bike"):
            return 200, {"metadata": {"name": "bike", "namespace": "team-a"}, "spec": dict(SPEC)}
        if request.command == "POST" and request.path.startswith(f"{at_models}/driftreports"):
            written.append(json.loads(request.rfile.read(int(request.headers["Content-Length"]))))
            return (201, written[-1]) if len(written) == 1 else (409, {"message": "already exists"})
        return 403, {"message": f"may not {request.command} {request.path}"}

    authority = Authority(tmp_path)
    host, port = guard(answer, authority.serving(of_people=False)).removeprefix("https://").split(":")
    for name, content in (("token", "of-the-pod"), ("namespace", "team-a")):
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority.path))
    monkeypatch.setattr(cluster, "POD_NAMESPACE", tmp_path / "namespace")
    (tmp_path / "drift.json").write_text(json.dumps(tool_files.evidently(tool_files.drift("feature1", "psi", 0.4))))
    words = ("check", "bike", "--evidently", str(tmp_path / "drift.json"), "--samples", "400")
    pod = {"KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    first, second = (terminal.run(*words, namespace=False, **pod) for _ in range(2))
    assert (first.code, second.code) == (0, 0), (first.err, second.err)
    assert "created" in first.out and "exists already" in second.out
    assert written[0]["spec"]["metrics"] == [{"name": "psi", "feature": "feature1", "value": 0.4}]


LOG = b"2026-11-23T11:59:48Z search: candidate 3 of 12\x1b[2J\n"


def a_pod(name: str, phase: str, created: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": created}, "status": {"phase": phase}}


PODS = [
    a_pod("ended", "Failed", "2026-11-23T11:58:00Z"),
    a_pod("first", "Running", "2026-11-23T11:00:00Z"),
    a_pod("second", "Running", "2026-11-23T11:30:00Z"),
]


@pytest.mark.parametrize(
    ("pods", "log", "line"),
    [
        ((200, {"items": PODS}), (200, LOG), "2026-11-23T11:59:48Z search: candidate 3 of 12�[2J"),
        ((200, {"items": PODS[:1]}), (200, LOG), None),
        ((200, {"items": PODS}), (403, {"message": "forbidden"}), None),
        ((403, {"message": "forbidden"}), (200, LOG), None),
        ((200, {"items": PODS}), (200, b""), None),
    ],
)
def test_log_line_is_of_the_newest_running_pod(
    guard: Any, tmp_path: Path, pods: tuple[int, Any], log: tuple[int, Any], line: str | None
) -> None:
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, Any]:
        asked.append(request.path)
        return log if "/log?" in request.path else pods

    file = a_kubeconfig(tmp_path / "config", guard(answer), {})
    assert cluster.Cluster.connect(str(file), None, "team").last_log_line("bike-v2-train") == line
    assert asked[0].startswith(
        "/api/v1/namespaces/team/pods?labelSelector=batch.kubernetes.io/job-name%3Dbike-v2-train"
    )
    assert all(path.startswith("/api/v1/namespaces/team/pods/second/log?tailLines=1") for path in asked[1:])
