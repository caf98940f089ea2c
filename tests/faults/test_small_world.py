"""Every order of events in a small world, to a bounded depth: one model, two reports, few versions.

A state is what decides: phases, outcomes, Jobs, replicas, ages. Two ways that lead to the same state are one.
`make test` follows every way of 4 events, `make test-deep` of 8.
"""

from __future__ import annotations

import copy
import json
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.actions import Apply, Create, Delete
from perennial_operator.core.api.model_version import IN_FLIGHT, Phase
from perennial_operator.core.decide import decide_step
from perennial_operator.core.world import JobState
from tests.builders import a_body, task_of
from tests.faults.profiles import DEEP
from tests.simulation.client import DiedError
from tests.simulation.cluster import RECORDS
from tests.simulation.play import Play, a_play
from tests.simulation.results import GAIN, REFUSED, TRAINED, as_asked, validated
from tests.simulation.storage import DOWN

DEPTH = 8 if DEEP else 4
AGAIN = "uid-again"
"""The uid of the ModelDeployment once it was deleted without its dependents and applied again."""
Event = Callable[[Play], None]


class Small(Play):
    """A play in which a pass is an event like any other, and never runs by itself."""

    def settle(self, limit: int = 60) -> None:
        pass

    def one_pass(self) -> None:
        try:
            self.step()
        except DiedError:
            self.describe()

    def is_orphaned(self) -> None:
        """kubectl delete --cascade=orphan, and the same manifest again."""
        spec = self.bodies["ModelDeployment", "bike"]["spec"]
        self.cluster.orphan("ModelDeployment", "bike")
        self.cluster.put(a_body("ModelDeployment", "bike", spec), AGAIN)
        self.made.clear()

    def copied(self) -> Small:
        twin: Small = copy.copy(self)
        twin.cluster, twin.made, twin.done = self.cluster.copied(), self.made.copy(), []
        return twin

    def state(self) -> str:
        """The state of the play, without resourceVersions, uids and times of transitions."""
        bodies = [copy.deepcopy(body) for (kind, _), body in self.bodies.items() if kind in RECORDS]
        for body in bodies:
            for field in ("resourceVersion", "uid", "ownerReferences"):
                body["metadata"].pop(field, None)
            for condition in body["status"].get("conditions", []):
                condition.pop("lastTransitionTime")
        jobs = {name: (job.state.name, job.labels, job.answer) for name, job in self.jobs.items()}
        pods = {n: (h.desired, h.ready, h.answering, h.settled) for n, h in self.serving.items()}
        orphans = [str(self.world().orphans), self.bodies["ModelDeployment", "bike"]["metadata"]["uid"] == AGAIN]
        return json.dumps(
            [bodies, jobs, pods, str(self.now), sorted(self.services), orphans], sort_keys=True, default=str
        )


def events(play: Small) -> Iterator[tuple[str, Event]]:
    """All events that are possible now."""
    yield "pass", Small.one_pass
    yield (
        "pass that dies after one action",
        lambda p: (setattr(p, "dies_in", 1), p.one_pass(), setattr(p, "dies_in", -1)),
    )  # type: ignore[attr-defined, func-returns-value]
    yield "6 minutes", lambda p: p.wait(minutes=6)
    if play.now > datetime.fromisoformat("2026-11-23T12:00:00Z"):
        yield "6 minutes back", lambda p: setattr(p, "now", p.now - timedelta(minutes=6))
    if DEEP and play.bodies["ModelDeployment", "bike"]["metadata"]["uid"] != AGAIN:
        yield "orphaned and applied again", Small.is_orphaned
    for name, psi, more in (("first", 0.3, ()), ("second", 0.4, (GAIN,))):  # by which other weights are better
        if ("DriftReport", name) not in play.bodies:
            metrics = [{"name": "psi", "feature": "feature1", "value": psi, "chance": 0.001}, *more]
            yield f"report {name}", lambda p, name=name, metrics=metrics: p.report(name, metrics=metrics)  # type: ignore[misc]
    for name, job in play.jobs.items():
        if job.state is JobState.RUNNING:
            yield f"{name} succeeds", lambda p, name=name: p.ends(name, good_answer(p, name))  # type: ignore[misc]
            yield f"{name} is refused", lambda p, name=name: p.ends(name, REFUSED)  # type: ignore[misc]
            if name.endswith("-train"):
                away = DOWN | {"task": "train"}
                yield f"the store of {name} is away", lambda p, name=name, away=away: p.ends(name, away)  # type: ignore[misc]
    for name, serving in play.serving.items():
        if serving.ready < serving.desired or not serving.settled:
            yield f"{name} ready", lambda p, name=name: p.pods_ready(name)  # type: ignore[misc]
    yield from failures(play)
    if not play.bodies["ModelDeployment", "bike"]["spec"].get("suspend"):
        yield "suspend", lambda p: p.edit({"suspend": True})
    else:
        yield "resume", lambda p: p.edit({"suspend": False})


