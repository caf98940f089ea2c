"""What kubectl offers after `kubectl perennial`, when the tab key is pressed."""

from __future__ import annotations

import os
import shutil
import subprocess
from unittest.mock import patch

import pytest

from kubectl_perennial.cli.completion import next_words
from tests.plugin.terminal import PATHS, Terminal

FILES, NO_FILES = ":0", ":4"


def offered(terminal: Terminal, *words: str) -> tuple[list[str], str]:
    """The words without their descriptions, and the directive."""
    where = {"KUBECONFIG": str(terminal.kubeconfig), "HOME": str(terminal.home)}
    with patch.dict(os.environ, where):
        *lines, directive = next_words(["-n", terminal.kubectl.namespace, *words])
    return [line.partition("\t")[0] for line in lines], directive


@pytest.mark.parametrize(
    ("words", "expected", "directive"),
    [
        (["re"], ["report", "reject", "retrain"], NO_FILES),
        (["status", "--out"], ["--output"], NO_FILES),
        (["status", "-o", ""], ["json", "yaml"], NO_FILES),
        (["status", ""], ["bike"], NO_FILES),
        (["status", "bike", ""], [], NO_FILES),
        (["report", "b"], ["bike"], NO_FILES),
        (["report", "bike", "v"], ["v4", "v3", "v2", "v1"], NO_FILES),
        (["forget", ""], ["bike"], NO_FILES),
        (["forget", "bike", ""], [], NO_FILES),
        (["compare", "bike", "v3", "v4"], ["v4"], NO_FILES),
        (["status", "--kubeconfig", ""], [], FILES),
        (["check", "bike", "--evidently", ""], [], FILES),
        (["try", "a file.yaml", ""], [], FILES),
        (["init", "rows.csv", "--name", ""], [], FILES),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_next_words(rolling_out: Terminal, words: list[str], expected: list[str], directive: str) -> None:
    assert offered(rolling_out, *words) == (expected, directive)


def test_cluster_that_cannot_be_reached_offers_nothing(terminal: Terminal) -> None:
    assert offered(terminal, "--kubeconfig", "/nowhere", "status", "") == ([], NO_FILES)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl in PATH")
def test_kubectl_asks_the_script_beside_the_plugin(rolling_out: Terminal) -> None:
    run = subprocess.run(
        ["kubectl", "__complete", "perennial", "status", "-n", rolling_out.kubectl.namespace, ""],
        env={
            "PATH": f"{rolling_out.script.parent}:{os.environ['PATH']}",
            "HOME": str(rolling_out.home),
            "PYTHONPATH": PATHS,
            "KUBECONFIG": str(rolling_out.kubeconfig),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout == "bike\tRollingOut\n:4\n", run.stderr
