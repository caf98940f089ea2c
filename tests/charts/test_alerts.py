"""When the alerts fire: expected to promtool, which Prometheus's own package brings."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.charts.chart import CASES, NAMESPACE, of_kind

PROMTOOL = shutil.which("promtool")
SPEC = of_kind("PrometheusRule", CASES["everything on"])[0]["spec"]
ALERTS = {rule["alert"] for group in SPEC["groups"] for rule in group["rules"]}
JOB = 'job="perennial-metrics"'
OPERATOR = f'{JOB},namespace="{NAMESPACE}"'

Series = dict[str, str]

# Series, one value a minute; then alert → minute → how many fire.
STORIES: dict[str, tuple[Series, dict[str, dict[int, int]]]] = {
    "the one that acts for a shard of three ends, and nobody takes over": (
        {
            'perennial_leader{pod="a",shard="0",%s}': "1x10 0x20",
            'perennial_leader{pod="b",shard="0",%s}': "0x30",
            'perennial_leader{pod="b",shard="1",%s}': "1x30",
            'perennial_leader{pod="b",shard="2",%s}': "1x30",
        },
        {"PerennialNobodyActs": {9: 0, 17: 1}, "PerennialTwoAct": {17: 0}},
    ),
    "no operator is there at all": ({}, {"PerennialNobodyActs": {3: 0, 6: 1}}),
    "two act for one shard": (
        {
            'perennial_leader{pod="a",shard="0",%s}': "1x30",
            'perennial_leader{pod="b",shard="0",%s}': "1x30",
            'perennial_leader{pod="b",shard="1",%s}': "1x30",
            'perennial_leader{pod="b",shard="2",%s}': "1x30",
        },
        {"PerennialTwoAct": {1: 0, 3: 1}, "PerennialNobodyActs": {20: 0}},
    ),
    "passes fail for lack of a right; conflicts are a matter of course": (
        {
            'perennial_reconcile_errors_total{reason="Forbidden",%s}': "0x5 1+1x60",
            'perennial_reconcile_errors_total{reason="Conflict",%s}': "0x5 1+1x60",
        },
        {"PerennialPassesFail": {5: 0, 30: 1}},
    ),
    "the queue is never empty": ({"perennial_queue_length{%s}": "3x60"}, {"PerennialQueueNeverEmpty": {5: 0, 40: 1}}),
    "the queue is emptied now and then": (
        {"perennial_queue_length{%s}": "3x9 0 3x9 0 3x9 0 3x9 0"},
        {"PerennialQueueNeverEmpty": {39: 0}},
    ),
    "the first candidate of an operator's life fails": (
        {
            'perennial_candidates_total{phase="Failed",reason="TooFewRows",%s}': "_x10 1x200",
            'perennial_candidates_total{phase="Live",reason="",%s}': "_x10 1x200",
        },
        {"PerennialCandidateFailed": {9: 0, 12: 1, 60: 1, 80: 0}},
    ),
    "another candidate fails later": (
        {'perennial_candidates_total{phase="RolledBack",reason="NotReady",%s}': "1x100 2x100"},
        {"PerennialCandidateFailed": {90: 0, 105: 1, 170: 0}},
    ),
    "a report comes to nothing since its model is stalled": (
        {
            'perennial_drift_reports_total{outcome="Stalled",%s}': "_x10 1x90",
            'perennial_drift_reports_total{outcome="Breach",%s}': "_x10 1x90",
        },
        {"PerennialRetrainingStalled": {9: 0, 20: 1}, "PerennialReportInvalid": {20: 0}},
    ),
    "a report cannot be used": (
        {'perennial_drift_reports_total{outcome="Invalid",%s}': "_x10 1x90"},
        {"PerennialReportInvalid": {20: 1}, "PerennialRetrainingStalled": {20: 0}},
    ),
    "a feed is broken, and repaired after four checks": (
        {'perennial_bad_data_reports{model="bike",%s}': "0x10 1x14 2x14 3x14 4x14 0x30"},
        {"PerennialBadData": {9: 0, 12: 1, 60: 1, 80: 0}, "PerennialBadDataPersists": {30: 0, 45: 1, 80: 0}},
    ),
    "labels come too late for a threshold": (
        {
            'perennial_drift_not_measured{metric="mse",model="bike",%s}': "0x10 1x100",
            'perennial_drift_not_measured{metric="psi",model="bike",%s}': "0x110",
        },
        {"PerennialNotMeasured": {40: 0, 80: 1}},
    ),
}

STORIES |= {
    "a feed has stopped, and comes back": (
        {
            'perennial_last_good_check_age_seconds{model="bike",%s}': "0+60x60 0x30",
            'perennial_check_interval_seconds{model="bike",%s}': "900x90",
        },
        {"PerennialDriftNotWatched": {40: 0, 58: 1, 70: 0}},
    ),
    "a model without own checks": (
        {'perennial_last_good_check_age_seconds{model="bike",%s}': "0+6000x60"},
        {"PerennialDriftNotWatched": {50: 0}},
    ),
    "all pods of a model crash": (
        {
            'perennial_ready_replicas{model="bike",%s}': "2x10 0x20",
            'perennial_wanted_replicas{model="bike",%s}': "2x30",
            'perennial_live_version_age_seconds{model="bike",%s}': "600+60x30",
        },
        {"PerennialNoReadyReplicas": {12: 0, 20: 1}},
    ),
    "a model is scaled to nothing, and another one is new": (
        {
            'perennial_ready_replicas{model="bike",%s}': "0x30",
            'perennial_wanted_replicas{model="bike",%s}': "0x30",
            'perennial_live_version_age_seconds{model="bike",%s}': "600+60x30",
            'perennial_ready_replicas{model="new",%s}': "0x30",
            'perennial_wanted_replicas{model="new",%s}': "2x30",
        },
        {"PerennialNoReadyReplicas": {20: 0}},
    ),
    "a candidate waits for a person": (
        {'perennial_awaiting_approval_seconds{model="bike",%s}': "86000+60x30"},
        {"PerennialApprovalWaits": {5: 0, 10: 1}},
    ),
    "upkeeps of a model fail, and then one does not": (
        {'perennial_last_upkeep_age_seconds{model="bike",%s}': "258600+60x30 0x30"},
        {"PerennialUpkeepFails": {5: 0, 20: 1, 40: 0}},
    ),
    "a namespace spends its budget, another does not": (
        {
            f'perennial_trainings_begun{{namespace="a",{JOB}}}': "9x5 10x60",
            f'perennial_trainings_begun{{namespace="b",{JOB}}}': "9x60",
            "perennial_trainings_budget{%s}": "10x60",
        },
        {"PerennialBudgetSpent": {5: 0, 20: 1}},
    ),
}


def test_every_alert_fires_in_one_story_and_not_in_another() -> None:
    seen = {alert: set[int]() for alert in ALERTS}
    for _, expected in STORIES.values():
        for alert, minutes in expected.items():
            seen[alert] |= set(minutes.values())
    assert all(counts == {0, 1} for counts in seen.values()), seen


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (Debian's package prometheus) is not on the PATH")
@pytest.mark.parametrize("story", STORIES)
def test_an_alert_fires_when_it_should(story: str, tmp_path: Path) -> None:
    series, expected = STORIES[story]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(SPEC))
    questions = [
        {
            "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)',
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": "{}", "value": count}],
        }
        for alert, minutes in expected.items()
        for minute, count in minutes.items()
    ]
    inputs = [{"series": name.replace("%s", OPERATOR), "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": questions}
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}))
    done = subprocess.run([str(PROMTOOL), "test", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
