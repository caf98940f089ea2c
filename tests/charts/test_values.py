"""What values the chart takes, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from helm_python import Chart, HelmValuesError, lint

from tests.charts.chart import CASES, PATH, chart, rendered
from tests.charts.readme import VALUES, described, made

OPEN = {"global", "nodeSelector", "podLabels", "podAnnotations", "labels", "requests", "limits"}
"""Maps whose keys are the user's own."""
KUBERNETES = {
    "valueFrom",
    "nodeAffinity",
    "podAffinity",
    "podAntiAffinity",
    "podSelector",
    "namespaceSelector",
    "ipBlock",
}
"""Passed on as they are: the API server knows their fields."""


def objects(node: dict[str, Any], name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a schema, with the name of the property that it is."""
    if node.get("type") == "object":
        yield name, node
    for key, child in node.get("properties", {}).items():
        yield from objects(child, key)
    if isinstance(node.get("items"), dict):
        yield from objects(node["items"], f"{name}[]")


def leaves(node: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The properties that a comment describes, or that have no properties of their own."""
    for key, child in node["properties"].items():
        if "description" in child or "properties" not in child:
            yield (*above, key), child
        else:
            yield from leaves(child, (*above, key))


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_lint_has_nothing_to_say(values: dict[str, Any]) -> None:
    linted = lint(PATH, values, strict=True)
    messages = [message for message in linted["messages"] if "icon is recommended" not in message["error"]]
    assert (messages, linted["errors"]) == ([], [])


def test_the_readme_and_the_schema_say_what_values_yaml_says() -> None:
    stale = [file.name for file, text in made().items() if file.read_text() != text]
    assert not stale, "run python -m tests.charts.readme"


def test_every_value_is_described_and_has_a_default() -> None:
    in_values = [value.path for value in described(VALUES.read_text())]
    schema = chart().schema
    assert schema
    in_schema = {path: node.get("description") for path, node in leaves(schema) if path != ("global",)}
    assert sorted(in_schema) == sorted(in_values)
    assert all(in_schema.values())


def test_the_schema_is_strict() -> None:
    schema = chart().schema
    assert schema
    lax = {name for name, node in objects(schema) if node.get("additionalProperties") is not False}
    assert lax <= OPEN | KUBERNETES


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"replica": 3}, "additional properties 'replica' not allowed"),
        ({"replicas": "3"}, "at '/replicas': got string, want integer"),
        ({"replicas": -1}, "at '/replicas': minimum: got -1, want 0"),
        ({"image": {"tag": "a b"}}, "at '/image/tag': 'a b' does not match pattern"),
        ({"image": {"tag": "0.1.0@sha256:abc"}}, "at '/image/tag'"),
        ({"image": {"repository": ""}}, "at '/image/repository'"),
        ({"trainer": {"image": {"name": "x"}}}, "at '/trainer/image': additional properties 'name' not allowed"),
        ({"watchNamespaces": "team-a"}, "at '/watchNamespaces': got string, want array"),
        ({"watchNamespaces": ["team-a", "team-a"]}, "at '/watchNamespaces': items at 0 and 1 are equal"),
        ({"watchNamespaces": ["Team A"]}, "at '/watchNamespaces/0': 'Team A' does not match pattern"),
        ({"maxTrainings": 0}, "at '/maxTrainings': minimum: got 0, want 1"),
        ({"logFormat": "xml"}, "at '/logFormat': value must be one of 'text', 'json'"),
        ({"env": [{"value": "1"}]}, "at '/env/0': missing property 'name'"),
        ({"resources": {"cpu": 1}}, "at '/resources': additional properties 'cpu' not allowed"),
        ({"resources": {"limits": {"memory": "1 GB"}}}, "at '/resources/limits/memory': '1 GB' does not match"),
        ({"networkPolicy": {"apiServerPorts": []}}, "at '/networkPolicy/apiServerPorts': minItems: got 0, want 1"),
        ({"networkPolicy": {"metricsFrom": [{}]}}, "at '/networkPolicy/metricsFrom/0': minProperties"),
        ({"metrics": {"serviceMonitor": {"interval": "often"}}}, "at '/metrics/serviceMonitor/interval'"),
    ],
)
def test_a_bad_value_is_refused_with_its_place(values: dict[str, Any], place: str) -> None:
    with pytest.raises(HelmValuesError) as refusal:
        rendered(values)
    assert place in str(refusal.value)


def test_it_can_be_a_part_of_another_chart(tmp_path: Any) -> None:
    """Helm then hands `global` to it, which a strict schema must let pass."""
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "perennial").symlink_to(PATH)
    meta = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "type": "application"}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(meta))
    (tmp_path / "values.yaml").write_text("global: {domain: example.org}\n")
    with Chart.load(tmp_path) as platform:
        assert any(path.endswith("perennial/templates/deployment.yaml") for path in platform.render(name="x"))
