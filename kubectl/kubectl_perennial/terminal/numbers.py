"""Metrics as text: the value, and whether it is better than another."""

from __future__ import annotations

from rich.text import Text

from kubectl_perennial.client import Body
from perennial_operator.core.api.values import shown


def better_or_worse(by: Body) -> Text:
    """`12 % better` in green or `worse` in red; the difference where a share has no meaning."""
    if "better" not in by:
        return Text("the same", "dim")
    much = f"{abs(by['share']) * 100:.3g} %" if "share" in by else shown(abs(by["difference"]))
    return Text(f"{much} better", "green") if by["better"] else Text(f"{much} worse", "red")


def metric_text(metric: Body | None) -> Text:
    """`mse 88.1 (live 100, 12 % better)`."""
    if metric is None:
        return Text("")
    line = Text(f"{metric['name']} {shown(metric['value'])}")
    if "live" in metric:
        line.append(f" (live {shown(metric['live'])}, ", "dim").append_text(better_or_worse(metric)).append(")", "dim")
    return line
