"""Drift reports in the cache: open ones are watched, final ones are stored as a summary."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial_operator.cluster.cache import Cache
from perennial_operator.core.api.values import as_text
from perennial_operator.core.drift_reports import Report, final_report
from tests.operator.test_cache import BIKE, an_object
from tests.operator.watch_list import replaced


def a_report(version: int, outcome: str = "", uid: str = "r", name: str = "report") -> Any:
    body = an_object(version, kind="DriftReport", name=name, uid=uid)
    body["metadata"]["creationTimestamp"] = "2026-11-23T12:00:00Z"
    metrics = [{"name": "psi", "feature": f"f{number}", "value": number / 10} for number in range(5)]
    spec = {"modelDeployment": "bike", "samples": 10, "metrics": metrics}
    status = {"outcome": outcome, "message": "as measured", "modelVersion": "bike-v1"} if outcome else {}
    return body | {"spec": spec, "status": status}


def judged(cache: Cache) -> list[Report]:
    return [known for known in cache.contents(BIKE, "DriftReport") if isinstance(known, Report)]


def known_outcomes(cache: Cache) -> dict[str, str]:
    open_ones = {body["metadata"]["name"]: "" for body in cache.objects(BIKE, "DriftReport")}
    return open_ones | {report.name: str(report.outcome) for report in judged(cache)}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["answer first", "event first"])
def test_own_outcome_is_known_before_and_after_its_event(
    order: tuple[int, int],
) -> None:
    cache = Cache()
    cache.put(a_report(1))
    messages = [lambda: cache.put(a_report(2, "Stale")), lambda: cache.apply_event("DELETED", a_report(2))]
    for which in order:
        messages[which]()
    assert known_outcomes(cache) == {"report": "Stale"}
    assert not cache.unresolved_reports(BIKE)


def test_report_that_left_the_watch_must_be_read() -> None:
    cache = Cache()
    cache.put(a_report(1))
    assert cache.apply_event("DELETED", a_report(5)) == {BIKE}
    assert not cache.apply_event("MODIFIED", a_report(1)), "late event"
    cache.put(a_report(3))
    assert cache.unresolved_reports(BIKE) == ["report"], "an earlier state resolves nothing"
    cache.put(a_report(5, "Triggered"))
    assert not cache.unresolved_reports(BIKE)
    assert known_outcomes(cache) == {"report": "Triggered"}


@pytest.mark.parametrize("how", ["gone", "list"])
def test_report_that_left_the_watch_may_be_deleted(how: str) -> None:
    cache = Cache()
    cache.put(a_report(1))
    cache.apply_event("DELETED", a_report(2))
    if how == "gone":
        cache.remove(BIKE, "DriftReport", "report")
    else:
        replaced(cache, "DriftReport", [], "2")
    assert not cache.unresolved_reports(BIKE)
    assert not cache.all_keys()


def test_event_of_an_older_report_does_not_affect_the_newer() -> None:
    cache = Cache()
    cache.put(a_report(4, uid="new"))
    assert not cache.apply_event("DELETED", a_report(5, uid="old"))
    assert not cache.unresolved_reports(BIKE)


def test_final_report_with_an_invalid_status_is_judged_again() -> None:
    cache, body = Cache(), a_report(2, "WithinThresholds")
    body["status"]["assessedAt"] = "yesterday"
    cache.put(body)
    assert (cache.objects(BIKE, "DriftReport"), judged(cache)) == ([body], [])


def test_final_report_is_stored_as_a_summary() -> None:
    cache = Cache()
    cache.put(a_report(1))
    cache.put(a_report(2, "WithinThresholds"))
    assert not cache.objects(BIKE, "DriftReport")
    (kept,) = judged(cache)
    assert kept.whole is None
    assert (kept.about, kept.message) == ("bike-v1", "as measured")
    assert [(each.feature, each.value) for each in kept.extremes] == [("f0", 0.0), ("f4", 0.4)]


def test_report_with_a_removed_status_is_open_again() -> None:
    cache = Cache()
    cache.put(a_report(1, "Stale"))
    assert cache.apply_event("ADDED", a_report(2)) == {BIKE}
    assert known_outcomes(cache) == {"report": ""}


TIMES = st.datetimes(timezones=st.just(UTC))
INSTANTS = TIMES.map(as_text) | TIMES.map(lambda time: as_text(time, "microseconds"))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20)
TEXTS = st.text() | st.sampled_from(["psi of temp is 0.3", "\ud800", "\x1b[31m"])
METRICS = st.fixed_dictionaries(
    {"name": st.sampled_from(["psi", "mse"]), "value": NUMBERS},
    optional={"feature": st.sampled_from(["temp", "Temperatur °C"]), "standardError": NUMBERS.map(abs)},
)
FIELDS = {
    "window": st.fixed_dictionaries({"start": INSTANTS, "end": INSTANTS}),
    "rowsDigest": st.text(max_size=9),
    "waiting": st.integers(0, 2**63 - 1),
    "against": st.just({"modelVersion": "bike-v2"}),
    "source": st.just("perennial"),
}
LACKING = st.fixed_dictionaries({"metric": st.sampled_from(["mse", "r2"])}, optional={"reason": TEXTS})
STATUSES = {"message": TEXTS, "assessedAt": INSTANTS, "notMeasured": st.lists(LACKING, max_size=3)}


@given(st.fixed_dictionaries({}, optional=FIELDS), st.fixed_dictionaries({}, optional=STATUSES), st.lists(METRICS))
def test_stored_summary_is_that_of_the_report(spec: Any, status: Any, metrics: Any) -> None:
    body = a_report(1, "Stale")
    body["spec"] |= spec | {"metrics": metrics}
    body["status"] |= status
    cache = Cache()
    cache.put(body)
    assert judged(cache) == [final_report(body)]
