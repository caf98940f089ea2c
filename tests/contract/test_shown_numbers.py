"""Operator and trainer show people the same number in the same way."""

from __future__ import annotations

import pytest

from perennial_operator.core.api import values
from perennial_trainer.reporting import numbers


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.31236, "0.3124"),
        (12345.6, "12,346"),
        (1, "1"),
        (0.99994, "0.9999"),
        (0.99999, "0.9999"),
        (-0.99999, "-0.9999"),
        (1.00001, "1"),
    ],
)
def test_a_share_that_is_not_all_is_never_shown_as_1(number: float, text: str) -> None:
    assert values.shown(number) == numbers.shown(number) == text
