"""One operator in front of a cluster in memory: its watches, its passes and its restarts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.errors import KubeError
from perennial_operator.cluster.watches import WATCHED
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.world import Policy, Sample, World
from perennial_operator.reconcile.reconciler import Reconciler
from perennial_operator.sampling.sampler import Sampler
from perennial_operator.telemetry.metrics import Metrics
from tests.faults.memory import NAMESPACE, DiedError, Memory
from tests.operator.watch_list import replaced

KEY = Key(NAMESPACE, "bike")
POLICY = Policy(trainer_image="trainer:1", max_trainings=2)
METRICS = Metrics()


class Alarms:
    """In place of the work queue: the time at which the key is due."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.at: datetime | None = None

    def wake(self, key: Key) -> None:
        pass  # the test decides when a pass runs

    def wake_in(self, key: Key, seconds: float) -> None:
        if key == KEY:
            due = self._memory.now + timedelta(seconds=max(0.0, seconds))
            self.at = min(self.at, due) if self.at else due


class Pods(Sampler):
    """Samples of serving pods: more requests each time; those of the candidate fail if `memory.unhealthy`."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self._memory = memory

    async def sample(self, world: World) -> Sample:
        self._memory.answered += 200
        count, tallies = self._memory.answered, {}
        for version in (world.candidate, world.live):
            if version:
                errors = count if self._memory.unhealthy and version is world.candidate else 0
                tallies[version.name] = {
                    "a": Tally(requests=count, errors=errors, seconds=count / 100, squares=count / 5000)
                }
        analysis = world.spec.rollout.analysis
        queries = (query.name for query in analysis.queries) if analysis else ()
        return Sample(tallies, dict.fromkeys(queries, (0.0 if self._memory.unhealthy else 1.0,)))


class OperatorInMemory:
    """The operator's own cache and passes; kopf, the queue and the network are left out."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.cache = Cache()
        self.shown: Counter[str] = Counter()
        """Kind → how many of its events the watches have delivered."""
        self.lists: dict[str, tuple[list[dict[str, Any]], str]] = {}
        self.restart()

    def restart(self) -> None:
        """A new process: its cache has only what is listed now."""
        self.cache = Cache()
        self.alarms = Alarms(self.memory)
        self._reconciler = Reconciler(
            self.memory,
            self.cache,
            self.alarms,  # type: ignore[arg-type]
            POLICY,
            METRICS,
            Pods(self.memory),
            clock=lambda: self.memory.now,
        )
        self.list_all()

    def list_all(self) -> None:
        """The cache has the current state of every kind."""
        for kind in WATCHED:
            replaced(self.cache, kind, *self.memory.listed(kind), NAMESPACE)
            self.shown[kind] = len(self.memory.past[kind])

    def see(self, kind: str, count: int | None = None, lost: bool = False) -> None:
        """The watch of the kind delivers its next events, or all; or it loses them."""
        past, begin = self.memory.past[kind], self.shown[kind]
        end = len(past) if count is None else min(len(past), begin + count)
        self.shown[kind] = end
        for event, body in past[begin:end]:
            if not lost:
                self.cache.apply_event(event, body)

    def see_all(self) -> None:
        for kind in WATCHED:
            self.see(kind)

    def keep_list(self, kind: str) -> None:
        """A list whose response of now arrives later."""
        self.lists[kind] = self.memory.listed(kind)

    def take_list(self, kind: str) -> None:
        if kind in self.lists:
            replaced(self.cache, kind, *self.lists.pop(kind), NAMESPACE)

    def look(self, *fates: str) -> bool:
        """One pass; whether it wrote anything or was cut short. Any error but a KubeError is a bug."""
        self.memory.fates = list(fates)
        self.alarms.at = None
        before = self.memory.calls["write"]
        cut = False
        try:
            cut = run(self._reconciler.reconcile(KEY)) is not None
        except KubeError:
            cut = True
        except DiedError:
            cut = True
            self.memory.fates = []
            self.restart()
        self.memory.fates = []
        return cut or self.memory.calls["write"] > before

    def settle(self, limit: int = 80) -> None:
        """All events are delivered, and nothing is left to do at this instant."""
        quiet = 0
        for _ in range(limit):
            self.see_all()
            quiet = 0 if self.look() else quiet + 1
            if quiet == 2:
                return
        raise AssertionError(f"still busy after {limit} passes: {self.memory.made[-3:]}")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's result; it must not wait."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a pass waits for something else than the API server")
