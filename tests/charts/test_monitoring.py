"""Alerts, dashboard and monitors fit the metrics of the operator."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
from cloudcoil.models.prometheus_operator.v1 import PrometheusRule, ServiceMonitor

from perennial_operator.telemetry.metrics import Metrics
from tests.charts.chart import CASES, PATH, of_kind

ON = CASES["everything on"]
GRAFANA = {"$__rate_interval": "5m", "$namespace": ".*", "$model": ".*"}
DASHBOARD: dict[str, Any] = json.loads((PATH / "files" / "dashboard.json").read_text())
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def measured() -> dict[str, set[str]]:
    """Series name → the labels that the operator gives it."""
    families: dict[str, set[str]] = {}
    metrics = Metrics()
    for collector in [*metrics.registry._collector_to_names, metrics]:
        for family in collector.describe() if hasattr(collector, "describe") else collector.collect():
            labels = set(getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ()))
            extra = {"le"} if family.type == "histogram" else set()
            families |= {family.name + suffix: labels | extra for suffix in SUFFIXES[family.type]}
    return families


def selectors(expression: Any) -> Iterator[Any]:
    """The vector selectors of a parsed expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (inner := getattr(expression, part, None)) is not None:
            yield from selectors(inner)
    for argument in getattr(expression, "args", ()):
        yield from selectors(argument)


def alerts() -> list[dict[str, Any]]:
    return [rule for group in of_kind("PrometheusRule", ON)[0]["spec"]["groups"] for rule in group["rules"]]


def queries() -> dict[str, str]:
    """What is asked of Prometheus, by the alert or the panel that asks."""
    asked = {alert["alert"]: alert["expr"] for alert in alerts()}
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            text = target["expr"]
            for name, value in GRAFANA.items():
                text = text.replace(name, value)
            asked[f"{panel['title']} {target['refId']}"] = text
    return asked


@pytest.mark.parametrize("query", queries().values(), ids=queries())
def test_every_query_is_promql_about_what_the_operator_measures(query: str) -> None:
    known = measured()
    parsed = list(selectors(promql_parser.parse(query)))
    assert parsed
    for selector in parsed:
        assert selector.name in known
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= known[selector.name] | {"job", "namespace"}


def test_every_metric_is_shown_by_the_dashboard() -> None:
    shown = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    families = {re.sub("_(total|bucket|sum|count)$", "", name) for name in measured()}
    assert {family for family in families if family not in shown} == set()


@pytest.mark.parametrize("model", [ServiceMonitor, PrometheusRule], ids=lambda model: model.__name__)
def test_prometheus_operator_knows_every_field(model: Any) -> None:
    """Its models drop what they do not know."""
    document = of_kind(model.__name__, ON)[0]
    assert model.model_validate(document).model_dump(mode="json", by_alias=True, exclude_unset=True) == document


def test_the_service_monitor_finds_the_service_by_its_labels() -> None:
    monitor = of_kind("ServiceMonitor", ON)[0]
    labels = of_kind("Service", ON)[0]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["description"].endswith(".")
    used = set(re.findall(r"\$labels\.(\w+)", str(alert["annotations"])))
    grouped = re.search(r"by \(([^)]*)\)", alert["expr"])
    assert used <= set(grouped[1].split(", ") if grouped else ())


def test_dashboard_panels_do_not_overlap_and_have_own_titles() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_grafana_s_sidecar_is_given_the_dashboard_as_it_is() -> None:
    config = of_kind("ConfigMap", ON)[0]
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config["data"]["perennial.json"]) == DASHBOARD
