"""Are versions judged by labelled rows while they roll out and are watched, and what did the last check say?"""

from __future__ import annotations

from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.manifests.check_job import VERSION_CHECK
from perennial_operator.core.rollout.version_checks import reason_without, wants_version_checks
from perennial_operator.core.stages.drift_checks import failed_check
from perennial_operator.core.status.readiness import Statement
from perennial_operator.core.world import World

JUDGED = frozenset({Outcome.WITHIN_THRESHOLDS, Outcome.BREACH})
SAYS_NOTHING = frozenset({None, Outcome.DUPLICATE, Outcome.STALE})
KIND = "QualityChecked"


def quality_checked(world: World) -> list[Statement]:
    """A condition where labels of captured rows come and something would follow from them."""
    if not wants_version_checks(world):
        return []
    if reason := reason_without(world):
        return [Statement(KIND, False, *reason)]
    if failure := failed_check(world, VERSION_CHECK):
        return [Statement(KIND, False, failure.reason, failure.message)]
    assessed = (each for each in reversed(world.reports) if each.against and each.outcome not in SAYS_NOTHING)
    newest = next(assessed, None)
    if newest is None or newest.outcome is None:
        return [Statement(KIND, None, "NotYet", "no version was checked by the rows that it answered yet")]
    judged = True if newest.outcome in JUDGED else None
    return [Statement(KIND, judged, newest.outcome.value, f"{newest.name}: {newest.message}")]
