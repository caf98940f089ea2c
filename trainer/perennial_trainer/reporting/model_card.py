"""What a version was made of: the parts of its page that are the same at its training and at its validation."""

import json
from typing import Any

import msgspec

from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.profiling.quality import Findings, sentences
from perennial_trainer.reporting import html as report
from perennial_trainer.reporting.figures import bars

MOST_TRIED = 20


def card(record: Metadata, measured: dict[str, Any]) -> list[report.Part]:
    """Of the version's metadata.json and metrics.json."""
    data, source, found = record.data, record.source, measured.get("search")
    findings = measured.get("findings")
    missing = [(name, [share]) for name, share in measured["missing"].items()]
    times = {"oldest row fitted": data.start, "newest row": data.end}
    return [
        report.Notes("Findings in the data", sentences(msgspec.convert(findings, Findings)) if findings else []),
        report.pairs(
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
        report.pairs(
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
        bars("Share missing, as read", missing, ["share"]),
        report.pairs("Values beyond the outer fences", measured["outliers"]),
        report.Table(
            "Spans of the history",
            list(measured["spans"].items()),
            ("span", "loss on the newest rows"),
        ),
        report.Table(
            f"Search: the best of {found['candidates'] if found else 0} candidates",
            [(json.dumps(each["parameters"]), each["score"]) for each in found["ranking"][:MOST_TRIED]]
            if found
            else [],
            ("parameters", found["scoring"] if found else ""),
        ),
        report.pairs("Made with", {"seed": record.seed, "Python": record.python, **record.libraries}),
    ]
