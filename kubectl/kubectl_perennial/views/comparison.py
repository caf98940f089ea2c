"""Two versions side by side, as plain fields: their specs, data, metrics and conditions."""

from __future__ import annotations

from typing import Any

from kubectl_perennial.client import Body
from kubectl_perennial.views.version import change

Pair = tuple[Any, Any]


def compare_versions(one: Body, other: Body) -> Body:
    """Each known field of both, in sections; of the metrics also whether the second version is better."""
    metrics, same_rows = _metrics(one, other)
    return {
        "versions": [one["metadata"]["name"], other["metadata"]["name"]],
        "asked": _pairs(_request(one), _request(other)),
        "parameters": _pairs(_parameters(one), _parameters(other)),
        "data": _pairs(_data(one), _data(other)),
        "sameRows": same_rows,
        "metrics": [
            {"name": name, "values": list(pair), **({} if None in pair else change(name, pair[0], pair[1]))}
            for name, pair in metrics.items()
        ],
        "conditions": _pairs(_conditions(one), _conditions(other)),
    }


def _pairs(one: Body, other: Body) -> dict[str, list[Any]]:
    """Field → both values, where at least one is set."""
    both = {name: [one.get(name), other.get(name)] for name in dict.fromkeys([*one, *other])}
    return {name: pair for name, pair in both.items() if pair != [None, None]}


def _metrics(one: Body, other: Body) -> tuple[dict[str, Pair], bool]:
    """Metric → both values, and whether they are of the same rows: if one was validated against the other."""
    first, second = _measured(one), _measured(other)
    if other["spec"].get("parent") == one["metadata"]["name"] and second.get("live"):
        return _both(second["live"], second["candidate"]), True
    if one["spec"].get("parent") == other["metadata"]["name"] and first.get("live"):
        return _both(first["candidate"], first["live"]), True
    return _both(first.get("candidate") or {}, second.get("candidate") or {}), False


def _both(one: Body, other: Body) -> dict[str, Pair]:
    return {name: (one.get(name), other.get(name)) for name in dict.fromkeys([*one, *other])}


def _measured(version: Body) -> Body:
    return (version.get("status") or {}).get("metrics") or {}


def _request(version: Body) -> Body:
    spec, status = version["spec"], version.get("status") or {}
    return {
        "phase": status.get("phase"),
        "trigger": spec["trigger"]["reason"],
        "why": spec["trigger"].get("message") or None,
        "created": version["metadata"]["creationTimestamp"],
        "parent": spec.get("parent"),
        "image": status.get("image"),
    }


def _parameters(version: Body) -> Body:
    model, chosen = version["spec"]["model"], (version.get("status") or {}).get("parameters") or {}
    features = model["features"]
    return {
        "framework": model.get("framework"),
        "estimator": model.get("estimator"),
        "numeric": ", ".join(features.get("numeric") or []) or None,
        "categorical": ", ".join(features.get("categorical") or []) or None,
        "text": ", ".join(each["column"] for each in features.get("text") or []) or None,
        "derived": ", ".join(each["name"] for each in features.get("derived") or []) or None,
        "transformers": ", ".join(each["transformer"] for each in features.get("transformers") or []) or None,
        "target": model["target"],
        **(model.get("parameters") or {}),
        **chosen,
    }


def _data(version: Body) -> Body:
    spec, facts = version["spec"]["data"], (version.get("status") or {}).get("data") or {}
    digest = facts.get("sha256")
    return {
        "source": _source(spec["training"]),
        "window": spec.get("window"),
        "start": facts.get("start"),
        "end": facts.get("end"),
        "rows": facts.get("rows"),
        "holdout rows": facts.get("holdoutRows"),
        "digest": digest[:12] if digest else None,
        **_models(version.get("status") or {}),
    }


def _source(place: Body) -> str | None:
    query = (place.get("sql") or {}).get("query")
    claim = (place.get("persistentVolumeClaim") or {}).get("claimName")
    table = place.get("delta") or place.get("iceberg") or {}
    return place.get("uri") or table.get("uri") or claim or (query and " ".join(query.split()))


def _models(status: Body) -> Body:
    """The digest of the model that serves, and which of the version's two models it is."""
    served, refit = status.get("artifact") or {}, status.get("refit") or {}
    validated = (refit.get("proven") or served).get("sha256")
    return {
        "model": served["sha256"][:12] if served.get("sha256") else None,
        "validated model": validated[:12] if validated else None,
        "blend": (status.get("blend") or {}).get("message"),
        "refit": refit.get("message"),
    }


def _conditions(version: Body) -> Body:
    conditions = (version.get("status") or {}).get("conditions") or []
    return {each["type"]: f"{each['reason']}: {each['message']}" for each in conditions}
