"""The operator as a process, with its own metrics and those of the operating system."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
WRITES = ("POST", "PATCH", "PUT", "DELETE")
QUIET_SECONDS = 2.0
LOOK_SECONDS = 0.25


class Figures(NamedTuple):
    """Since the process began."""

    passes: int
    reads: int
    writes: int
    waiting: int
    failed: int
    tasks: int

    def since(self, before: Figures) -> Figures:
        return Figures(*(now - then for now, then in zip(self, before, strict=True)))


class OperatorProcess:
    """The operator runs while the context lasts; `kill` and `start` restart it."""

    def __init__(self, kubeconfig: Path, directory: Path, namespace: str, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(kubeconfig),
            "PERENNIAL_NAMESPACES": namespace,
            "PERENNIAL_METRICS_PORT": str(self._port),
            "PERENNIAL_BIND_ADDRESS": "127.0.0.1",
            **settings,
        }
        self._directory, self._process, self._began = directory, None, 0.0
        self._process: subprocess.Popen[bytes] | None
        self.log = directory / "operator.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, **settings: str) -> None:
        """The operator runs, with these settings from now on."""
        self._environment |= settings
        command = [sys.executable, "-m", "perennial_operator"]
        with self.log.open("ab") as log:
            self._began = time.monotonic()
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, cwd=self._directory
            )

    def kill(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(20)
            self._process = None

    def ended(self) -> bool:
        """Whether the operator was started and has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def figures(self) -> Figures | None:
        """The operator's counters; None while it does not respond."""
        try:
            text = httpx.get(f"http://127.0.0.1:{self._port}/metrics", timeout=30, trust_env=False).text
        except httpx.TransportError:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the operator has ended; see {self.log}") from None
            return None
        samples = {
            (sample.name, sample.labels.get("verb", "")): sample.value
            for family in text_string_to_metric_families(text)
            if family.name.startswith(("perennial_reconcile", "perennial_api", "perennial_queue", "perennial_tasks"))
            for sample in family.samples
        }
        failed = sum(value for (name, _), value in samples.items() if name == "perennial_reconcile_errors_total")
        calls = {verb: value for (name, verb), value in samples.items() if name == "perennial_api_calls_total"}
        return Figures(
            passes=int(samples["perennial_reconcile_duration_seconds_count", ""]),
            reads=int(calls.get("GET", 0)),
            writes=int(sum(calls.get(verb, 0) for verb in WRITES)),
            waiting=int(samples["perennial_queue_length", ""]),
            failed=int(failed),
            tasks=int(samples["perennial_tasks", ""]),
        )

    def settled(self, passes: int, timeout: float = 900) -> float:
        """Seconds from the start until so many passes were done and none was left."""
        return self._rest(passes, timeout) - self._began

    def rest(self, timeout: float = 900) -> Figures:
        """The operator's counters once nothing is left to do."""
        self._rest(0, timeout)
        figures = self.figures()
        assert figures
        return figures

    def _rest(self, passes: int, timeout: float) -> float:
        """Since when nothing has changed for a while."""
        end = time.monotonic() + timeout
        before, since = self.figures(), time.monotonic()
        while time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
            asked, now = time.monotonic(), self.figures()
            # The calls of one that keeps Leases never end.
            counted = 1 if "PERENNIAL_LEASE_NAMESPACE" in self._environment else 3
            same = now is not None and before is not None and now[:counted] == before[:counted]
            if not same or now is None or now.waiting or now.passes < passes:
                before, since = now, asked
            elif asked - since > QUIET_SECONDS:
                return since
        raise TimeoutError(f"the operator was still busy after {timeout:g} s: {before}; see {self.log}")

    def megabytes(self) -> float:
        """Resident memory."""
        return self._status("VmRSS") / 1024

    def greatest_megabytes(self) -> float:
        return self._status("VmHWM") / 1024

    def open_files(self) -> int:
        assert self._process
        return len(list(Path(f"/proc/{self._process.pid}/fd").iterdir()))

    def cpu_seconds(self) -> float:
        assert self._process
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> int:
        assert self._process
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


@contextmanager
def process(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is stopped at the end of the context."""
    with (
        log.open("ab") as out,
        subprocess.Popen(command, env={**os.environ, **environment}, stdout=out, stderr=out) as it,
    ):
        try:
            yield it
        finally:
            it.terminate()
