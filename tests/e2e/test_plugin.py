"""What a person types at `kubectl perennial` is obeyed by the real operator, and what it shows is what came of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.models import a_claim, a_model, a_table, rows
from tests.plugin import tool_files
from tests.plugin.terminal import Terminal, console_script
from tests.stage import Stage


@pytest.fixture
def terminal(stage: Stage, tmp_path: Path) -> Terminal:
    return Terminal(console_script(tmp_path), stage.kubeconfig, stage.kubectl, tmp_path)


def test_a_model_is_led_through_its_life_by_commands_alone(stage: Stage, terminal: Terminal, tmp_path: Path) -> None:
    files = {"a.csv": rows(1)}
    spec = {"rollout": {"approval": "manual"}, "validation": {"against": {"metric": "mse", "tolerance": 1}}}
    stage.apply(a_table("led-data", files), a_claim("led-models"), a_model("led", spec))
    stage.until_phase("led-v1", "AwaitingApproval")
    assert "● approve" in terminal.output("status", "led")
    terminal.output("approve", "led", "--by", "grace")
    assert stage.until_phase("led-v1", "Live")["phase"] == "Live"

    drifted = tool_files.evidently(("RowCount", {}, 400.0), tool_files.drift("feature1", "psi", 0.4))
    (tmp_path / "drift.json").write_text(json.dumps(drifted))
    stage.apply(a_table("led-data", files | {"b.csv": rows(2, slope=2.0)}))
    terminal.output("check", "led", "--evidently", str(tmp_path / "drift.json"))
    stage.until_phase("led-v2", "AwaitingApproval")
    shown = " ".join(terminal.output("status", "led").split())
    assert "Candidate led-v2 AwaitingApproval" in shown
    assert "psi of feature1 0.4 at most 0.2 ████████████ beyond" in shown
    assert "both on the same holdout rows" in terminal.output("compare", "led")

    rejected = terminal.output("reject", "led").rstrip()
    assert rejected.startswith("led-v2 rejected by ")
    assert f"led-v2 {stage.until_phase('led-v2', 'Rejected')['message']}" == rejected
    terminal.output("retrain", "led")
    stage.until_phase("led-v3", "AwaitingApproval")
    history = json.loads(terminal.output("history", "led", "-o", "json"))
    assert [(each["name"], each["trigger"], each["phase"]) for each in history] == [
        ("led-v3", "Request", "AwaitingApproval"),
        ("led-v2", "Drift", "Rejected"),
        ("led-v1", "Initial", "Live"),
    ]
