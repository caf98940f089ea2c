"""A cluster whose objects and clock stand still, and an 80-column terminal for the commands that read it."""

from __future__ import annotations

import copy
import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from kubectl_perennial.__main__ import main
from kubectl_perennial.client import Body, Cluster
from tests.plugin import rollout_in_progress
from tests.plugin.golden import WIDTH
from tests.plugin.terminal import API, Objects

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Screen(io.StringIO):
    """What a terminal would show."""

    def isatty(self) -> bool:
        return True


class FixedCluster(Cluster, Objects):
    """Objects in memory, all created at noon; writes change nothing."""

    def __init__(self) -> None:
        self.namespace, self.user, self.time = "default", "ada", None
        self._bodies: dict[tuple[str, str], Body] = {}

    def put(self, kind: str, name: str, spec: Mapping[str, Any], status: Mapping[str, Any] = {}) -> None:
        metadata = {"name": name, "namespace": "default", "creationTimestamp": "2026-11-23T11:30:00Z"}
        body = {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": dict(spec), "status": dict(status)}
        self._bodies[kind, name] = copy.deepcopy(body)

    def change(self, kind: str, name: str, **status: Any) -> None:
        self._bodies[kind, name]["status"] |= status

    def get(self, kind: str, name: str) -> Body | None:
        return copy.deepcopy(self._bodies.get((kind, name)))

    def list(self, kind: str, *, model: str = "", everywhere: bool = False) -> list[Body]:
        bodies = [body for (of, _), body in self._bodies.items() if of == kind]
        return copy.deepcopy([each for each in bodies if not model or each["spec"]["modelDeployment"] == model])

    def access_modes(self, claims: Iterable[str]) -> dict[str, Sequence[str] | None]:
        return {}

    def last_log_line(self, job: str) -> str | None:
        return f"2026-11-23T11:59:48.5Z search of {job}: candidate 3 of 12, 25%, 5m00s so far, about 15m00s left"

    def secret_value(self, name: str, key: str) -> bytes | None:
        return b"a secret of the model's own"

    def own_name(self) -> str | None:
        return "ada"

    def annotate(self, kind: str, name: str, annotations: Mapping[str, str | None]) -> Body:
        body = self.get(kind, name)
        assert body
        return body

    def create(self, manifest: Mapping[str, Any]) -> Body:
        return dict(manifest)

    def shown(self, *words: str) -> str:
        """The command, and what it prints at 80 columns at noon, errors below."""
        out, error = Screen(), Screen()
        environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "TERM": "dumb", "COLUMNS": str(WIDTH)}
        with (
            patch.dict(os.environ, environment, clear=True),
            patch.object(sys, "argv", ["kubectl-perennial", *words]),
            patch.object(Cluster, "connect", lambda *_: self),
            patch("kubectl_perennial.commands.status.now", lambda: NOON),
            patch("kubectl_perennial.commands.history.now", lambda: NOON),
            patch("kubectl_perennial.commands.decisions.now", lambda: NOON),
            redirect_stdout(out),
            redirect_stderr(error),
        ):
            try:
                code = main()
            except SystemExit as end:
                code = int(end.code or 0)
        ended = "" if code == 0 else f"(exit code {code})\n"
        return f"$ kubectl perennial {' '.join(words)}\n{out.getvalue()}{error.getvalue()}{ended}"


def rolling_out() -> FixedCluster:
    """The objects of `rollout_in_progress` at noon."""
    cluster = FixedCluster()
    with patch.object(rollout_in_progress, "NOW", NOON):
        rollout_in_progress.put_rollout(cluster)
    return cluster
