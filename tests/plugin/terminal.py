"""Runs the commands of the plugin in one namespace of an API server."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from kubectl_perennial.__main__ import main
from tests.builders import SPEC, merged
from tests.kubectl import Body, Kubectl
from tests.stage import ROOT

API = "perennial.dev/v1alpha1"
PATHS = f"{ROOT / 'kubectl'}:{ROOT / 'operator'}:{ROOT / 'trainer'}"


class Result(NamedTuple):
    code: int
    out: str
    err: str


def console_script(folder: Path) -> Path:
    """`kubectl-perennial`, with the other scripts of pyproject.toml beside it, as an installer writes them."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for name, place in scripts.items():
        module, function = place.split(":")
        script = folder / name
        script.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        script.chmod(0o755)
    return folder / "kubectl-perennial"


def run_here(words: list[str], environment: dict[str, str], stdin: str) -> Result:
    """Runs the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", words),
        patch.object(sys, "stdin", io.StringIO(stdin)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


class Objects:
    """Puts the objects that the operator would have created."""

    def put(self, kind: str, name: str, spec: Mapping[str, Any], status: Mapping[str, Any] = {}) -> None:
        raise NotImplementedError

    def put_model(self, name: str = "bike", spec: Mapping[str, Any] = {}, status: Mapping[str, Any] = {}) -> None:
        self.put("ModelDeployment", name, merged(SPEC, spec), status)

    def put_version(self, name: str, spec: Mapping[str, Any] = {}, status: Mapping[str, Any] = {}) -> None:
        model, _, number = name.rpartition("-v")
        base = {
            "modelDeployment": model,
            "number": int(number),
            "trigger": {"reason": "Initial"},
            "model": SPEC["model"],
            "data": SPEC["data"],
            "training": {},
        }
        self.put("ModelVersion", name, merged(base, spec), status)

    def put_report(self, name: str, spec: Mapping[str, Any] = {}, status: Mapping[str, Any] = {}) -> None:
        base = {
            "modelDeployment": "bike",
            "samples": 1000,
            "metrics": [{"name": "psi", "feature": "feature1", "value": 0.3}],
        }
        self.put("DriftReport", name, merged(base, spec), status)


@dataclass
class Terminal(Objects):
    """Runs commands, and creates the objects that the operator would have created.

    A command runs in this process, where it starts at once, or `as_process`: as the console script, in a process of its own.
    """

    script: Path
    kubeconfig: Path
    kubectl: Kubectl
    home: Path
    as_process: bool = False

    def run(self, *words: str, stdin: str = "", namespace: bool = True, **environment: str) -> Result:
        where = ("-n", self.kubectl.namespace) if namespace else ()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": PATHS,
            "KUBECONFIG": str(self.kubeconfig),
            "USER": "ada",
            **environment,
        }
        result = (self._run_script if self.as_process else run_here)(
            [str(self.script), *words, *where], environment, stdin
        )
        assert "Traceback" not in result.err, result.err
        return result

    def _run_script(self, words: list[str], environment: dict[str, str], stdin: str) -> Result:
        run = subprocess.run(words, env=environment, input=stdin, capture_output=True, text=True, timeout=120)
        return Result(run.returncode, run.stdout, run.stderr)

    def output(self, *words: str, **environment: str) -> str:
        """What the command prints; it must succeed."""
        result = self.run(*words, **environment)
        assert result.code == 0, result.err
        return result.out

    def error(self, *words: str, code: int = 1, **environment: str) -> str:
        """The one sentence of a command that must fail with this code."""
        result = self.run(*words, **environment)
        assert result.code == code, result
        assert result.err.startswith("error: ") and result.err.count("\n") == 1, result.err
        return result.err.removeprefix("error: ").rstrip()

    # ---- what is in the cluster

    def put(self, kind: str, name: str, spec: Mapping[str, Any], status: Mapping[str, Any] = {}) -> None:
        body = {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
        self.kubectl.apply(body)
        if status:
            self.kubectl.patch(kind, name, {"status": dict(status)}, "status")

    def annotations(self, kind: str, name: str) -> dict[str, str]:
        body = self.kubectl.get(kind, name)
        assert body
        return body["metadata"].get("annotations") or {}

    def spec(self, kind: str, name: str) -> Body:
        body = self.kubectl.get(kind, name)
        assert body
        spec: Body = body["spec"]
        return spec
