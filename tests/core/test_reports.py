"""What becomes of a drift report."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perennial_operator.core import names
from perennial_operator.core.api.drift_report import Outcome
from perennial_operator.core.api.thresholds import DriftThreshold
from perennial_operator.core.api.values import as_text
from perennial_operator.core.decide import decide_step
from perennial_operator.core.drift_reports import in_order
from perennial_operator.core.rules.breaches import compare, pairs_of, some
from perennial_operator.core.rules.report_verdict import judge
from perennial_operator.core.stages.drift import outcome_updates
from perennial_operator.core.stages.drift_assessment import assess_reports
from perennial_operator.core.world import Fleet
from tests.builders import NOON, a_deployment, a_report, a_version, a_world
from tests.simulation.play import Play, a_play
from tests.simulation.results import REFUSED, TRAINED, validated

LONG_AGO = "2026-11-20T12:00:00Z"
AFTER_NOON = {"start": "2026-11-23T11:00:00Z", "end": "2026-11-23T13:00:00Z"}
SERIOUS = [{"metric": "mse", "maxIncrease": 0.05, "sigmas": 3}]
LIVE = a_version(1, creationTimestamp=LONG_AGO)


def mse(value: float, error: float | None = 6.0) -> dict[str, Any]:
    return {"metrics": [{"name": "mse", "value": value} | ({} if error is None else {"standardError": error})]}


@pytest.mark.parametrize(
    ("report", "deployment", "world", "outcome", "message"),
    [
        (
            {},
            {"drift": None},
            {},
            "Invalid",
            "ModelDeployment bike has no spec.drift, so there is no limit; set spec.drift.thresholds",
        ),
        (
            {"metrics": []},
            {},
            {},
            "Invalid",
            "spec.metrics is empty, so nothing was measured; write at least one metric",
        ),
        (
            {"metrics": [{"name": "ks", "value": 1}]},
            {},
            {},
            "Invalid",
            "none of its metrics (ks) has a threshold; spec.drift.thresholds asks for psi",
        ),
        (
            {},
            {"drift": {"thresholds": [{"metric": "psi", "max": 0.2, "features": ["feature2"]}]}},
            {},
            "Invalid",
            "none of its metrics (psi of feature1) has a threshold; spec.drift.thresholds asks for psi of feature2",
        ),
        (
            mse(200, None),
            {"drift": {"thresholds": SERIOUS}},
            {},
            "Invalid",
            "mse has no standardError, which the threshold's sigmas 3 needs; write it, or remove sigmas",
        ),
        (
            mse(200),
            {"drift": {"thresholds": SERIOUS}},
            {"versions": (a_version(1, status={"metrics": None}, creationTimestamp=LONG_AGO),)},
            "Invalid",
            "mse was not measured when bike-v1 was validated, so maxIncrease has nothing to compare with; give the threshold on mse a max instead",
        ),
        ({}, {}, {"versions": ()}, "Stale", "no version is live yet, so the report is about none"),
        ({"modelVersion": "bike-v7"}, {}, {}, "Stale", "the report is about bike-v7, and bike-v1 is live"),
        (
            {},
            {},
            {"versions": (a_version(1, status={"liveSince": "2026-11-23T13:30:00Z"}),)},
            "Stale",
            "the report was written before bike-v1 went live at 2026-11-23 13:30:00",
        ),
        (
            {"window": {"start": "2026-11-01T00:00:00Z", "end": "2026-11-19T00:00:00Z"}},
            {},
            {},
            "Stale",
            "its window ends at 2026-11-19 00:00:00, and bike-v1 went live at 2026-11-20 12:00:00",
        ),
        (
            {"window": AFTER_NOON},
            {},
            {"versions": (a_version(1, status={"data": {"end": "2026-11-23T13:00:00Z"}}, creationTimestamp=LONG_AGO),)},
            "Stale",
            "its window ends at 2026-11-23 13:00:00, and bike-v1 was trained on data up to 2026-11-23 13:00:00",
        ),
        ({"samples": 8}, {}, {}, "TooFewSamples", "8 samples are fewer than spec.drift.minSamples 200"),
        ({"samples": 199}, {}, {}, "TooFewSamples", "199 samples are fewer than spec.drift.minSamples 200"),
        (
            {"samples": 0},
            {"drift": {"quality": {"maxAge": "1h"}}},
            {},
            "BadData",
            "the recent data are bad, which is not drift: there is no row, and spec.drift.quality.maxAge is 1h",
        ),
        (
            {"metrics": [{"name": "missing_increase", "feature": "feature1", "value": 0.3}]},
            {},
            {},
            "BadData",
            "the recent data are bad, which is not drift: feature1 is missing in 30% more of the rows than in "
            "training, and spec.drift.quality.maxMissing is 0.2",
        ),
        (
            {"samples": 200},
            {"drift": {"consecutive": 2}},
            {},
            "Breach",
            "psi of feature1 is 0.3, above 0.2; 1 of 2 consecutive breaches",
        ),
        ({"samples": 0, "metrics": []}, {}, {}, "TooFewSamples", "0 samples are fewer than spec.drift.minSamples 200"),
        (
            {},
            {"drift": {"thresholds": [{"metric": "psi", "max": 0.5}]}},
            {},
            "WithinThresholds",
            "within thresholds: psi of feature1 0.3",
        ),
        (mse(104), {"drift": {"thresholds": SERIOUS}}, {}, "WithinThresholds", "within thresholds: mse 104"),
        (mse(120), {"drift": {"thresholds": SERIOUS}}, {}, "WithinThresholds", "within thresholds: mse 120"),
        (
            {},
            {"drift": {"consecutive": 3}},
            {},
            "Breach",
            "psi of feature1 is 0.3, above 0.2; 1 of 3 consecutive breaches",
        ),
        ({}, {"suspend": True}, {}, "Suspended", "psi of feature1 is 0.3, above 0.2; spec.suspend is true"),
        ({}, {"pin": "bike-v1"}, {}, "Pinned", "psi of feature1 is 0.3, above 0.2; spec.pin is bike-v1"),
        (
            {},
            {},
            {"versions": (LIVE, a_version(2, "Training"))},
            "Busy",
            "psi of feature1 is 0.3, above 0.2; bike-v2 is in progress",
        ),
        (
            {},
            {},
            {"versions": (LIVE, a_version(2, "Failed", status={"endedAt": "2026-11-23T13:30:00Z"}))},
            "CoolingDown",
            "psi of feature1 is 0.3, above 0.2; bike-v2 ended at 13:30:00; no new candidate before 2026-11-23 14:30:00 UTC; to start one at once, run kubectl perennial retrain bike, or annotate the ModelDeployment with perennial.dev/retrain-requested-at=<time>, or change spec.model, spec.data or spec.training",
        ),
        (
            {},
            {"training": {"maxRejections": 1}},
            {"versions": (LIVE, a_version(2, "Rejected", {"training": {"maxRejections": 1}}, {"message": "mse is 9"}))},
            "Stalled",
            "psi of feature1 is 0.3, above 0.2; 1 candidate failed or was rejected, the last bike-v2 (mse is 9); fix the cause and annotate the ModelDeployment with perennial.dev/retrain-requested-at=<time>, or change spec.model, spec.data or spec.training",
        ),
        (
            {},
            {},
            {"fleet": Fleet(trainings=10)},
            "Queued",
            "psi of feature1 is 0.3, above 0.2; it starts when another training ends; 10 may run at once in the fleet, and the next place goes to the namespace with the fewest",
        ),
        (
            {},
            {},
            {"fleet": Fleet(trainings=8, ahead=2)},
            "Queued",
            "psi of feature1 is 0.3, above 0.2; it starts when another training ends; 10 may run at once in the fleet, and the next place goes to the namespace with the fewest",
        ),
    ],
)
def test_every_outcome_has_its_reason(
    report: dict[str, Any], deployment: dict[str, Any], world: dict[str, Any], outcome: str, message: str
) -> None:
    it = a_world(
        deployment=a_deployment(spec=deployment), reports=(a_report(spec=report),), **{"versions": (LIVE,)} | world
    )
    verdict = assess_reports(it).verdicts["report"]
    assert (verdict.outcome, verdict.message) == (outcome, message)
    assert verdict.version == (report.get("modelVersion") or (it.live and it.live.name))


@pytest.mark.parametrize(
    ("threshold", "metric", "message"),
    [
        (
            {"metric": "psi", "max": 0.2},
            {"name": "psi", "feature": "temp", "value": 0.31, "chance": 0.005},
            "psi of temp is 0.31, above 0.2",
        ),
        (
            {"metric": "psi", "max": 0.2},
            {"name": "psi", "feature": "temp", "value": 0.31},
            "psi of temp is 0.31, above 0.2; judged by the limit alone: the report has no chance",
        ),
        ({"metric": "r2", "min": 0.7}, {"name": "r2", "value": 0.5}, "r2 is 0.5, below 0.7"),
        (
            {"metric": "mse", "maxIncrease": 0.05, "sigmas": 3},
            {"name": "mse", "value": 130.0, "standardError": 6.0},
            "mse is 130, above 123.4: 100 when bike-v1 was validated, "
            "plus the greater of 5 (maxIncrease 0.05) and 23.43 (sigmas 3 times standard error 7.81)",
        ),
        (
            {"metric": "mse", "maxIncrease": 0.05},
            {"name": "mse", "value": 105.1},
            "mse is 105.1, above 105: 100 when bike-v1 was validated, plus 5 (maxIncrease 0.05)",
        ),
    ],
)
def test_a_breach_names_metric_value_and_limit(threshold: dict[str, Any], metric: dict[str, Any], message: str) -> None:
    deployment = a_deployment(spec={"drift": {"thresholds": [threshold]}})
    report = a_report(spec={"metrics": [metric]})
    assert report.whole
    verdict = judge(report.whole, a_world(deployment=deployment, versions=(LIVE,), reports=(report,)))
    assert (verdict.outcome, verdict.message) == (Outcome.BREACH, message)
    assert verdict.breaches[0].metric == metric["name"]


@pytest.mark.parametrize(
    ("limits", "nearest"), [({"min": 0.1}, 0.5), ({"min": 0.1, "max": 0.99}, 0.9), ({"max": 0.99}, 0.9)]
)
def test_message_names_the_value_nearest_to_the_limit(limits: dict[str, float], nearest: float) -> None:
    metrics = [{"name": "accuracy", "feature": feature, "value": value} for feature, value in (("a", 0.5), ("b", 0.9))]
    report = a_report(spec={"metrics": metrics})
    assert report.whole
    thresholds = [DriftThreshold.model_validate({"metric": "accuracy", **limits})]
    compared = compare(thresholds, report.whole, pairs_of(thresholds, report.whole), LIVE)
    assert compared.within_message == f"within thresholds: accuracy of {'a' if nearest == 0.5 else 'b'} {nearest}"


@pytest.mark.parametrize(("count", "text"), [(1, "a"), (3, "a; b; c"), (4, "a; b; c; and 1 more")])
def test_a_message_names_three_and_counts_the_others(count: int, text: str) -> None:
    assert some("abcdef"[:count]) == text


def test_a_message_names_three_breaches_and_the_status_a_hundred() -> None:
    metrics = [{"name": "psi", "feature": f"f{n}", "value": 0.5, "chance": 0.0} for n in range(150)]
    report = a_report(spec={"metrics": metrics})
    assert report.whole
    verdict = judge(report.whole, a_world(versions=(LIVE,), reports=(report,)))
    assert verdict.message.endswith("psi of f2 is 0.5, above 0.2; and 147 more")
    assert len(verdict.breaches) == 100


def test_five_drifts_in_a_row_give_five_versions_and_no_more() -> None:
    play = a_play(drift={"cooldown": "1m"}, rollout={"steps": [{"weight": 50, "hold": "5m"}]})
    play.until_live(1)
    for number in range(2, 7):
        play.wait(hours=1)
        play.report(f"drift-{number}")
        play.until_live_again(number)
        assert play.outcome(f"drift-{number}")[0] == "Triggered"
        assert play.bodies["DriftReport", f"drift-{number}"]["status"]["candidate"] == f"bike-v{number}"
    assert play.phases() == {f"bike-v{n}": "Superseded" for n in range(1, 6)} | {"bike-v6": "Live"}
    work = [f"bike-v{n}{role}" for n in range(1, 7) for role in ("", "-train", "-validate", "-record")]
    assert dict(play.made) == dict.fromkeys(["bike-recover", *work], 1)
    assert [a.reason for a in play.announced()].count("RolledOut") == 6


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        ({"psi": 0.1}, "WithinThresholds"),
        ({"samples": 8}, "TooFewSamples"),
        ({"modelVersion": "bike-v9"}, "Stale"),
        ({"metrics": []}, "Invalid"),
    ],
)
def test_a_report_that_says_nothing_starts_nothing_and_says_why(report: dict[str, Any], outcome: str) -> None:
    play = a_play()
    play.until_live(1)
    play.wait(hours=2)
    play.report("october", **report)
    play.settle()
    assert play.outcome("october")[0] == outcome
    assert play.outcome("october")[1]
    assert list(play.phases()) == ["bike-v1"]


def test_a_measurement_that_is_written_twice_starts_one_training() -> None:
    play = a_play()
    play.until_live(1)
    play.wait(hours=2)
    for name in ("october", "october-again"):
        play.report(name, window={"start": "2026-11-23T12:00:00Z", "end": "2026-11-23T13:00:00Z"})
        play.settle()
    assert play.outcome("october-again") == ("Duplicate", "same version, window and metrics as october")
    play.until_rolling(2, candidate=90.0, live=90.0, upper=0.5)
    play.wait(hours=2)
    assert play.phases() == {"bike-v1": "Live", "bike-v2": "Rejected"}


def test_newest_report_of_a_burst_starts_one_training() -> None:
    play = a_play()
    play.until_live(1)
    play.wait(hours=2)
    for number in range(5):
        end = f"2026-11-23T13:{number:02}:00Z"
        play.report(f"burst-{number}", window={"start": "2026-11-23T12:00:00Z", "end": end})
    play.settle()
    assert [play.outcome(f"burst-{n}")[0] for n in range(5)] == ["Breach"] * 4 + ["Triggered"]
    assert list(play.phases()) == ["bike-v1", "bike-v2"]


def test_a_later_report_of_the_same_name_starts_another_training() -> None:
    """A tool may delete its report and write the next one under the same name."""
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=2)
    play.report("daily")
    play.until_live_again(2)
    play.wait(hours=24)
    play.remove("DriftReport", "daily")
    play.report("daily", 0.4)
    play.settle()
    assert play.bodies["DriftReport", "daily"]["status"]["candidate"] == "bike-v3"


@pytest.mark.parametrize("later", [timedelta(minutes=5), timedelta(days=365)])
def test_report_with_a_clock_that_was_ahead_starts_one_training(later: timedelta) -> None:
    report = a_report("daily", creationTimestamp=as_text(NOON + later))
    candidate = a_version(2, "Training", {"trigger": {"reason": "Drift", "driftReport": "daily"}})
    world = a_world(versions=(LIVE, candidate), reports=(report,), now=NOON + timedelta(minutes=1))
    assert assess_reports(world).verdicts["daily"].outcome is Outcome.TRIGGERED


@pytest.mark.parametrize(
    ("values", "trainings"),
    [
        ([0.3, 0.3, 0.3], 1),
        ([0.3, 0.3], 0),
        ([0.3, 0.1, 0.3, 0.3], 0),
        ([0.3, 0.1, 0.3, 0.3, 0.3], 1),
        ([0.3, None, 0.3, 0.3], 1),
    ],
)
def test_as_many_breaches_in_a_row_as_asked_for_start_a_training(values: list[float | None], trainings: int) -> None:
    """None is a report with too few samples, which breaks no row."""
    play = a_play(drift={"consecutive": 3})
    play.until_live(1)
    for number, psi in enumerate(values):
        play.wait(hours=1)
        play.report(f"report-{number}", (psi or 0.3) + number / 1000, samples=1000 if psi else 5)
        play.settle()
    assert len(play.phases()) == 1 + trainings


def test_late_report_of_an_earlier_time_is_not_the_newest() -> None:
    play = a_play(drift={"consecutive": 2})
    play.until_live(1)
    play.wait(hours=5)
    for name, psi, hour in (("evening", 0.1, 16), ("noon", 0.3, 13), ("afternoon", 0.3, 14)):
        window = {"start": "2026-11-23T12:00:00Z", "end": f"2026-11-23T{hour}:00:00Z"}
        play.report(name, psi, window=window)
        play.settle()
    assert [play.outcome(name)[0] for name in ("evening", "noon", "afternoon")] == [
        "WithinThresholds",
        "Breach",
        "Breach",
    ]
    assert list(play.phases()) == ["bike-v1"]


def test_breach_during_a_failed_training_is_judged_again() -> None:
    play = a_play(drift={"cooldown": "30m"})
    play.until_live(1)
    play.wait(hours=1)
    play.report("first", 0.3)
    play.settle()
    play.report("second", 0.4)
    play.settle()
    assert play.outcome("second") == ("Busy", "psi of feature1 is 0.4, above 0.2; bike-v2 is in progress")
    play.finish("bike-v2-train", TRAINED)
    play.finish("bike-v2-validate", validated(150.0, live=100.0, upper=0.6))
    assert play.outcome("second")[0] == "CoolingDown"
    play.wait(minutes=31)
    assert play.outcome("second")[0] == "Triggered"
    assert play.outcome("first")[0] == "Triggered"
    assert play.phases()["bike-v3"] == "Training"


def test_a_breach_during_a_training_that_succeeds_is_stale() -> None:
    play = a_play()
    play.until_live(1)
    play.wait(hours=2)
    play.report("first", 0.3)
    play.settle()
    play.report("second", 0.4)
    play.until_live_again(2)
    play.wait(hours=5)
    assert play.outcome("second") == ("Stale", "the report is about bike-v1, and bike-v2 is live")
    assert list(play.phases()) == ["bike-v1", "bike-v2"]


@pytest.mark.parametrize("later", ["again", "zulu"])
def test_later_report_of_a_second_is_newer_whatever_its_name(later: str) -> None:
    """Creation times have seconds only."""
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=2)
    play.report("october", 0.3)
    play.settle()
    assert play.outcome("october")[0] == "Triggered"
    play.wait(milliseconds=200)
    play.report(later, 0.4)
    play.settle()
    assert play.outcome(later)[0] == "Busy"
    assert len({play.bodies["DriftReport", name]["metadata"]["creationTimestamp"] for name in ("october", later)}) == 1
    play.finish("bike-v2-train", TRAINED)
    play.finish("bike-v2-validate", validated(150.0, live=100.0, upper=0.6))
    play.wait(minutes=2)
    assert play.outcome(later)[0] == "Triggered"
    assert play.phases()["bike-v3"] == "Training"


@pytest.mark.parametrize(
    ("before", "persists"),
    [
        (("BadData", "BadData"), True),
        (("BadData",), False),
        (("BadData", "WithinThresholds"), False),
        (("BadData", "BadData", "Stale"), True),
    ],
)
def test_bad_data_that_persist_name_the_field_that_allows_them(before: tuple[str, ...], persists: bool) -> None:
    metrics = [{"name": "missing_increase", "feature": "feature1", "value": 0.3}]
    times = [f"2026-11-23T13:{minute:02}:00Z" for minute in range(len(before) + 1)]
    reports = [
        a_report(f"r{number}", spec={"rowsDigest": str(number)}, status={"outcome": outcome}, creationTimestamp=at)
        for number, (outcome, at) in enumerate(zip(before, times, strict=False))
    ]
    newest = a_report("newest", spec={"metrics": metrics}, creationTimestamp=times[-1])
    verdict = assess_reports(a_world(versions=(LIVE,), reports=(*reports, newest))).verdicts["newest"]
    again = "; 3 reports in a row: fix what writes the data, or, if they are right, raise spec.drift.quality.maxMissing"
    assert verdict.message.endswith(f"maxMissing is 0.2{again if persists else ''}")


def outcomes_of_equal_reports(play: Play, count: int, minutes: int, **spec: Any) -> list[str | None]:
    """The outcomes of reports with equal numbers, so many minutes apart."""
    for number in range(count):
        play.report(f"report-{number}", **spec)
        play.settle()
        play.wait(minutes=minutes)
    return [play.outcome(f"report-{number}")[0] for number in range(count)]


def test_equal_numbers_of_other_days_are_other_measurements() -> None:
    play = a_play(drift={"consecutive": 3})
    play.until_live(1)
    play.wait(hours=2)
    assert outcomes_of_equal_reports(play, 3, minutes=60 * 24) == ["Breach", "Breach", "Triggered"]


def test_equal_numbers_within_ten_minutes_are_copies() -> None:
    play = a_play(drift={"consecutive": 9})
    play.until_live(1)
    play.wait(hours=2)
    outcomes = outcomes_of_equal_reports(play, 6, minutes=5)
    assert outcomes == ["Breach", "Duplicate", "Duplicate", "Breach", "Duplicate", "Duplicate"]


def test_equal_numbers_after_just_ten_minutes_are_a_copy() -> None:
    play = a_play(drift={"consecutive": 9})
    play.until_live(1)
    play.wait(hours=2)
    assert outcomes_of_equal_reports(play, 2, minutes=10) == ["Breach", "Duplicate"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("WithinThresholds", "Duplicate"), ("Invalid", "Breach"), ("Stale", "Breach"), ("Duplicate", "Breach")],
)
def test_copy_of_a_report_that_said_nothing_is_judged(earlier: str, later: str) -> None:
    spec = {"rowsDigest": "a"}
    reports = (a_report("first", spec=spec, status={"outcome": earlier}), a_report("second", spec=spec))
    world = a_world(deployment=a_deployment(spec={"drift": {"consecutive": 9}}), versions=(LIVE,), reports=reports)
    assert assess_reports(world).verdicts["second"].outcome == later


@pytest.mark.parametrize(("missing", "later"), [(0.1, "Duplicate"), (0.3, "BadData")])
def test_checks_of_the_same_rows_are_copies_unless_bad(missing: float, later: str) -> None:
    metrics = [
        {"name": "psi", "feature": "feature1", "value": 0.3},
        {"name": "missing_increase", "feature": "feature1", "value": missing},
    ]
    spec = {"rowsDigest": "a", "source": "perennial", "metrics": metrics}
    labels, created = {names.SCHEDULED: "1795431600"}, ("2026-11-23T13:00:00Z", "2026-11-23T13:30:00Z")
    reports = tuple(
        a_report(f"check-{number}", spec=spec, labels=labels, creationTimestamp=at) for number, at in enumerate(created)
    )
    verdicts = assess_reports(a_world(versions=(LIVE,), reports=reports)).verdicts
    assert verdicts["check-1"].outcome == later


@pytest.mark.parametrize(
    ("spec", "later"),
    [
        ({"rowsDigest": "a"}, "Duplicate"),
        ({"source": "perennial"}, "Duplicate"),
        ({"window": {"start": "2026-11-23T12:00:00Z", "end": "2026-11-23T13:00:00Z"}}, "Duplicate"),
        ({}, "Breach"),
    ],
    ids=["the same rows", "a check of an older trainer", "the same window", "another tool"],
)
def test_the_same_rows_are_a_copy_whenever_they_are_measured(spec: dict[str, Any], later: str) -> None:
    play = a_play(drift={"consecutive": 9})
    play.until_live(1)
    play.wait(hours=2)
    assert outcomes_of_equal_reports(play, 2, minutes=60, **spec) == ["Breach", later]


def test_equal_numbers_of_other_rows_are_another_measurement() -> None:
    play = a_play(drift={"consecutive": 2})
    play.until_live(1)
    play.wait(hours=2)
    for name in "ab":
        play.report(name, rowsDigest=name, source="perennial")
        play.settle()
    assert play.outcome("b")[0] == "Triggered"


def test_drift_that_goes_on_after_a_failed_training_is_retried() -> None:
    play = a_play()
    play.until_live(1)
    play.wait(hours=2)
    play.report("monday")
    play.settle()
    play.finish("bike-v2-train", REFUSED)
    play.wait(hours=24)
    play.report("tuesday")
    play.until_live_again(3)


@pytest.mark.parametrize("copy", ["again", "zulu"])
def test_later_of_two_copies_of_one_second_is_the_copy(copy: str) -> None:
    play = a_play(drift={"cooldown": "1m"})
    play.until_live(1)
    play.wait(hours=2)
    for name in ("october", copy):
        play.report(name)
        play.settle()
        play.wait(milliseconds=200)
    assert play.outcome(copy) == ("Duplicate", "same version, window and metrics as october")
    play.finish("bike-v2-train", TRAINED)
    play.finish("bike-v2-validate", validated(150.0, live=100.0, upper=0.6))
    play.wait(hours=1)
    assert "bike-v3" not in play.phases()


def test_older_breach_of_the_same_second_starts_nothing() -> None:
    """Whatever its name, and whichever of the two has a final outcome."""
    play = a_play(drift={"consecutive": 2})
    play.until_live(1)
    play.wait(hours=2)
    for name, psi in (("zulu", 0.3), ("alpha", 0.1)):
        play.report(name, psi)
        play.settle()
        play.wait(milliseconds=200)
    play.wait(hours=1)
    play.report("next", 0.31)
    play.wait(hours=1)
    assert [play.outcome(name)[0] for name in ("zulu", "alpha", "next")] == ["Breach", "WithinThresholds", "Breach"]
    assert list(play.phases()) == ["bike-v1"]


def test_reports_of_an_older_release_are_in_order_of_names() -> None:
    old = [a_report(name, status={"outcome": "Breach"}) for name in ("b", "a")]
    assert [each.name for each in in_order([*old, a_report("0")])] == ["a", "b", "0"]


@pytest.mark.parametrize(
    "assessed",
    [
        {"a": (10, 10), "b": (20, 20), "c": (11, 20.1), "d": (11.5, None)},
        {"b": (20, 20), "c": (11, 20.1), "d": (11.1, 20.2)},
        {"b": (11, 11.4), "a": (10.9, 11.5), "c": (11.6, 11.6)},
        {"a": (11, 11), "c": (20, None)},
    ],
    ids=["set back", "set back after the first", "seen ten minutes late", "not yet set back"],
)
def test_order_of_reports_survives_a_clock_that_is_set_back(assessed: dict[str, tuple[float, float | None]]) -> None:
    """Each has been created and assessed at an hour of the clock, the earliest first."""

    def text(hours: float) -> str:
        return as_text(NOON + timedelta(hours=hours - 12))

    reports = [
        a_report(
            name,
            status={"outcome": "Breach", "assessedAt": text(seen)} if seen else {},
            creationTimestamp=text(created),
        )
        for name, (created, seen) in assessed.items()
    ]
    assert [each.name for each in in_order(reports[::-1])] == sorted(assessed)


def test_report_before_first_live_version_never_starts_one() -> None:
    play = a_play()
    play.report("early")
    play.until_live(1)
    play.wait(hours=2)
    assert play.outcome("early")[0] == "Stale"
    assert list(play.phases()) == ["bike-v1"]


def test_looser_thresholds_release_a_deferred_breach() -> None:
    play = a_play()
    play.until_live(1)
    play.report("october")
    play.settle()
    assert play.outcome("october")[0] == "CoolingDown"
    play.edit({"drift": {"thresholds": [{"metric": "psi", "max": 0.5}]}})
    play.wait(hours=2)
    assert play.outcome("october")[0] == "WithinThresholds"
    assert list(play.phases()) == ["bike-v1"]


def test_breach_keeps_its_message_when_newer_ones_follow() -> None:
    play = a_play(drift={"consecutive": 3})
    play.until_live(1)
    play.wait(hours=1)
    play.report("first", 0.3)
    play.settle()
    play.wait(hours=1)
    before = len(play.done)
    play.report("second", 0.4)
    play.settle()
    assert [action.name for action in play.done[before:] if hasattr(action, "name")] == ["second"]


def test_report_is_triggered_once_its_version_exists() -> None:
    world = a_world(versions=(LIVE,), reports=(a_report(),))
    (create,) = [
        action for action in decide_step(world).actions if getattr(action, "manifest", {}).get("kind") == "ModelVersion"
    ]
    assert create.manifest["spec"]["trigger"] == {
        "reason": "Drift",
        "driftReport": "report",
        "message": "psi of feature1 is 0.3, above 0.2",
    }
    assert assess_reports(world).verdicts == {}


def test_version_with_another_trigger_triggers_no_report() -> None:
    """A pass that had not seen the other version would have given this one the same name."""
    other = a_version(2, None, {"trigger": {"reason": "Schedule"}})
    world = a_world(versions=(LIVE, other), reports=(a_report(),))
    assert assess_reports(world).verdicts["report"].outcome is Outcome.BUSY


@pytest.mark.parametrize(("spec", "outcome"), [({}, "Breach"), ({"metrics": []}, "Invalid")])
def test_breach_without_message_is_judged_again(spec: dict[str, Any], outcome: str) -> None:
    report = a_report(spec=spec, status={"outcome": "Breach"})
    deployment = a_deployment(spec={"drift": {"consecutive": 2}})
    world = a_world(deployment=deployment, versions=(LIVE,), reports=(report,))
    (status,) = [action.status for action in outcome_updates(world, assess_reports(world))]
    assert status["outcome"] == outcome
    assert status["message"]


def test_history_keeps_newest_reports_and_open_breaches() -> None:
    play = a_play(history={"reports": 2}, drift={"consecutive": 2})
    play.until_live(1)
    for number in range(6):
        play.wait(hours=1)
        play.report(f"report-{number}", 0.1 if number < 5 else 0.3)
        play.settle()
    assert sorted(body["metadata"]["name"] for body in play.all("DriftReport")) == ["report-3", "report-4", "report-5"]


def test_noise_leaves_the_history_first() -> None:
    play = a_play(history={"reports": 3})
    play.until_live(1)
    play.wait(hours=2)
    play.report("cause")
    play.settle()
    for number in range(6):
        play.report(f"noise-{number}", modelVersion="bike-v9")
        play.wait(minutes=1)
    assert play.outcome("cause")[0] == "Triggered"
    assert sorted(body["metadata"]["name"] for body in play.all("DriftReport")) == ["cause", "noise-4", "noise-5"]


def test_breach_that_started_a_training_is_not_kept_longer() -> None:
    """Otherwise it would be the newest breach again, and start a second training."""
    play = a_play(history={"reports": 1}, drift={"cooldown": "1m"})
    play.until_live(1)
    play.report("older")
    play.wait(seconds=10)
    play.report("newer", 0.4)
    play.settle()
    play.wait(minutes=2)
    assert play.outcome("newer")[0] == "Triggered"
    play.finish("bike-v2-train", {"outcome": "Refused", "reason": "TooFewRows", "message": "no rows"})
    for number in range(3):
        play.report(f"small-{number}", samples=5 + number)
        play.wait(hours=1)
    assert list(play.phases()) == ["bike-v1", "bike-v2"]


def test_metrics_without_a_value_are_named_once_with_reasons() -> None:
    thresholds = [
        {"metric": "psi", "max": 0.2},
        {"metric": "ks", "max": 0.1},
        {"metric": "ks", "max": 0.2, "features": ["feature2"]},
        {"metric": "mse", "max": 120},
    ]
    report = a_report(spec=mse(100) | {"notMeasured": [{"metric": "psi", "reason": "no row has it"}]})
    assert report.whole
    verdict = judge(
        report.whole, a_world(deployment=a_deployment(spec={"drift": {"thresholds": thresholds}}), versions=(LIVE,))
    )
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert [(each.metric, each.reason) for each in verdict.not_measured] == [
        ("psi", "no row has it"),
        ("ks", "the report has no value of ks"),
    ]
    assert verdict.message == (
        "psi was not measured: no row has it; ks was not measured: the report has no value of ks; within thresholds: mse 100"
    )
