"""A real etcd and kube-apiserver on free loopback ports: what the local cluster is measured by."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import httpx
import yaml
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

READY_SECONDS = 60
STOP_SECONDS = 20
MOST_BYTES = 8 << 30
"""In etcd, whose own limit a fleet of 10,000 models exceeds."""
PEOPLE = ("ada",)
"""Users without a right of their own."""


def envtest_binaries() -> Path | None:
    """Where etcd and kube-apiserver are, by envtest's convention; None if they are not."""
    result = Path(os.environ.get("KUBEBUILDER_ASSETS", "/usr/local/kubebuilder/bin"))
    return result if all((result / name).is_file() for name in ("etcd", "kube-apiserver")) else None


class RealApi:
    """`.url` and `.kubeconfig` lead to an empty cluster without nodes and controllers while the context lasts.

    `.etcd` is the URL of its etcd, without its API server.
    """

    def __init__(self, directory: Path) -> None:
        self.kubeconfig = directory / "kubeconfig"
        self.url = self.etcd = ""
        self._directory, self._token = directory, ""
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        assets = envtest_binaries()
        if assets is None:
            raise FileNotFoundError(
                "etcd and kube-apiserver are in neither $KUBEBUILDER_ASSETS nor /usr/local/kubebuilder/bin"
            )
        self._directory.mkdir(parents=True, exist_ok=True)
        client, peer, port = (_free_port() for _ in range(3))
        token = self._token = secrets.token_hex(16)
        self.url = f"https://127.0.0.1:{port}"
        self._run(assets / "etcd", *self._etcd_flags(client, peer))
        self._run(assets / "kube-apiserver", *self._api_flags(client, port, token))
        try:
            self._wait_until_ready(token)
        except BaseException:
            self.stop()
            raise
        self.kubeconfig.write_text(yaml.safe_dump(self._kubeconfig(token)))

    def _etcd_flags(self, client: int, peer: int) -> list[str]:
        urls = self.etcd = f"http://127.0.0.1:{client}"
        return [
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={urls}",
            f"--advertise-client-urls={urls}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
            "--log-level=error",
            f"--quota-backend-bytes={MOST_BYTES}",
        ]

    def _api_flags(self, etcd: int, port: int, token: str) -> list[str]:
        key, tokens = self._directory / "accounts.key", self._directory / "tokens.csv"
        private = generate_private_key(65537, 2048)
        key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        lines = [f'{token},admin,admin,"system:masters"', *(f"{token}-{user},{user},{user}" for user in PEOPLE)]
        tokens.write_text("".join(f"{line}\n" for line in lines))
        return [
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            f"--secure-port={port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self._directory / 'certificates'}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",  # whether a pod may be is for Pod Security to say
            "--disable-admission-plugins=ServiceAccount",  # nobody makes the accounts that it asks for
            "--service-account-issuer=https://localhost",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.96.0.0/16",
        ]

    def _run(self, program: Path, *flags: str) -> None:
        with (self._directory / f"{program.name}.log").open("wb") as log:
            self._running.append(subprocess.Popen([program, *flags], stdout=log, stderr=log))

    def _wait_until_ready(self, token: str) -> None:
        headers, end = {"Authorization": f"Bearer {token}"}, time.monotonic() + READY_SECONDS
        with httpx.Client(headers=headers, verify=False) as http:
            while time.monotonic() < end:
                if any(process.poll() is not None for process in self._running):
                    break
                try:
                    if http.get(f"{self.url}/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
        raise RuntimeError(f"the API server did not become ready; see {self._directory}/*.log")

    def _kubeconfig(self, token: str) -> dict[str, object]:
        authority = str(self._directory / "certificates" / "apiserver.crt")
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "real",
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "real", "namespace": "default"}}],
            "clusters": [{"name": "real", "cluster": {"server": self.url, "certificate-authority": authority}}],
            "users": [{"name": "real", "user": {"token": token}}],
        }

    def kubeconfig_of(self, person: str) -> Path:
        """The kubeconfig of one of PEOPLE, who have no right that is not given to them."""
        path = self._directory / f"kubeconfig-{person}"
        path.write_text(yaml.safe_dump(self._kubeconfig(f"{self._token}-{person}")))
        return path

    def stop(self) -> None:
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
