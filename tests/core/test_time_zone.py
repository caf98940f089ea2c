"""Schedules are in a time zone, summer time included."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.parsing import BadObjectError, parse
from perennial_operator.core.api.values import first_fire_after, last_fire_by
from tests.builders import SPEC, a_body, merged
from tests.simulation.play import a_play

ZONES = st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", None])
SCHEDULES = st.sampled_from(["30 2 * * *", "0 3 * * *", "15 * * * *", "0 6 * * 1", "30 1 1 * *"])
INSTANTS = st.integers(0, 730 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "fires"),
    [
        ("2026-01-15T00:00", "2026-01-15T01:30"),
        ("2026-07-15T00:00", "2026-07-15T00:30"),
        ("2026-03-28T12:00", "2026-03-29T01:00"),  # 2:30 is skipped: when the clock is set from 2:00 to 3:00
        ("2026-10-24T12:00", "2026-10-25T00:30"),  # the first 2:30
        ("2026-10-25T00:30", "2026-10-26T01:30"),  # not the second one
    ],
)
def test_daily_schedule_follows_summer_time(after: str, fires: str) -> None:
    assert first_fire_after("30 2 * * *", utc(after), "Europe/Berlin") == utc(fires)
    assert last_fire_by("30 2 * * *", utc(fires), "Europe/Berlin") == utc(fires)


@settings(max_examples=60, deadline=None)
@given(SCHEDULES, INSTANTS, ZONES)
def test_each_time_is_between_the_last_and_the_next(schedule: str, now: datetime, zone: str | None) -> None:
    last, following = last_fire_by(schedule, now, zone), first_fire_after(schedule, now, zone)
    assert last <= now < following
    assert first_fire_after(schedule, last, zone) == following
    assert first_fire_after(schedule, last - timedelta(seconds=1), zone) == last


def test_a_time_that_occurs_twice_fires_once_in_its_hour() -> None:
    within = utc("2026-10-25T01:10")  # 2:10 in Berlin for the second time
    assert last_fire_by("30 2 * * *", within, "Europe/Berlin") == utc("2026-10-25T00:30")
    assert first_fire_after("30 2 * * *", within, "Europe/Berlin") == utc("2026-10-26T01:30")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_daily_schedule_fires_once_on_each_local_day(zone: str) -> None:
    at, days = utc("2026-01-01T00:00"), list[date]()
    for _ in range(365):
        at = first_fire_after("30 2 * * *", at, zone)
        days.append(at.astimezone(ZoneInfo(zone)).date())
    assert all(after - before == timedelta(days=1) for before, after in pairwise(days))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe/Berlin; rm", "../../etc/passwd", "Local"])
def test_unknown_time_zone_is_refused_with_an_example(zone: str) -> None:
    spec = merged(SPEC, {"training": {"schedule": "0 3 * * *", "timeZone": zone}})
    with pytest.raises(BadObjectError, match=r"spec.training.timeZone: .*such as Europe/Berlin"):
        parse(ModelDeployment, a_body("ModelDeployment", "bike", spec))


def test_check_and_training_begin_at_local_times() -> None:
    """The play begins on 23 November at 12:00 UTC, when it is 7:00 in New York."""
    check = {"schedule": "0 8 * * *", "timeZone": "America/New_York", "data": {"uri": "s3://bikes/live/*.parquet"}}
    training = {"schedule": "0 22 * * *", "timeZone": "Asia/Tokyo"}  # 13:00 UTC, as is 8:00 in New York
    play = a_play(drift={"check": check}, training=training)
    play.until_live(1)
    play.wait(minutes=59)
    assert not [name for name in play.jobs if "-check-" in name]
    play.wait(minutes=2)
    assert [name for name in play.jobs if "-check-" in name]
    assert ("Job", "bike-v2-train") in play.bodies
