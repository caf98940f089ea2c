"""The story: a model goes live, the world changes, and what it was asked makes a better version."""

from __future__ import annotations

import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import yaml

from tests.demo import rides
from tests.demo.screen import Screen
from tests.demo.year import PAGE, WORDS, Year
from tests.stage import ROOT, Stage

MANIFEST = Path(__file__).with_name("bike-demand.yaml")
WINTER, SPRING, SUMMER = (tuple(f"2011-{month:02}" for month in range(first, first + 3)) for first in (1, 4, 7))
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "capture-keys"},
    "stringData": {"PERENNIAL_CAPTURE_KEY": secrets.token_hex(32)},
}
NAME, FIRST, SECOND = "bike-demand", "bike-demand-v1", "bike-demand-v2"
ENDED_BADLY = ("Failed", "Rejected", "RolledBack")

Seen = TypeVar("Seen")


class EndedEarlyError(Exception):
    """The story took another turn; the message says which."""


class Story:
    """Each method up to `whole_year` is an act; `play` plays those of the loop in order.

    Raises EndedEarlyError, or AssertionError where something is waited for in vain.
    """

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self.stage, self.screen = stage, screen
        self.data, self.models = stage.claim("rides"), stage.claim("models", "ReadWriteMany")
        features = yaml.safe_load(MANIFEST.read_text())["spec"]["model"]["features"]
        self.features: list[str] = [*features["numeric"], *features["categorical"]]
        self.newest = rides.of_month(SPRING[-1])

    def play(self) -> None:
        self.first_version()
        before = self.spring()
        self.labels()
        self.training()
        self.canary()
        self.second_version(before)

    def first_version(self) -> None:
        self.screen.act(
            "A model goes live",
            "Bikes rented in Washington, D.C., hour by hour, January to March 2011: what a LinearRegression learns.",
        )
        self.screen.say("Data: Capital Bikeshare, Fanaee-T and Gama, CC BY 4.0 (tests/demo/data/README.md)", "dim")
        hours = rides.arrive(WINTER, self.data)
        self.screen.typed(f"cp tests/demo/data/2011-0[1-3].parquet {self.data}")
        self.screen.say(f"{len(WINTER)} files, {hours:,} hours")
        self.stage.kubectl.apply(SECRET)
        self.stage.kubectl.apply(MANIFEST)
        self.screen.typed(
            'kubectl create secret generic capture-keys --from-literal=PERENNIAL_CAPTURE_KEY="$(openssl rand -hex 32)"',
            f"kubectl apply -f tests/demo/{MANIFEST.name}",
        )
        self._until(f"{FIRST} is live", lambda: self._is_live(FIRST), 300)
        self._table("mdep")
        self._table("mver")

    def spring(self) -> list[float]:
        """What the live version answers for the newest month, before anything has changed."""
        self.screen.act(
            "Spring comes",
            "The service is asked for each hour of three more months, and keeps what it was asked. The model of the winter "
            "answers.",
        )
        answers = self._ask(SPRING)
        captured = self.models / self.stage.namespace / NAME / "captured"
        files = sorted(str(file.relative_to(captured)) for file in captured.rglob("*.parquet"))
        self.screen.typed(f"cd {captured} && find -name '*.parquet'", answer="\n".join(files))
        self._newest_day({"v1 said": answers})
        return answers

    def labels(self) -> None:
        self.screen.act(
            "The truth comes late, and a check finds drift",
            "How many bikes were really rented is laid beside it, by the hour that was asked for. A Job joins both, and "
            "measures how far the columns have moved, and how wrong the live version is.",
        )
        self._count(SPRING)
        self._until("the check has found drift", self._trigger, 300)
        self._table("drep")
        self.screen.say(self._trigger()["status"]["message"], "yellow")

    def training(self) -> None:
        self.screen.act(
            "A candidate is trained, and has to prove itself",
            "Candidate and live version are scored on the same newest rows, which neither was trained on.",
        )
        self._until(f"{SECOND} has passed the gate", lambda: self._in_phase(SECOND, "RollingOut", "Live"), 300)
        self._table("jobs")
        conditions = {c["type"]: c["message"] for c in self.stage.version(SECOND)["conditions"]}
        self.screen.say(conditions["Validated"], "yellow")

    def canary(self) -> None:
        self.screen.act("A canary", "For ten seconds one of the two replicas answers with the candidate.")
        self._until("each version has one replica", lambda: self._serving() == [FIRST, SECOND], 60)
        self._table("mdep")
        self._table("pods")

    def second_version(self, before: list[float]) -> None:
        self.screen.act(
            "The second version is live",
            "Nobody trained, compared or rolled out anything. The service is asked the same again.",
        )
        self._until(f"{SECOND} is live", lambda: self._is_live(SECOND), 60)
        self._until(f"{SECOND} serves alone", lambda: self._serving() == [SECOND, SECOND], 60)
        self._table("mdep")
        self._table("mver")
        after = self._predict(self.newest)
        self._newest_day({"v1 said": before, "v2 says": after})
        old, new = rides.error(self.newest, before), rides.error(self.newest, after)
        self.screen.table(
            f"Error on the newest 30 days: the service's answers for {len(self.newest)} hours, against what was rented",
            ["", "R²", "mean squared error"],
            [
                (f"{FIRST}, asked before the change", f"{old.r2:.2f}", f"{old.mse:,.0f}"),
                (f"{SECOND}, asked now", f"{new.r2:.2f}", f"{new.mse:,.0f}"),
            ],
        )
        reason = (self.stage.kubectl.get("ModelVersion", SECOND) or {})["spec"]["trigger"]["reason"]
        if reason != "Drift" or new.mse >= old.mse:
            comparison = f"mean squared error {new.mse:,.0f}, and {FIRST} {old.mse:,.0f}"
            raise EndedEarlyError(
                f"{SECOND} was started by {reason}, not Drift, or is no better: it has a {comparison}"
            )

    def whole_year(self, year: Year) -> None:
        self.screen.act(
            "What would it have done all year?",
            "Meanwhile the same manifest was played over all twelve months, in virtual time: beside a model that is never "
            "retrained, one that is retrained every two weeks, and the best that anyone could have done who knew the future.",
        )
        self._until("the backtest has played the year", year.is_played, 120)
        words = shlex.join([*WORDS, "--html", str(PAGE.relative_to(ROOT))])
        self.screen.typed(f"kubectl perennial {words}", answer=year.table())
        self.screen.blank()
        self.screen.say("The loss over time, the versions and each decision are on a page:")
        self.screen.typed(f"python3 -m webbrowser {PAGE}")

    def summer(self) -> None:
        """The service was asked for three more months, and a check is on its way."""
        self._ask(SUMMER)
        self._count(SUMMER)

    def drift_page(self) -> Path:
        """The page for people that the check has left, as this machine names it."""
        return self.models / str(self._trigger()["spec"]["details"]).partition("/models/")[2]

    # ---- what is seen, and what is awaited

    def _ask(self, months: tuple[str, ...]) -> list[float]:
        """Each hour was asked for, a day at a time, and is written; what was answered for the last month."""
        written, asked, answers = self.stage.captured_rows(NAME), 0, []
        for month in months:
            rows = rides.of_month(month)
            answers = [
                answer for _, day in rows.groupby(rows["hour"].dt.date) for answer in self._predict(day, with_keys=True)
            ]
            asked += len(answers)
        self._until(
            f"the two pods have written the {asked:,} rows that they were asked for",
            lambda: self.stage.captured_rows(NAME) - written >= asked,
            60,
        )
        return answers

    def _count(self, months: tuple[str, ...]) -> None:
        """The true numbers are there, and a check was asked for."""
        file = rides.count(months, self.data / "counted")
        self.screen.typed(f"head -3 {file}", answer="\n".join(file.read_text().splitlines()[:3]))
        words = ["check", NAME, "--now"]
        place = ["--kubeconfig", str(self.stage.kubeconfig), "-n", self.stage.namespace]
        command = [sys.executable, "-m", "kubectl_perennial", *words, *place]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if answer.returncode:
            raise EndedEarlyError(answer.stderr.strip())
        self.screen.typed(f"kubectl perennial {shlex.join(words)}", answer=answer.stdout)

    def _table(self, kind: str) -> None:
        self.screen.typed(f"kubectl get {kind}", answer=self.stage.kubectl.table(kind))

    def _until(self, what: str, condition: Callable[[], Seen], timeout: float) -> None:
        with self.screen.waiting(what) as tick:

            def look() -> Seen:
                tick()
                return condition()

            self.stage.wait(what, look, timeout)

    def _is_live(self, version: str) -> bool:
        """So says the ModelDeployment, and nothing else is in progress."""
        status = (self.stage.kubectl.get("ModelDeployment", NAME) or {}).get("status", {})
        return self._in_phase(version, "Live") and (status.get("liveVersion"), status.get("phase")) == (version, "Live")

    def _in_phase(self, version: str, *phases: str) -> bool:
        status = self.stage.version(version)
        if status.get("phase") in ENDED_BADLY:
            raise EndedEarlyError(f"{version} is {status['phase']}: {status.get('message')}")
        return status.get("phase") in phases

    def _trigger(self) -> dict[str, Any]:
        """The drift report that started the second version; empty until there is one."""
        reports = self.stage.kubectl.list("DriftReport")
        return next((r for r in reports if r.get("status", {}).get("candidate") == SECOND), {})

    def _serving(self) -> list[str]:
        """The version of each pod behind the Service."""
        pods = self.stage.serving_pods(NAME)
        return sorted(pod["metadata"]["labels"]["perennial.dev/model-version"] for pod in pods)

    def _predict(self, rows: pd.DataFrame, *, with_keys: bool = False) -> list[float]:
        keys = {"asked_for": rows["hour"].map(rides.key_of).tolist()} if with_keys else {}
        return self.stage.predict(NAME, {name: rows[name].tolist() for name in self.features} | keys)

    def _newest_day(self, answers: dict[str, list[float]]) -> None:
        """Every fourth hour of it: what was rented, and what each version answered."""
        hours, rented = self.newest["hour"], self.newest["bikers"]
        self.screen.table(
            f"The service's answers for {hours.iloc[-1]:%A, %d %B}",
            ["hour", "rented", *answers],
            [
                (f"{hours[i]:%H:%M}", f"{rented[i]}", *(f"{column[i]:.0f}" for column in answers.values()))
                for i in range(len(hours) - 24, len(hours), 4)
            ],
        )
