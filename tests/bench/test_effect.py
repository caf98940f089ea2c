"""A small part of `make bench-effect`: one stream, without ADWIN."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.bench.bench_effect import Effect, lines, measure, summary
from tests.bench.effect_peers import psi
from tests.bench.effect_streams import KINDS, read_streams, write_synthetic

KEYS = [
    "mean_recovery", "min_recovery", "mean_trainings", "false_alarms", "late_minus_always", "control_loss",
    "cpu_over_always", "streams",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    write_synthetic(folder, "abrupt", 0, batches=18, rows=100)
    return folder


@pytest.fixture(scope="module")
def effect(folder: Path) -> Effect:
    (stream,) = read_streams(folder)
    return measure(stream)


def test_last_line_has_every_figure(effect: Effect) -> None:
    figures = json.loads(json.dumps(summary([effect])))
    assert list(figures) == KEYS
    assert np.isfinite([figures["mean_recovery"], figures["late_minus_always"]]).all()
    assert figures["cpu_over_always"] > 0 and figures["streams"] == 1
    assert figures["false_alarms"] is figures["control_loss"] is None


def test_each_policy_has_a_row(effect: Effect) -> None:
    assert [row.policy for row in effect.rows] == [
        "perennial", "never", "always", "every fifth batch", "PSI > 0.2", "perennial, 3 late", "always, 3 late"
    ]  # fmt: skip
    assert effect.counts and effect.ours.trainings > 0
    assert [row.recovery for row in effect.rows[1:3]] == [0.0, 1.0]


def test_model_is_never_stalled_by_itself(effect: Effect) -> None:
    assert effect.stalled_at == (None, None)
    at = dataclasses.replace(effect, stalled_at=(7, None))
    assert "stalled at batch 7" in list(lines(at))[-1]


def test_controls_count_for_alarms_and_loss_alone(effect: Effect) -> None:
    control = dataclasses.replace(effect, is_control=True, false_alarms=2, excess=0.03)
    figures = summary([control])
    assert (figures["false_alarms"], figures["control_loss"], figures["mean_recovery"]) == (2, 0.03, None)
    assert summary([effect, control])["mean_recovery"] == summary([effect])["mean_recovery"]


def test_same_seed_gives_the_same_figures(folder: Path, effect: Effect) -> None:
    (stream,) = read_streams(folder)
    again = measure(stream)
    assert dataclasses.replace(again, cpu=effect.cpu, always_cpu=effect.always_cpu) == effect
    assert len(list(lines(again))) == len(effect.rows) + 1


@pytest.mark.parametrize("kind", KINDS)
def test_synthetic_streams_are_valid(tmp_path: Path, kind: str) -> None:
    write_synthetic(tmp_path, kind, 1, batches=10, rows=20)
    (stream,) = read_streams(tmp_path)
    assert (stream.name, len(stream.history), stream.every, stream.first) == (kind, 200, 20, 6)


def test_psi_is_zero_for_equal_rows_and_high_after_a_shift() -> None:
    values = pd.Series(np.random.default_rng(1).normal(size=1000))
    assert psi(values, values, is_numeric=True) == 0
    assert psi(values, values + 1, is_numeric=True) > 0.2
    assert psi(pd.Series(["a", "b"] * 50), pd.Series(["a"] * 100), is_numeric=False) > 0.2