def failures(play: Small) -> Iterator[tuple[str, Event]]:
    """The pods of a version that is watched are lost."""
    watched = [version.name for version in play.world().versions if version.status.watch]
    for name in watched:
        if name in play.serving and play.serving[name].answering:
            yield f"{name} fails", lambda p, name=name: p.pods_fail(name)  # type: ignore[misc]


def good_answer(play: Play, job: str) -> dict[str, Any]:
    if job.endswith("-train"):
        return as_asked(TRAINED, task_of(play.bodies["Job", job]))
    against = play.jobs[job].labels.get(names.AGAINST)
    return validated(80.0, None if against == "none" else 120.0)


def check(play: Small, before: Small, pods_fail: bool) -> None:
    """What must hold in each state and for each step."""
    world = play.world()
    phases = [version.phase for version in world.versions]
    assert sum(phase in IN_FLIGHT for phase in phases) <= 1
    assert phases.count(Phase.LIVE) <= 2
    assert all(count == 1 for name, count in play.made.items() if name.startswith("bike-v")), play.made
    triggers = [v.spec.trigger.drift_report for v in world.versions if v.spec.trigger.drift_report]
    assert len(triggers) == len(set(triggers))
    if world.live:
        assert world.live.status.artifact
        validated_here = any(c.type == "Validated" and c.status == "True" for c in world.live.status.conditions)
        assert validated_here or world.live.spec.trigger.reason == "Recovered"  # the ledger has what went live
    for action in play.done:
        if isinstance(action, Create | Apply):
            assert action.manifest["kind"] != "ModelDeployment"
        assert not (isinstance(action, Delete) and before.world().live and action.name == before.world().live.name)  # type: ignore[union-attr]
    answering = sum(serving.answering for serving in play.serving.values())
    was = sum(serving.answering for serving in before.serving.values())
    assert pods_fail or answering >= min(was, world.spec.serving.replicas), "a pass took away pods that were needed"
    went_back = [version for version in world.versions if version.status.reason == "WentBack"]
    assert not any(version.status.watch for version in went_back), "a way back may follow another"


def comes_to_rest(play: Small) -> None:
    """From here the loop reaches a fixpoint, where each report has an outcome and a message."""
    calm = play.copied()
    for _ in range(20):
        calm.done = []
        if calm.step() == 0 and not calm.done:
            break
    else:
        raise AssertionError(f"never at rest: {calm.done}")
    assert not decide_step(calm.world()).actions
    for body in calm.all("DriftReport"):
        assert body["status"].get("outcome") and body["status"].get("message"), body


def searched(start: Small, depth: int) -> tuple[int, int]:
    """(states, steps) of all paths from here; AssertionError names the path to a violation."""
    seen = {start.state()}
    steps, waiting = 0, deque([(start, ())])
    while waiting:
        play, way = waiting.popleft()
        for title, event in events(play):
            after, here = play.copied(), (*way, title)
            try:
                event(after)
                check(after, play, pods_fail=title.endswith(" fails"))
                steps += 1
                if (state := after.state()) in seen:
                    continue
                comes_to_rest(after)
            except AssertionError as error:
                raise AssertionError(f"{' → '.join(here)}: {error}") from error
            seen.add(state)
            if len(here) < depth:
                waiting.append((after, here))
    return len(seen), steps


def from_nothing() -> Small:
    """An empty cluster; the ledger has been searched and is empty too."""
    play = a_play(rollout={"steps": []}, drift={"cooldown": "5m"})
    play.step()
    assert set(play.jobs) == {"bike-recover"}
    play.__class__ = Small
    assert isinstance(play, Small)
    return play


def with_a_live_version() -> Small:
    by_time = {"timeColumn": "at"}  # so that a report may ask for other weights
    play = a_play(rollout={"steps": [{"weight": 50, "hold": "5m"}]}, drift={"cooldown": "5m"}, data=by_time)
    play.settle()
    play.finish("bike-v1-train", good_answer(play, "bike-v1-train"))
    play.finish("bike-v1-validate", good_answer(play, "bike-v1-validate"))
    play.pods_ready()
    assert play.version(1)["phase"] == "Live"
    play.wait(minutes=10)
    play.__class__ = Small
    assert isinstance(play, Small)
    return play


def with_a_watched_version() -> Small:
    play = a_play(rollout={"steps": [], "watch": "12m"}, drift={"cooldown": "5m"})
    play.until_live(1)
    play.wait(hours=1)
    play.report("before")
    play.until_live_again(2)
    assert play.version(2)["watch"]
    play.__class__ = Small
    assert isinstance(play, Small)
    return play


@pytest.mark.timeout(0)
@pytest.mark.parametrize("start", [from_nothing, with_a_live_version, with_a_watched_version])
def test_promises_hold_in_every_order_of_events(start: Callable[[], Small], counted: Callable[[str], None]) -> None:
    states, steps = searched(start(), DEPTH)
    counted(f"{states:,} states and {steps:,} steps {start.__name__}, by every way of at most {DEPTH} events")
    assert states > 100
