"""Which ModelDeployments hold a place for a training, which wait for one, and which trainings began within a day?"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from perennial_operator.cluster.cache_entry import Key, Uid

DAY = timedelta(days=1)
REMEMBERED = 100_000
"""Versions by which one that is listed again is recognized."""
NEWEST = "~"
"""Sorts after every time."""


class Trainings:
    """A place is held by a training that runs. One whose pod cannot start, or that a queue holds back, has none."""

    def __init__(self) -> None:
        self._running: set[Key] = set()
        self._blocked: set[Key] = set()
        self._queued: dict[Key, str] = {}
        self._began: defaultdict[str, list[datetime]] = defaultdict(list)
        """Namespace → when its versions were created, oldest first; also those that are deleted by now."""
        self._known: OrderedDict[tuple[Uid, datetime], None] = OrderedDict()
        """Versions that are in it."""

    def update(self, key: Key, trains: bool, blocked: bool, queued_since: str) -> None:
        """What is known of one ModelDeployment."""
        (self._running.add if trains and not blocked else self._running.discard)(key)
        (self._blocked.add if trains and blocked else self._blocked.discard)(key)
        if queued_since:
            self._queued[key] = queued_since
        else:
            self._queued.pop(key, None)

    def add_begun(self, namespace: str, uid: Uid, at: datetime) -> None:
        if (uid, at) not in self._known:
            self._known[uid, at] = None
            insort(self._began[namespace], at)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def begun(self, namespace: str, now: datetime) -> list[datetime]:
        """When the trainings of the last day began in the namespace, oldest first; not those that a wrong clock set."""
        times = self._began[namespace]
        del times[: bisect_right(times, now - DAY)]
        return times[: bisect_right(times, now)]

    def begun_by_namespace(self, now: datetime) -> Mapping[str, int]:
        return {namespace: len(self.begun(namespace, now)) for namespace in list(self._began)}

    def places_taken(self, reserved: Collection[Key] = (), but: Key | None = None) -> int:
        """How many places are held or reserved, not counting `but`."""
        more = sum(key not in self._running for key in reserved if key != but)
        return len(self._running) - (but in self._running) + more

    def blocked(self, namespace: str, but: Key | None = None) -> int:
        """How many trainings of the namespace do not start."""
        return sum(key.namespace == namespace for key in self._blocked if key != but)

    def queue(self, reserved: Collection[Key] = (), most_blocked: int = 1 << 30) -> list[Key]:
        """Keys that wait, in the order in which they get a place: see `_ranked`."""
        return [key for *_, key in sorted(self._ranked(self._queued, reserved, most_blocked))]

    def ahead(self, key: Key, reserved: Collection[Key], most_blocked: int) -> int:
        """How many get a place before the key, which may just begin to wait."""
        waiting = {key: NEWEST} | self._queued
        order = sorted(self._ranked(waiting, reserved, most_blocked, key))
        return [each for *_, each in order].index(key)

    def _ranked(
        self, waiting: Mapping[Key, str], reserved: Collection[Key], most_blocked: int, always: Key | None = None
    ) -> Iterator[tuple[int, str, Key]]:
        """Each key with its rank: the next place goes to the namespace with the fewest, and there to the longest wait.

        A namespace in which too many trainings do not start gets no more of them.
        """
        places = Counter(key.namespace for key in self._running.union(reserved))
        blocked = Counter(key.namespace for key in self._blocked)
        for key, since in sorted(waiting.items(), key=lambda item: (item[1], item[0])):
            if blocked[key.namespace] < most_blocked or key == always:
                yield places[key.namespace], since, key
                places[key.namespace] += 1
