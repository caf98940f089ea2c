"""The registry of stages agrees with the schema."""

from __future__ import annotations

import pytest

from perennial_operator.core.api.model_version import IN_FLIGHT, Phase
from perennial_operator.core.rules.phases import CANDIDATE_PHASES, measured_stage
from perennial_operator.core.stages.registry import STAGES


def test_each_phase_of_a_candidate_belongs_to_one_stage() -> None:
    assert tuple(each.phase for each in CANDIDATE_PHASES) == IN_FLIGHT
    assert {each.stage for each in CANDIDATE_PHASES} <= {stage.name for stage in STAGES}


def test_names_of_stages_are_unique() -> None:
    assert len({stage.name for stage in STAGES}) == len(STAGES)


@pytest.mark.parametrize(
    ("phase", "measured"),
    [
        (Phase.TRAINING, ("training", ())),
        (Phase.VALIDATING, ("validation", ("Trained",))),
        (Phase.AWAITING_APPROVAL, None),
        (Phase.ROLLING_OUT, ("rollout", ("Approved", "Validated", "Trained"))),
        (Phase.LIVE, None),
    ],
)
def test_a_duration_is_measured_for_each_phase_without_a_person(
    phase: Phase, measured: tuple[str, tuple[str, ...]] | None
) -> None:
    assert measured_stage(phase) == measured
