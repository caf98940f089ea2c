"""What a version was made of: the parts of its page that are the same at its training and at its validation."""

import json
from typing import Any

import msgspec

from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.profiling.quality import Findings, describe_findings
from perennial_trainer.reporting import html
from perennial_trainer.reporting.figures import bar_chart

MOST_TRIED = 20


def model_card_sections(record: Metadata, measured: dict[str, Any]) -> list[html.Section]:
    """Of the version's metadata.json and metrics.json."""
    data, source, found = record.data, record.source, measured.get("search")
    findings = measured.get("findings")
    missing = [(name, [share]) for name, share in measured["missing"].items()]
    times = {"oldest row fitted": data.start, "newest row": data.end}
    return [
        html.Notes("Findings in the data", describe_findings(msgspec.convert(findings, Findings)) if findings else []),
        html.pairs_table(
            "Model",
            {
                "estimator": record.model.estimator,
                "numeric features": ", ".join(record.model.features.numeric),
                "categorical features": ", ".join(record.model.features.categorical),
                "target": record.model.target,
                **record.parameters,
                **({"calibration": record.calibration} if record.calibration else {}),
            },
        ),
        html.pairs_table(
            "Data",
            {
                "source": source.uri,
                **{name: time for name, time in times.items() if time},
                "window": f"{source.window}: {data.span}" if source.window == "auto" else source.window,
                **data.counts,
                "rows fitted": data.rows,
                "rows held out": data.holdout_rows,
                "digest": data.sha256[:16],
            },
        ),
        bar_chart("Share missing, as read", missing, ["share"]),
        html.pairs_table("Values beyond the outer fences", measured["outliers"]),
        html.Table(
            "Spans of the history",
            list(measured["spans"].items()),
            ("span", "loss on the newest rows"),
        ),
        html.Table(
            f"Search: the best of {found['candidates'] if found else 0} candidates",
            [(json.dumps(each["parameters"]), each["score"]) for each in found["ranking"][:MOST_TRIED]]
            if found
            else [],
            ("parameters", found["scoring"] if found else ""),
        ),
        html.pairs_table("Made with", {"seed": record.seed, "Python": record.python, **record.libraries}),
    ]
