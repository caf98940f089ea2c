"""Request statistics of serving pods, as a roll-out step keeps them in the status of its version."""

from __future__ import annotations

from pydantic import Field

from perennial_operator.core.api.values import Moment, Value


class Tally(Value):
    """Counters of answered requests; sums and differences are counters too."""

    requests: int = Field(0, description="Number of answered requests.")
    errors: int = Field(0, description="Number of requests answered with 5xx.")
    seconds: float = Field(0.0, description="Sum of the response times in seconds.")
    squares: float = Field(0.0, description="Sum of the squared response times, from histogram buckets.")
    predicted: int = Field(0, description="Number of predicted values.")
    total: float = Field(0.0, description="Sum of the predicted values.")

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
        """The increase since `before`; all of it if the pod was restarted and counts from zero."""
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
    """Counters of one pod."""

    pod: str = Field(description="Name of the pod.")


class Pair(Value):
    """Counters of both versions over the same time."""

    candidate: Tally = Field(Tally(), description="Counters of the candidate.")
    live: Tally = Field(Tally(), description="Counters of the live version.")

    def __add__(self, other: Pair) -> Pair:
        return Pair(candidate=self.candidate + other.candidate, live=self.live + other.live)

    @property
    def fewest(self) -> int:
        return min(self.candidate.requests, self.live.requests)


class AnalysisState(Value):
    """Measurements of the current step."""

    since: Moment = Field(description="When the first sample was taken.")
    sampled_at: Moment = Field(description="When the last sample was taken.")
    pods: list[PodTally] = Field([], description="Counters of each pod in the last sample that had it.")
    step: Pair = Field(Pair(), description="Increase since the first sample.")
    recent: Pair = Field(Pair(), description="Increase since the last assessment.")
    passed: bool = Field(False, description="Whether the last assessment passed.")

    def after(self, candidate: dict[str, Tally], live: dict[str, Tally]) -> tuple[list[PodTally], Pair]:
        """Counters of each pod now, and the increase since the last sample.

        A new pod counts from now on. A pod missing from this sample keeps its counters, so that its requests in the
        meantime count when it is back.
        """
        known: dict[str, Tally] = {each.pod: each for each in self.pods}
        added = Pair(candidate=_added(candidate, known), live=_added(live, known))
        latest = known | candidate | live
        return [PodTally(pod=name, **tally.model_dump(exclude={"pod"})) for name, tally in latest.items()], added


def _added(pods: dict[str, Tally], known: dict[str, Tally]) -> Tally:
    return sum((tally.since(known[name]) for name, tally in pods.items() if name in known), Tally())
