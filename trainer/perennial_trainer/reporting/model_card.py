"""The sections about the making of a version, the same on its training page and on its validation page."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.profiling.quality import Findings, describe_findings
from perennial_trainer.reporting.drawing.bars import bar_chart
from perennial_trainer.reporting.drawing.figures import Figure
from perennial_trainer.reporting.html import Notes, Section, Table, pairs_table
from perennial_trainer.reporting.numbers import percent

MAX_CANDIDATES = 20


def model_card_sections(metadata: Metadata, metrics: dict[str, Any]) -> list[Section]:
    """The sections for a version's metadata.json and metrics.json."""
    return [
        _adopted(metadata),
        _findings(metrics),
        _model(metadata),
        _data(metadata),
        _blend(metrics),
        _refit(metrics),
        Notes("How the rows were read", metrics.get("reading", [])),
        _missing(metrics),
        pairs_table("Outliers (values outside the outer fences)", metrics["outliers"]),
        Table("Spans of the history", list(metrics["spans"].items()), ("span", "loss on the newest rows")),
        _search(metrics),
        pairs_table("Software", {"seed": metadata.seed, "Python": metadata.python, **metadata.libraries}),
    ]


def asked_for(metrics: dict[str, Any]) -> list[str]:
    """What asked for the training, as a sentence; none if the task did not say."""
    trigger = metrics.get("trigger")
    if not trigger:
        return []
    why = f": {trigger['message']}" if trigger.get("message") else ""
    return [f"Asked for by {trigger['reason']}{why}."]


def _adopted(metadata: Metadata) -> Notes:
    """What is not known of a model that was not trained here."""
    if not (adopted := metadata.adopted):
        return Notes("Adopted", [])
    where = f"The model is {adopted.uri} ({adopted.format}, sha256 {adopted.sha256[:16]}); nothing was fitted."
    flatters = "It may know the rows of the holdout, so its metrics may flatter it."
    return Notes("Adopted", [where, "Which rows it has learned is not known.", flatters])


def _findings(metrics: dict[str, Any]) -> Notes:
    findings = metrics.get("findings")
    lines = describe_findings(msgspec.convert(findings, Findings)) if findings else []
    return Notes("Findings in the data", lines)


def _model(metadata: Metadata) -> Table:
    model = metadata.model
    values = {
        "estimator": metadata.estimator,
        **({"numeric features": ", ".join(model.features.numeric)} if model.features.numeric else {}),
        **({"categorical features": ", ".join(model.features.categorical)} if model.features.categorical else {}),
        **{f"text {each.column}": each.described for each in model.features.hashed},
        **{f"derived feature {each.name}": each.described for each in model.features.derived},
        **{f"transformer of {', '.join(each.columns)}": each.described for each in model.features.transformers},
        "target": model.target,
        **dict(_parameters(metadata.parameters)),
    }
    if metadata.calibration:
        values["calibration"] = metadata.calibration
    return pairs_table("Model", values)


def _parameters(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each parameter by its name; those of an estimator inside as `<name>__<parameter>`, as a search names them."""
    for name, value in parameters.items():
        inside = [each for each in (value if isinstance(value, list) else [value]) if _is_estimator(each)]
        if not inside:
            yield f"{prefix}{name}", value
        for each in inside:
            inner = f"{prefix}{each.get('name', name)}"
            yield inner, each["estimator"]
            yield from _parameters(each.get("parameters", {}), f"{inner}__")


def _is_estimator(value: Any) -> bool:
    return isinstance(value, dict) and "estimator" in value


def _data(metadata: Metadata) -> Table:
    data, source = metadata.data, metadata.source
    times = {"oldest row fitted": data.start, "newest row": data.end}
    values = {
        "source": source.uri,
        **{name: time for name, time in times.items() if time},
        "window": f"{source.window}: {data.span}" if source.window == "auto" else source.window,
        **data.counts,
        "training rows": data.rows,
        "rows held out": data.holdout_rows,
        "digest": data.sha256[:16],
    }
    return pairs_table("Data", values)


def _blend(metrics: dict[str, Any]) -> Table:
    blend = metrics.get("blend")
    if not blend:
        return pairs_table("Blend", {})
    weights = {f"weight of {name}": weight for name, weight in blend["weights"].items()}
    return pairs_table("Blend", {"blend": blend["message"]} | weights)


def _refit(metrics: dict[str, Any]) -> Table:
    refit = metrics.get("refit")
    if not refit:
        return pairs_table("Refit", {})
    values = {"refit": refit["message"]} | ({"rows fitted": refit["rows"]} if refit["rows"] else {})
    worst = {f"{each['name']} of {each['feature']}, holdout": each["value"] for each in refit["quality"]}
    return pairs_table("Refit", values | worst)


def _missing(metrics: dict[str, Any]) -> Figure:
    shares = [(name, [share]) for name, share in metrics["missing"].items()]
    return bar_chart("Missing values, before cleaning", shares, ["share"], axis_name="share of rows", write=percent)


def _search(metrics: dict[str, Any]) -> Table:
    search = metrics.get("search")
    if not search:
        return Table("Search", [])
    ranking = [(json.dumps(each["parameters"]), each["score"]) for each in search["ranking"][:MAX_CANDIDATES]]
    return Table(f"Search: the best of {search['candidates']} candidates", ranking, ("parameters", search["scoring"]))
