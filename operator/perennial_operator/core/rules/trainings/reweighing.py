"""Do other weights make the blend that is live better, by the newest check?"""

from __future__ import annotations

from perennial_operator.core.api.metric_table import WEIGHTS_REGRET
from perennial_operator.core.api.model_version import UNSUCCESSFUL, Trigger
from perennial_operator.core.drift_reports import Report, about_drift
from perennial_operator.core.rules.trainings.blending import reason_without_blend
from perennial_operator.core.rules.trainings.regret import NOT_COUNTED
from perennial_operator.core.world import World, unless_ahead

STANDARD_ERRORS = 2
"""So many of the gain are subtracted from it: without drift one check in forty shows one by chance."""


def reweighing_of(world: World) -> Trigger | None:
    """Why the models of the live version are worth other weights, or None.

    A report counts until a version is made after it, whatever for, so that each asks once.
    """
    live, newest = world.live, world.newest
    if live is None or newest is None or world.is_dry_run:
        return None
    report = next((each for each in reversed(about_drift(world.reports)) if each.about == live.name), None)
    if report is None or not report.outcome or report.outcome in NOT_COUNTED:
        return None
    is_asked = unless_ahead(world, report.created_at) <= unless_ahead(world, newest.metadata.creation_timestamp)
    if is_asked or not (gain := gain_of_weights(world, report)):
        return None
    message = f"with other weights the models of {live.name} would save {gain:.0%} of its loss, by {report.name}"
    return Trigger(reason="Reweighing", message=message)


def gain_of_weights(world: World, report: Report) -> float:
    """The share of the loss that other weights are shown to save by the report; 0 if none is, or none is wanted.

    After other weights that did not go live, models have to be fitted first. What its surroundings stopped is neither.
    """
    drift = world.spec.drift
    if drift is None or not drift.challenger.enabled:
        return 0.0
    if reason_without_blend(world, world.spec, world.next_number):
        return 0.0
    judged = next((each for each in reversed(world.versions) if not each.status.surroundings), None)
    if judged and not judged.has_fits and judged.phase in UNSUCCESSFUL:
        return 0.0
    gain = next((each for each in report.extremes if each.name == WEIGHTS_REGRET), None)
    return gain.value if gain and gain.value > STANDARD_ERRORS * (gain.standard_error or 0.0) else 0.0
