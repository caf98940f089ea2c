"""Which requests are captured, and under which key."""

import hmac
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from perennial_trainer.captured import layout
from perennial_trainer.captured.keys import captured_key, is_captured

SECRET = b"of this model"


def test_share_of_the_keys_is_captured() -> None:
    captured = sum(is_captured(SECRET, f"ride-{i}", 0.1) for i in range(10_000))
    assert 880 < captured < 1120


@given(st.text(max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_greater_share_has_keys_of_smaller(key: str, one: float, other: float) -> None:
    small, great = sorted((one, other))
    assert is_captured(SECRET, key, great) or not is_captured(SECRET, key, small)
    assert is_captured(SECRET, key, 1) and not is_captured(SECRET, key, 0)


@given(st.binary(min_size=1, max_size=100), st.text(max_size=20))
def test_stored_key_is_an_hmac(secret: bytes, key: str) -> None:
    text = b"perennial key\0" + key.encode(errors="replace")
    assert captured_key(secret, key) == hmac.digest(secret, text, "sha256").hex()


def test_stored_key_depends_on_secret_and_not_on_selection() -> None:
    assert captured_key(SECRET, "a") == captured_key(SECRET, "a") != captured_key(b"of another", "a")
    first_half = [is_captured(SECRET, f"{i}", 0.5) for i in range(1000) if captured_key(SECRET, f"{i}") < "8"]
    assert 0.4 < sum(first_half) / len(first_half) < 0.6


def test_folder_is_the_hour_in_utc() -> None:
    at = datetime(2026, 11, 29, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    expected = "s3://b/ns/m/captured/date=2026-11-28/hour=23"
    assert layout.hour_folder(layout.captured_folder("s3://b/ns/m/"), at) == expected
    assert layout.hour_folder("c", datetime(2026, 1, 2, tzinfo=UTC)) == "c/date=2026-01-02/hour=00"
