"""Numbers as a reader wants them: four digits, no exponent where it can be avoided, shares in percent."""

import math


def shown(number: float) -> str:
    """The number with four digits: `12,345`, `0.3124`; less than 1 is never `1`."""
    if 1000 <= abs(number) < 1e9:
        return f"{number:,.0f}"
    text = f"{number:.4g}"
    return f"{math.trunc(number * 1e4) / 1e4:.4g}" if text.strip("-") == "1" and abs(number) < 1 else text


def percent(share: float) -> str:
    """The share with two digits: `31 %`, `0.25 %`; 100 % is all."""
    text = f"{100 * share:.2g}" if abs(share) < 0.0995 else f"{100 * share:.0f}"
    return f"{'> 99' if text == '100' and share < 1 else text}\N{NO-BREAK SPACE}%"


def chance_text(chance: float) -> str:
    """How likely something is by chance, as a share: `0.3 %`, or `< 0.1 %`."""
    return "<\N{NO-BREAK SPACE}0.1\N{NO-BREAK SPACE}%" if chance < 0.001 else percent(chance)
