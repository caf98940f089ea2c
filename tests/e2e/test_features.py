"""A model of texts and derived features goes through the whole loop."""

from __future__ import annotations

import numpy as np
import pytest

from tests.e2e.models import a_claim, a_model, a_report, a_table
from tests.stage import Stage

FEATURES = {
    "numeric": ["nights"],
    "text": [{"column": "review", "buckets": 256}],
    "derived": [
        {"name": "price of a night", "ratio": {"numerator": "price", "denominator": "nights"}},
        {"name": "hour", "calendar": {"column": "at", "part": "hour", "timeZone": "Europe/Berlin"}},
        {"name": "daytime", "bins": {"column": "hour", "edges": [6, 18]}},
    ],
}
SPEC = {
    "model": {"estimator": "sklearn.linear_model.Ridge", "format": "skops", "target": "stars", "features": FEATURES},
    "data": {"timeColumn": "at", "window": "all"},
    "training": {"refit": False, "blend": False},
}


def reviews(start: str, good: str, bad: str, count: int = 300) -> str:
    random = np.random.default_rng(1)
    first = np.datetime64(start)
    lines = []
    for number in range(count):
        liked, nights, price = random.random() < 0.5, random.integers(1, 9), random.uniform(50, 500)
        stars = (4 if liked else 1) - 0.01 * price / nights + random.normal(0, 0.1)
        at = first + np.timedelta64(number, "h")
        lines.append(f"{at}:00Z,the room was {good if liked else bad},{nights},{price:.2f},{stars:.3f}")
    return "at,review,nights,price,stars\n" + "\n".join(lines) + "\n"


def test_texts_and_derived_features_reach_a_second_version(stage: Stage) -> None:
    files = {"0.csv": reviews("2026-01-01T00:00", "superb", "dreadful")}
    stage.apply(a_table("hotel-data", files), a_claim("hotel-models"), a_model("hotel", SPEC))
    first = stage.until_phase("hotel-v1", "Live", "Rejected", "Failed", "RolledBack", timeout=180)
    assert first["phase"] == "Live", first["message"]
    question = {
        "nights": [2.0, 2.0],
        "price": [100.0, 100.0],
        "review": ["the room was superb", "the room was dreadful"],
        "at": ["2026-02-01T12:00:00Z"] * 2,
    }
    liked, disliked = stage.predict("hotel", question)
    assert liked - disliked == pytest.approx(3, abs=0.8)
    files["1.csv"] = reviews("2026-02-01T00:00", "herrlich", "furchtbar")
    metrics = [{"name": "psi", "feature": "review.words", "value": 1.5, "chance": 0.001}]
    stage.apply(a_table("hotel-data", files), a_report("hotel-words", "hotel", metrics=metrics))
    second = stage.until_phase("hotel-v2", "Live", "Rejected", "Failed", "RolledBack", timeout=180)
    assert second["phase"] == "Live", second["message"]
    assert second["metrics"]["candidate"]["mse"] < second["metrics"]["live"]["mse"]
    stage.wait("the second version serves alone", lambda: stage.serves_alone("hotel-v2"))
    liked, disliked = stage.predict("hotel", question | {"review": ["the room was herrlich", "the room was furchtbar"]})
    assert liked - disliked > 2
