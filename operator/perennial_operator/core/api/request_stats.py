"""What have serving pods answered so far, and since when? The figures that a step keeps in its version's status."""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.values import Moment, Value


class Tally(Value):
    """Answered requests. Counters: differences and sums of them are such figures again."""

    requests: int = Field(0, description="Requests answered.")
    errors: int = Field(0, description="Of these, answered by 5xx.")
    seconds: float = Field(0.0, description="Sum of the times they took.")
    squares: float = Field(0.0, description="Sum of the squares of these times, by the histogram's buckets.")
    predicted: int = Field(0, description="Numbers predicted.")
    total: float = Field(0.0, description="Sum of these numbers.")

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            seconds=self.seconds + other.seconds,
            squares=self.squares + other.squares,
            predicted=self.predicted + other.predicted,
            total=self.total + other.total,
        )

    def since(self, before: Tally) -> Tally:
        """What was added; everything, where the pod has begun anew and counts from nothing."""
        if self.requests < before.requests:
            return Tally(**self.model_dump(include=set(Tally.model_fields)))
        return Tally(
            requests=self.requests - before.requests,
            errors=max(0, self.errors - before.errors),
            seconds=max(0.0, self.seconds - before.seconds),
            squares=max(0.0, self.squares - before.squares),
            predicted=max(0, self.predicted - before.predicted),
            total=self.total - before.total,
        )


class PodTally(Tally):
    """One pod's own figures."""

    pod: str = Field(description="Its name.")


class Pair(Value):
    """Both versions in the same minutes."""

    candidate: Tally = Field(Tally(), description="The candidate's.")
    live: Tally = Field(Tally(), description="The live version's.")

    def __add__(self, other: Pair) -> Pair:
        return Pair(candidate=self.candidate + other.candidate, live=self.live + other.live)

    @property
    def fewest(self) -> int:
        return min(self.candidate.requests, self.live.requests)


class AnalysisState(Value):
    """What has been measured in the present step."""

    since: Moment = Field(description="When the first sample was taken.")
    sampled_at: Moment = Field(description="When the last sample was taken.")
    pods: list[PodTally] = Field([], description="The pods' own figures in the last sample that had them.")
    step: Pair = Field(Pair(), description="Since the first sample.")
    recent: Pair = Field(Pair(), description="Since enough for a judgement had come together last.")
    passed: bool = Field(False, description="Whether the last sample passed.")

    def after(self, candidate: dict[str, Tally], live: dict[str, Tally]) -> tuple[list[PodTally], Pair]:
        """The pods' figures now, and what was added since the last sample.

        A pod that is seen for the first time counts from now on. One that was not seen this time keeps its place, so
        that what it answers unseen counts when it is seen again.
        """
        known: dict[str, Tally] = {each.pod: each for each in self.pods}
        added = Pair(candidate=_added(candidate, known), live=_added(live, known))
        latest = known | candidate | live
        return [PodTally(pod=name, **tally.model_dump(exclude={"pod"})) for name, tally in latest.items()], added


def _added(pods: dict[str, Tally], known: dict[str, Tally]) -> Tally:
    return sum((tally.since(known[name]) for name, tally in pods.items() if name in known), Tally())
