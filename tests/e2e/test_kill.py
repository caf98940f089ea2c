"""The operator, killed after each thing it does, goes on and duplicates nothing."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.e2e.models import a_claim, a_model, a_report, a_table, rows
from tests.e2e.proxy import Proxy
from tests.stage import Stage, chosen_cluster


class Assassin:
    """Kills the operator after every write it makes, and starts it again."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self.victims: list[str] = []
        self.fallen = threading.Event()

    def strike(self, method: str, path: str) -> None:
        assert self.stage
        self.victims.append(f"{method} {path}")
        self.stage.kill_operator()
        self.fallen.set()


def test_a_kill_after_any_write_does_not_change_the_end(tmp_path: Path) -> None:
    assassin = Assassin()
    proxies: list[Proxy] = []

    def through(kubeconfig: Path) -> Path:
        if not proxies:
            proxies.append(Proxy(kubeconfig, tmp_path, assassin.strike).__enter__())
        return proxies[0].kubeconfig

    with Stage(
        tmp_path / "stage", cluster=chosen_cluster(), namespace="e2e-kill", operator=False, through=through
    ) as stage:
        assassin.stage = stage
        spec = {"rollout": {"steps": [{"weight": 50, "hold": "1s"}]}, "serving": {"replicas": 2}}
        stage.apply(a_table("kill-data", {"0.csv": rows(0)}), a_claim("kill-models"), a_model("kill", spec))
        live_among_the_dead(stage, assassin, "kill-v1")
        stage.apply(
            a_table("kill-data", {"0.csv": rows(0), "1.csv": rows(1, slope=9)}), a_report("kill-report", "kill")
        )
        live_among_the_dead(stage, assassin, "kill-v2")
        live_among_the_dead(stage, assassin, "kill-v2", until_quiet=True)
        proxies[0].__exit__()

        assert len(assassin.victims) > 20
        versions = {v["metadata"]["name"]: v["status"]["phase"] for v in stage.kubectl.list("ModelVersion")}
        assert versions == {"kill-v1": "Superseded", "kill-v2": "Live"}
        jobs = stage.kubectl.list("Job")
        assert sorted(j["metadata"]["name"] for j in jobs) == [
            "kill-v1-train",
            "kill-v1-validate",
            "kill-v2-train",
            "kill-v2-validate",
        ]
        created = [
            path for path in assassin.victims if path.startswith("POST") and path.endswith(("jobs", "modelversions"))
        ]
        assert len(created) == 9, created  # two of each, one look into the ledger, and two entries in it
        assert [d["metadata"]["name"] for d in stage.kubectl.list("Deployment")] == ["kill-v2"]
        assert stage.outcome("kill-report") == ("Triggered", "psi of feature1 is 0.5, above 0.2; training kill-v2")


def live_among_the_dead(stage: Stage, assassin: Assassin, version: str, until_quiet: bool = False) -> None:
    """The version is live, however often the operator had to be started again; or it has nothing more to write."""
    for _ in range(60):
        assassin.fallen.clear()
        stage.start_operator()
        quiet = not assassin.fallen.wait(12)
        if quiet:
            stage.kill_operator()
        if stage.version(version).get("phase") == "Live" and (quiet or not until_quiet):
            return
    raise AssertionError(f"{version} is not live after 60 deaths: {assassin.victims[-5:]}")
