"""A model during a roll-out: bike-v3 is live, bike-v4 is rolled out because of drift, others have ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from perennial_operator.core.api.values import as_text
from tests.plugin.terminal import Objects

NOW = datetime.now(UTC)


def ago(**time: float) -> str:
    return as_text(NOW - timedelta(**time))


def condition(kind: str, status: str, reason: str, message: str, **time: float) -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(**(time or {"hours": 2})),
    }


def trained(number: int, rows: int, mse: float, r2: float, live: dict[str, float] | None = None) -> dict[str, Any]:
    """The status of a validated version."""
    beside = f" (live {live['mse']:g})" if live else ""
    return {
        "artifact": {
            "uri": f"file:///mnt/perennial/models/default/bike/bike-v{number}/model.joblib",
            "sha256": f"{number:064x}",
            "bytes": 10,
        },
        "data": {
            "rows": rows,
            "holdoutRows": rows // 4,
            "sha256": f"{number}" * 64,
            "holdoutUri": "file:///h",
            "holdoutSha256": "1" * 64,
            "start": "2026-01-01T00:00:00Z",
            "end": f"2026-0{number + 2}-01T00:00:00Z",
        },
        "parameters": {"alpha": number / 10, "fit_intercept": True},
        "metrics": {
            "candidate": {"mse": mse, "r2": r2},
            "standardErrors": {"mse": 5.0},
            **({"live": live} if live else {}),
        },
        "metric": f"mse {mse:g}{beside}",
        **({} if live is None else {"refit": refit(number)}),
    }


def refit(number: int) -> dict[str, Any]:
    """The second model serves."""
    file = {"uri": f"file:///mnt/perennial/models/default/bike/bike-v{number}/model.joblib", "bytes": 10}
    message = "the model that serves is the proven recipe fitted again to 1200 rows, the holdout included"
    return {"serves": True, "message": message, "proven": file | {"sha256": "e" * 64}}


DRIFT = {
    "check": {"schedule": "*/15 * * * *", "data": {"uri": "s3://bikes/live/*.parquet"}},
    "thresholds": [
        {"metric": "mse", "maxIncrease": 0.05, "sigmas": 3},
        {"metric": "r2", "min": 0.7},
        {"metric": "psi", "max": 0.2},
    ],
}


def put_rollout(terminal: Objects) -> None:
    """Creates the objects."""
    terminal.put_model(
        spec={"drift": DRIFT, "rollout": {"steps": [{"weight": 20, "hold": "5m"}]}},
        status={
            "observedGeneration": 1,
            "phase": "RollingOut",
            "liveVersion": "bike-v3",
            "candidateVersion": "bike-v4",
            "weight": 20,
            "replicas": 3,
            "readyReplicas": 3,
            "drift": {
                "report": "bike-check-2",
                "outcome": "Triggered",
                "message": "psi of feature1 is 0.31, above 0.2; training bike-v4",
                "lastCheckTime": ago(minutes=20),
            },
            "conditions": [
                condition("Available", "True", "Serving", "bike-v3 serves with 2 replicas"),
                condition("Ready", "True", "Serving", "bike-v3 serves what spec asks for"),
                condition("Reconciling", "False", "Idle", "the spec is served"),
                condition("Stalled", "False", "NotStalled", "nothing waits for a person"),
                condition(
                    "Retraining",
                    "True",
                    "RollingOut",
                    "bike-v4 is rolled out: weight 20 %: 1 replica beside 2 of bike-v3",
                    minutes=9,
                ),
            ],
        },
    )
    first = {"conditions": [condition("RolledOut", "True", "RolledOut", "serves", days=20)]}
    terminal.put_version(
        "bike-v1",
        status={
            "phase": "Superseded",
            "reason": "Superseded",
            "message": "bike-v3 serves instead",
            "liveSince": ago(days=20),
            "endedAt": ago(days=5),
            **trained(1, 800, 140.0, 0.7),
            **first,
        },
    )
    terminal.put_version(
        "bike-v2",
        {"trigger": {"reason": "Schedule"}, "parent": "bike-v1"},
        {
            "phase": "Rejected",
            "reason": "WorseThanLive",
            "message": "mse is 155, bike-v1 has 138 on the same 210 holdout rows",
            "endedAt": ago(days=10),
            **trained(2, 840, 155.0, 0.66, {"mse": 138.0, "r2": 0.71}),
            "conditions": [condition("Validated", "False", "WorseThanLive", "mse is 155", days=10)],
        },
    )
    terminal.put_version(
        "bike-v3",
        {"trigger": {"reason": "Drift", "message": "psi of feature1 is 0.4, above 0.2"}, "parent": "bike-v1"},
        {
            "phase": "Live",
            "reason": "RolledOut",
            "message": "serves instead of bike-v1",
            "liveSince": ago(days=5),
            **trained(3, 900, 100.0, 0.9, {"mse": 130.0, "r2": 0.75}),
            "conditions": [
                condition("Trained", "True", "Trained", "900 rows", days=5),
                condition(
                    "Validated", "True", "BetterThanLive", "mse is 100, bike-v1 has 130 on the same 225 holdout rows"
                ),
            ],
        },
    )
    terminal.put_version(
        "bike-v4",
        {
            "trigger": {
                "reason": "Drift",
                "driftReport": "bike-check-2",
                "message": "psi of feature1 is 0.31, above 0.2",
            },
            "parent": "bike-v3",
            "model": {"parameters": {"positive": True}},
        },
        {
            "phase": "RollingOut",
            "reason": "RollingOut",
            "message": "weight 20 %: 1 replica beside 2 of bike-v3",
            "rollout": {"weight": 20, "startedAt": "2026-11-23T12:00:00.000000Z"},
            **trained(4, 960, 88.0, 0.92, {"mse": 110.0, "r2": 0.88}),
            "conditions": [
                condition("Trained", "True", "Trained", "960 rows", minutes=12),
                condition(
                    "Validated",
                    "True",
                    "BetterThanLive",
                    "mse is 88, bike-v3 has 110 on the same 240 holdout rows",
                    minutes=10,
                ),
                condition("Approved", "True", "Approved", "spec.rollout.approval is automatic", minutes=10),
                condition("RolledOut", "Unknown", "RollingOut", "weight 20 %", minutes=9),
            ],
        },
    )
    terminal.put_report(
        "bike-check-1",
        {"modelVersion": "bike-v3", "window": {"start": ago(hours=3), "end": ago(hours=2)}, "source": "perennial"},
        {"outcome": "WithinThresholds", "message": "within thresholds: psi of feature1 0.1", "modelVersion": "bike-v3"},
    )
    terminal.put_report(
        "bike-check-2",
        {
            "modelVersion": "bike-v3",
            "window": {"start": ago(hours=2), "end": ago(hours=1)},
            "source": "perennial",
            "details": "https://example.com/reports/bike-check-2/report.html",
            "metrics": [
                {"name": "mse", "value": 103.0, "standardError": 4.0},
                {"name": "r2", "value": 0.89},
                {"name": "psi", "feature": "feature1", "value": 0.31},
                {"name": "psi", "feature": "feature2", "value": 0.05},
            ],
        },
        {
            "outcome": "Triggered",
            "message": "psi of feature1 is 0.31, above 0.2; training bike-v4",
            "modelVersion": "bike-v3",
            "candidate": "bike-v4",
        },
    )
