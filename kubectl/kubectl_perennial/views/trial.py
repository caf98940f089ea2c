"""A trial as plain fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from kubectl_perennial.simulation.trying.trial import STEPS, Trial
from perennial_operator.core.api.drift_report import BREACHED

Body = dict[str, Any]
DEFAULT_PORT, WIDTH = 8080, 60


def trial_fields(trial: Trial, uri: str, data: str | None, manifest: str) -> Body:
    """All that the terminal shows; messages name the data as they were given. `manifest` would be applied."""
    spec, source = trial.manifest.spec, data or uri

    def by_name(sentence: str) -> str:
        return sentence.replace(uri, source).replace(uri.removeprefix("file://"), source)

    return {
        "model": trial.manifest.name,
        "live": trial.is_live,
        "data": source.rpartition("/")[2] or source,
        "rows": trial.recognised.rows,
        "estimator": spec["model"]["estimator"],
        "steps": list(_steps(trial)),
        "recognised": [{"field": name, "value": value} for name, value in trial.recognised.fields.items()],
        "problems": [each._asdict() | {"sentence": by_name(each.sentence)} for each in trial.problems],
        "findings": [{"field": each.field, "sentence": by_name(each.sentence)} for each in trial.findings],
        "metrics": list(_metrics(trial)),
        "request": _request(trial, (spec.get("serving") or {}).get("port") or DEFAULT_PORT),
        "pages": [str(page) for page in _pages(trial)],
        "unknown": list(trial.unknown),
        "manifest": manifest,
    }


def manifest_text(documents: Sequence[Mapping[str, Any]]) -> str:
    """The objects as YAML that people read."""
    style: Body = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": WIDTH}
    return "---\n".join(str(yaml.safe_dump(dict(each), **style)) for each in documents)


def _steps(trial: Trial) -> Iterator[Body]:
    """What came of each step, up to the one that ends the trial."""
    for step, (done, message) in zip(STEPS, _endings(trial), strict=False):
        yield {"step": step, "done": done, "message": message}


def _endings(trial: Trial) -> Iterator[tuple[bool, str]]:
    recognised, reasons = trial.recognised, {each["type"]: each for each in trial.version.get("conditions") or []}
    yield bool(recognised.rows), f"{recognised.rows:,} rows" if recognised.rows else "no row can be used"
    trained = reasons.get("Trained", {"status": "False", "message": trial.version.get("message", "")})
    if trained["status"] != "True":
        count = len(trial.problems)
        yield (
            False,
            f"refused for {count} {'problem' if count == 1 else 'problems'}" if count else str(trained["message"]),
        )
        return
    yield True, str(trial.trained.get("message", "")).partition(";")[0]
    validated = reasons.get("Validated", {"status": "False", "message": trial.version.get("message", "")})
    yield validated["status"] == "True", str(validated["message"])
    if not trial.is_live:
        return
    if trial.report is None:
        yield True, "nothing is checked: drift.check is not set"
    else:
        yield trial.report["outcome"] not in BREACHED, str(trial.report["message"])
    if trial.request:
        yield trial.request.status == HTTPStatus.OK, f"answered a request with status {trial.request.status}"


def _metrics(trial: Trial) -> Iterator[Body]:
    measured = (trial.version.get("metrics") or {}).get("candidate") or trial.trained.get("metrics") or {}
    thresholds = (trial.manifest.spec.get("validation") or {}).get("thresholds") or []
    limits = {each["metric"]: {k: each[k] for k in ("min", "max") if each.get(k) is not None} for each in thresholds}
    for name, value in measured.items():
        yield {"name": name, "value": value, "baseline": trial.baseline.get(name), **limits.get(name, {})}


def _request(trial: Trial, port: int) -> Body | None:
    if trial.request is None:
        return None
    url = f"http://localhost:{port}{trial.request.path}"
    return {
        "url": url,
        "port": port,
        "body": trial.request.body,
        "status": trial.request.status,
        "answer": trial.request.answer,
    }


def _pages(trial: Trial) -> list[Path]:
    """The page of the version first: that of the validation, which has all of that of the training."""
    versions = [page for page in trial.pages if page.name == "validation.html"]
    trainings = [page for page in trial.pages if page.parent.name.endswith("-v1") and page not in versions]
    checks = [page for page in trial.pages if page not in (*versions, *trainings)]
    return [*(versions or trainings), *checks]
