"""Output on terminals and pipes, and the help texts."""

from __future__ import annotations

import os
import pty
import re
import subprocess

import pytest

from tests.plugin.terminal import PATHS, Terminal
from tests.stage import ROOT

COMMANDS = (
    "status",
    "history",
    "compare",
    "report",
    "approve",
    "reject",
    "retrain",
    "pin",
    "check",
    "forget",
    "backtest",
    "try",
    "init",
)


def at_a_terminal(of: Terminal, *words: str, **environment: str) -> str:
    """The output of the command on a terminal, with colours."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(of.script), *words, "-n", of.kubectl.namespace],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(of.home),
            "PYTHONPATH": PATHS,
            "KUBECONFIG": str(of.kubeconfig),
            "TERM": "xterm-256color",
            "COLUMNS": "100",
            **environment,
        },
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return written.decode()


def test_terminal_gets_colours(rolling_out: Terminal) -> None:
    shown = at_a_terminal(rolling_out, "history", "bike")
    assert re.search(r"\x1b\[[0-9;]*31m(?:Rejected|12\.3 % worse)", shown)
    assert re.search(r"\x1b\[[0-9;]*32m20 % better", shown)


def test_no_color_is_honoured(rolling_out: Terminal) -> None:
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", at_a_terminal(rolling_out, "history", "bike", NO_COLOR="1"))


def test_narrow_terminal_shows_whole_names(rolling_out: Terminal) -> None:
    shown = at_a_terminal(rolling_out, "history", "bike", COLUMNS="60", NO_COLOR="1")
    assert "…" not in shown and "bike-v4" in shown and "Superseded" in shown


def test_pipe_gets_whole_lines_without_colours(rolling_out: Terminal) -> None:
    shown = rolling_out.output("status", "bike", COLUMNS="40")
    assert "\x1b" not in shown
    assert [line for line in shown.splitlines() if line.endswith(" ")] == []
    assert "within thresholds: psi of feature1 0.1" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_of_each_command(terminal: Terminal, command: str) -> None:
    result = terminal.run(command, "--help")
    assert result.code == 0
    assert f"kubectl perennial {command} bike" in result.out[result.out.index("examples:") :]
    assert "--kubeconfig" in result.out


def test_help_names_every_command(terminal: Terminal) -> None:
    result = terminal.run("--help", namespace=False)
    assert [command for command in COMMANDS if not re.search(rf"^    {command} ", result.out, re.M)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_and_guide_have_each_command(command: str) -> None:
    assert f"`kubectl perennial {command} " in (ROOT / "README.md").read_text()
    assert f"\n| `{command} " in (ROOT / "docs" / "kubectl.md").read_text()


@pytest.mark.parametrize(
    "words", [(), ("frob",), ("status", "--frob"), ("retrain",), ("check", "bike", "--samples", "x")]
)
def test_unknown_command_exits_with_2(terminal: Terminal, words: tuple[str, ...]) -> None:
    assert terminal.run(*words, namespace=False).code == 2


HOSTILE = "\x1b]0;owned\x07\x9b2J\u202egnp\nerror: forged\x08"


@pytest.mark.parametrize("form", [(), ("-o", "json"), ("-o", "yaml")])
def test_control_characters_of_objects_reach_no_terminal(rolling_out: Terminal, form: tuple[str, ...]) -> None:
    metrics = [{"name": "psi", "feature": f"a{HOSTILE}", "value": 0.9}]
    status = {"outcome": "Breach", "message": HOSTILE, "modelVersion": "bike-v3"}
    rolling_out.put_report("hostile", {"metrics": metrics, "source": HOSTILE}, status)
    rolling_out.kubectl.patch("ModelVersion", "bike-v2", {"status": {"message": HOSTILE}}, "status")
    rolling_out.kubectl.annotate("ModelVersion", "bike-v4", {"perennial.dev/rejected-by": HOSTILE})
    for words in (("status", "bike"), ("history", "bike"), ("compare", "bike", "v1", "v2")):
        shown = rolling_out.output(*words, *form)
        assert all(line.isprintable() for line in shown.split("\n"))
        assert not re.search("^error: forged", shown, re.M)
    assert "gnp error: forged" in rolling_out.output("history", "bike", *form)
    result = rolling_out.run("approve", "bike", "v4")
    assert (result.code, result.err.count("\n")) == (1, 1) and result.err[:-1].isprintable()


def test_control_characters_of_files_reach_no_terminal(rolling_out: Terminal) -> None:
    rows = rolling_out.home / "rows.csv"
    rows.write_text("feature1,feature2,target\n" + "1,2,3\n" * 300)
    hostile = rolling_out.home / "\x1b[31mred.csv"
    hostile.write_text(f"feature1,{HOSTILE}\n1,2\n")
    for recent in (hostile, rolling_out.home / "\x9b2Jmissing"):
        result = rolling_out.run("check", "bike", "--reference", str(rows), "--recent", str(recent), "--dry-run")
        assert result.code == 1
        assert all(line.isprintable() for line in (result.out + result.err).split("\n"))
