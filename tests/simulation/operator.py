"""One operator in front of a cluster in memory: its watches, its passes and its restarts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from perennial_operator.cluster.cache import Cache
from perennial_operator.cluster.cache_entry import Key
from perennial_operator.cluster.errors import KubeError
from perennial_operator.cluster.installed_crds import InstalledCrds
from perennial_operator.cluster.watches import WATCHED
from perennial_operator.core.api.request_stats import Tally
from perennial_operator.core.traffic.predecessor import compared_versions
from perennial_operator.core.world import Policy, Sample, World
from perennial_operator.crds.definitions import written_schemas
from perennial_operator.reconcile.reconciler import Reconciler
from perennial_operator.sampling.sampler import Sampler
from perennial_operator.telemetry.metrics import Metrics
from tests.operator.watch_list import replaced
from tests.simulation.client import Client, DiedError
from tests.simulation.cluster import Cluster
from tests.simulation.objects import NAMESPACE

KEY = Key(NAMESPACE, "bike")
POLICY = Policy(trainer_image="trainer:1", max_trainings=2)
METRICS = Metrics()
written = cache(written_schemas)


class Alarms:
    """In place of the work queue: the time at which the key is due."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.at: datetime | None = None

    def wake(self, key: Key) -> None:
        pass  # the test decides when a pass runs

    def wake_in(self, key: Key, seconds: float) -> None:
        if key == KEY:
            due = self._cluster.now + timedelta(seconds=max(0.0, seconds))
            self.at = min(self.at, due) if self.at else due


class Pods(Sampler):
    """Samples of serving pods: more requests each time; those of the newer version fail if `cluster.unhealthy`."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster

    async def sample(self, world: World) -> Sample:
        self._cluster.answered += 200
        count, tallies = self._cluster.answered, {}
        for number, version in enumerate(compared_versions(world) or ()):
            errors = count if self._cluster.unhealthy and number == 0 else 0
            tallies[version.name] = {
                "a": Tally(requests=count, errors=errors, seconds=count / 100, squares=count / 5000)
            }
        analysis = world.spec.rollout.analysis
        queries = (query.name for query in analysis.queries) if analysis else ()
        return Sample(tallies, dict.fromkeys(queries, (0.0 if self._cluster.unhealthy else 1.0,)))


class OperatorInMemory:
    """The operator's own cache and passes; kopf, the queue and the network are left out."""

    def __init__(self, client: Client) -> None:
        self.client, self.cluster = client, client.cluster
        self.cache = Cache()
        self.policy = POLICY
        self.shown: Counter[str] = Counter()
        """Kind → how many of its events the watches have delivered."""
        self.lists: dict[str, tuple[list[dict[str, Any]], str]] = {}
        self.restart()

    def restart(self) -> None:
        """A new process: its cache has only what is listed now."""
        self.cache = Cache()
        self.alarms = Alarms(self.cluster)
        self.crds = InstalledCrds(self.client, written())
        self._reconciler = Reconciler(
            self.client,
            self.cache,
            self.alarms,  # type: ignore[arg-type]
            self.policy,
            METRICS,
            Pods(self.cluster),
            clock=lambda: self.cluster.now,
            crds=self.crds,
        )
        self.list_all()

    def list_all(self) -> None:
        """The cache has the current state of every kind."""
        for kind in WATCHED:
            replaced(self.cache, kind, *self.cluster.listed(kind), NAMESPACE)
            self.shown[kind] = len(self.cluster.past[kind])

    def see(self, kind: str, count: int | None = None, lost: bool = False) -> None:
        """The watch of the kind delivers its next events, or all; or it loses them."""
        past, begin = self.cluster.past[kind], self.shown[kind]
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
        self.lists[kind] = self.cluster.listed(kind)

    def take_list(self, kind: str) -> None:
        if kind in self.lists:
            replaced(self.cache, kind, *self.lists.pop(kind), NAMESPACE)

    def look(self, *fates: str) -> bool:
        """One pass; whether it wrote anything or was cut short. Any error but a KubeError is a bug."""
        self.client.fates = list(fates)
        self.alarms.at = None
        before = self.client.calls["write"]
        cut = False
        try:
            cut = run(self._reconciler.reconcile(KEY)) is not None
        except KubeError:
            cut = True
        except DiedError:
            cut = True
            self.client.fates = []
            self.restart()
        self.client.fates = []
        return cut or self.client.calls["write"] > before

    def settle(self, limit: int = 80) -> None:
        """All events are delivered, and nothing is left to do at this instant."""
        quiet = 0
        for _ in range(limit):
            self.see_all()
            quiet = 0 if self.look() else quiet + 1
            if quiet == 2:
                return
        raise AssertionError(f"still busy after {limit} passes: {self.cluster.made[-3:]}")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's result; it must not wait."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a pass waits for something else than the API server")
