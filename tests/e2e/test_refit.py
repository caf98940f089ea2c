"""The refit, by the real operator and the real trainer: it serves, and the validated model does where a guard fails."""

from __future__ import annotations

from typing import Any

from tests.builders import task_of
from tests.e2e.models import a_report, a_table, first_version, rows
from tests.stage import Stage


def timed(table: str, first_day: int, missing_in_last: int = 0) -> str:
    """The rows, one an hour; feature1 is missing in every second of the last ones."""
    header, *lines = table.splitlines()
    for place in range(len(lines) - missing_in_last, len(lines), 2):
        lines[place] = "," + lines[place].partition(",")[2]
    hours = (f"2026-01-{first_day + i // 24:02d}T{i % 24:02d}:00:00Z" for i in range(len(lines)))
    return "\n".join([f"at,{header}", *(f"{at},{line}" for at, line in zip(hours, lines, strict=True))]) + "\n"


def served_digest(stage: Stage, name: str) -> str:
    deployment = stage.kubectl.get("Deployment", name)
    assert deployment
    return str(task_of(deployment)["artifact"]["sha256"])


def test_refit_serves_until_a_guard_fails(stage: Stage) -> None:
    files = {"0.csv": timed(rows(0, count=240), 1)}
    by_time: dict[str, Any] = {"data": {"timeColumn": "at", "window": 240}}
    first_version(stage, "again", files, by_time)
    status = stage.version("again-v1")
    assert status["refit"]["serves"] and status["refit"]["rows"] > status["data"]["rows"], status["refit"]
    assert status["artifact"]["uri"].endswith("/refit.joblib")
    digests = [served_digest(stage, "again-v1"), status["artifact"]["sha256"], status["refit"]["artifact"]["sha256"]]
    assert len(set(digests)) == 1 and status["refit"]["proven"]["sha256"] != digests[0]

    files["1.csv"] = timed(rows(1, slope=9.0, count=240), 11, missing_in_last=60)
    stage.apply(a_table("again-data", files), a_report("again-report", "again"))
    status = stage.until_phase("again-v2", "Live", "Rejected", "Failed", "RolledBack")
    assert status["phase"] == "Live", status["message"]
    assert "feature1 is missing in" in status["refit"]["message"] and not status["refit"]["serves"]
    assert served_digest(stage, "again-v2") == status["refit"]["proven"]["sha256"] == status["artifact"]["sha256"]
    assert status["comparison"]["rows"] == status["data"]["holdoutRows"]
