"""What the API server refuses, and with which messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubectl_perennial.admission.model_deployment import refusals
from perennial_operator.core.api.model_deployment import ModelDeployment
from perennial_operator.core.api.parsing import parse
from tests.builders import merged
from tests.kubectl import Kubectl, RefusedError

Body = dict[str, Any]


@pytest.fixture
def deployment(full: Path) -> Body:
    body: Body = yaml.safe_load(full.read_text())
    return body


@pytest.fixture
def version(deployment: Body) -> Body:
    """A version of the deployment that has been made."""
    spec = {key: deployment["spec"][key] for key in ("model", "data", "training")}
    spec |= {"modelDeployment": "bike-demand", "number": 4, "trigger": {"reason": "Initial"}}
    return {
        "apiVersion": "perennial.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": "bike-demand-v4"},
        "spec": spec,
    }


CAPTURE = {"secretRef": {"name": "capture-keys"}}
LABELS = {"uri": "s3://bikes/labels/*.csv", "key": "ride", "mature": "1d"}
SQL = {"query": "SELECT * FROM rides", "secretRef": {"name": "rides-reader"}}
REPORT: Body = {
    "apiVersion": "perennial.dev/v1alpha1",
    "kind": "DriftReport",
    "metadata": {"name": "bike-demand-2026-11-23"},
    "spec": {
        "modelDeployment": "bike-demand",
        "modelVersion": "bike-demand-v3",
        "window": {"start": "2026-11-22T00:00:00Z", "end": "2026-11-23T00:00:00Z"},
        "samples": 12000,
        "source": "a person",
        "metrics": [
            {"name": "psi", "feature": "temp", "value": 0.31},
            {"name": "mse", "value": 8123, "standardError": 210.0},
        ],
        "details": "s3://bikes/reports/2026-11-23.html",
    },
}


def refusal(kubectl: Kubectl, body: Body) -> str:
    with pytest.raises(RefusedError) as caught:
        kubectl.apply(body)
    return str(caught.value)


def test_a_full_deployment_is_accepted_with_the_defaults(kubectl: Kubectl, deployment: Body) -> None:
    (taken,) = kubectl.apply(deployment)
    assert parse(ModelDeployment, taken).spec == parse(ModelDeployment, {**taken, "spec": deployment["spec"]}).spec


def test_a_minimal_deployment_gets_the_defaults(kubectl: Kubectl, deployment: Body) -> None:
    asked = {key: deployment["spec"][key] for key in ("model", "data", "storage")}
    spec = {**asked, "model": {k: asked["model"][k] for k in ("estimator", "features", "target")}}
    (taken,) = kubectl.apply({**deployment, "metadata": {"name": "least"}, "spec": spec})
    assert parse(ModelDeployment, taken).spec == parse(ModelDeployment, {**taken, "spec": spec}).spec


def claim(path: str) -> Body:
    return {"data": {"training": {"uri": None, "persistentVolumeClaim": {"claimName": "rides", "path": path}}}}


def drift(**threshold: Any) -> Body:
    return {"drift": {"thresholds": [threshold]}}


def query(**limits: float) -> Body:
    return {"rollout": {"analysis": {"queries": [{"name": "queue", "query": "up", **limits}]}}}


def weights(*values: int) -> Body:
    return {"rollout": {"steps": [{"weight": value} for value in values]}}


def limits(**values: Any) -> Body:
    return {"training": {"pod": {"resources": {"limits": values}}}}


@pytest.mark.parametrize(
    ("change", "field", "fix"),
    [
        ({"model": {"features": None}}, "spec.model.features", "Required value"),
        ({"data": {"labels": LABELS}}, "spec.data.labels", "set captured: true in data.training or"),
        ({"data": {"training": {"captured": True}}}, "spec.data.training", "name their labels in data.labels"),
        (
            {
                "drift": {"check": {"data": {"uri": None, "captured": True}, "window": 99}},
                "serving": {"capture": CAPTURE | {"exclude": ["temp"]}},
            },
            "spec.drift.check.data",
            "captured rows lack the inputs of serving.capture.exclude",
        ),
        (
            {"data": {"training": {"captured": True}, "labels": LABELS}, "serving": {"capture": None}},
            "spec.serving",
            "nothing is captured; set serving.capture",
        ),
        (
            {"drift": {"check": {"data": {"captured": True}, "window": 99}}, "data": {"timeColumn": None}},
            "spec.data",
            "captured rows are ordered by time; set data.timeColumn",
        ),
        (
            {
                "drift": {"check": {"data": {"captured": True}, "window": "24h"}, "challenger": {"enabled": False}},
                "data": {"labels": LABELS},
            },
            "spec.drift.check.window",
            "no row of the window is older than data.labels.mature",
        ),
        (
            {
                "data": {"training": {"captured": True}, "labels": LABELS | {"mature": "48h"}},
                "serving": {"capture": CAPTURE | {"retain": "2d"}},
            },
            "spec.serving.capture.retain",
            "a longer retain than data.labels.mature",
        ),
        (
            {
                "drift": {"check": {"data": {"captured": True}, "window": "73h"}},
                "serving": {"capture": CAPTURE | {"retain": "3d"}},
            },
            "spec.serving.capture.retain",
            "at least as long a retain as drift.check.window",
        ),
        ({"data": {"training": {"uri": None, "captured": False}}}, "spec.data.training", "or captured: true"),
        ({"data": {"labels": {**LABELS, "sql": SQL}}}, "spec.data.labels", "give exactly one of uri"),
        ({"model": {"features": {"numeric": None, "categorical": None}}}, "spec.model.features", "name at least one"),
        (
            {"model": {"features": {"categorical": ["temp"]}}},
            "spec.model.features.categorical",
            "remove it from one of",
        ),
        ({"model": {"features": {"numeric": ["temp", "temp"]}}}, "spec.model.features.numeric", "uplicate"),
        (
            {"model": {"target": "temp"}},
            "spec.model.target",
            "target temp must not be a feature; remove it from model.features",
        ),
        (
            {"model": {"estimator": "os.system"}},
            "spec.model.estimator",
            "os.system is not the full name of a class of sklearn",
        ),
        (
            {"model": {"estimator": "LinearRegression"}},
            "spec.model.estimator",
            "give one of docs/estimators.md such as sklearn.linear_model.",
        ),
        (
            {"model": {"estimator": "catboost.CatBoostRegressor"}},
            "spec.model.estimator",
            "class of sklearn (of sklearn, lightgbm or xgboost with framework sklearn); give one of docs/estimators.md such "
            "as sklearn.linear_model.LinearRegression, <package>:<entry point> of a package that the administrator allows, "
            "or an image of your own with framework custom",
        ),
        *(
            ({"model": {"estimator": name}}, "spec.model.estimator", "is not the full name of a class of sklearn")
            for name in (":ridge", "acme-trees:", "Acme:trees", "acme_trees:ridge", "acme:a:b", "acme:os.system()")
        ),
        ({"model": {"framework": "keras", "estimator": "acme:net"}}, "spec.model.estimator", "class of keras"),
        (
            {"model": {"format": "skops", "estimator": "acme-trees:ridge"}},
            "spec.model.format",
            "format skops stores only the trainer's own estimators",
        ),
        (
            {"model": {"framework": "keras", "format": "skops", "estimator": "keras.Sequential"}},
            "spec.model.format",
            "remove format",
        ),
        (
            {"model": {"framework": "custom", "estimator": "mean"}, "training": {"pod": {"image": None}}},
            "spec.training.pod",
            "set training.pod.image",
        ),
        (
            {"training": {"search": None, "engine": {"dask": {"workers": 2}}}},
            "spec.training.engine",
            "engine needs a search, or an estimator of LightGBM or XGBoost",
        ),
        (
            {"training": {"engine": {"dask": {"workers": 2, "address": "tcp://dask:8786"}}}},
            "spec.training.engine.dask",
            "give either workers, to start that many pods, or the address",
        ),
        ({"training": {"engine": {"dask": {"workers": 0}}}}, "spec.training.engine.dask.workers", "greater than or"),
        (
            {"training": {"engine": {"dask": {"address": "dask:8786"}}}},
            "spec.training.engine.dask.address",
            "give a scheduler's address such as tcp://dask.team-a:8786",
        ),
        ({"model": {"task": "clustering"}}, "spec.model.task", 'supported values: "regression", "classification"'),
        (
            {"data": {"holdout": 1.5}},
            "spec.data.holdout",
            "1.5: spec.data.holdout in body should be less than or equal to 0.5",
        ),
        (
            {"data": {"window": "3x"}},
            "spec.data.window",
            '"3x": give auto, all, a duration such as 90d, or a number of rows',
        ),
        ({"data": {"window": 0}}, "spec.data.window", "0: give auto, all, a duration such as 90d, or a number of rows"),
        (
            {"data": {"window": "90d", "timeColumn": None}},
            "spec.data.window",
            "a duration needs timeColumn; set it, or give auto, all or a number of rows",
        ),
        ({"data": {"timeColumn": "cnt"}}, "spec.data.timeColumn", "timeColumn must not be the target"),
        ({"serving": {"capture": {"secretRef": None}}}, "spec.serving.capture.secretRef", "Required value"),
        (
            {"serving": {"capture": CAPTURE | {"retain": "12h"}}},
            "spec.serving.capture.retain",
            "at least 1, such as 180d",
        ),
        ({"history": {"artifacts": 11}}, "spec.history.artifacts", "give at most history.versions"),
        ({"serving": {"capture": CAPTURE | {"key": "temp"}}}, "spec.serving.capture.key", "must not be a feature"),
        (
            {"serving": {"capture": CAPTURE | {"exclude": ["tmep"]}}},
            "spec.serving.capture.exclude",
            "only columns that requests have can be excluded",
        ),
        (
            {"model": {"target": "perennial.time"}},
            "spec.model",
            "names begin with perennial.; rename the feature or the target",
        ),
        ({"data": {"groupColumn": "cnt"}}, "spec.data.groupColumn", "groupColumn must not be a feature, the target"),
        ({"data": {"keep": ["station", "cnt"]}}, "spec.data.keep", "the holdout has features, target and time anyway"),
        ({"data": {"allowLeaks": ["station"]}}, "spec.data.allowLeaks", "only a feature can be allowed to leak"),
        ({"model": {"positiveClass": "1"}}, "spec.model.positiveClass", "positiveClass is for classification"),
        (
            {"data": {"training": {"persistentVolumeClaim": {"claimName": "rides"}}}},
            "spec.data.training",
            "give exactly one of uri, persistentVolumeClaim, sql, delta and iceberg",
        ),
        (
            {"data": {"training": {"uri": None}}},
            "spec.data.training",
            "give exactly one of uri, persistentVolumeClaim, sql, delta and iceberg",
        ),
        ({"data": {"training": {"sql": SQL}}}, "spec.data.training", "give exactly one of uri"),
        (
            {"data": {"training": {"uri": None, "sql": SQL, "secretRef": {"name": "rides"}}}},
            "spec.data.training.secretRef",
            "name the Secret in sql.secretRef",
        ),
        (
            {"data": {"training": {"uri": None, "sql": {**SQL, "query": "DELETE FROM rides"}}}},
            "spec.data.training.sql.query",
            "give a query that starts with SELECT or WITH",
        ),
        (
            {"data": {"training": {"uri": "ftp://bikes"}}},
            "spec.data.training.uri",
            '"ftp://bikes": give the files\' address',
        ),
        (claim("../other"), "spec.data.training.persistentVolumeClaim.path", "path must not contain '..'"),
        (
            claim("/rides"),
            "spec.data.training.persistentVolumeClaim.path",
            '"/rides": give a path below the claim\'s root',
        ),
        ({"storage": {"uri": "https://models"}}, "spec.storage.uri", "a folder that can be written"),
        (
            {"storage": {"secretRef": {"name": "S3 keys"}}},
            "spec.storage.secretRef.name",
            '"S3 keys": give an object\'s name',
        ),
        (
            drift(metric="psi"),
            "spec.drift.thresholds[0]",
            "the threshold on psi has no limit; give max, min or maxIncrease",
        ),
        (
            drift(metric="fancy", min=3, max=1),
            "spec.drift.thresholds[0].min",
            "no value of fancy could pass; swap them",
        ),
        (
            drift(metric="r2", min=1.5),
            "spec.drift.thresholds[0].min",
            "for r2: it is never above 1; give a limit of at most 1",
        ),
        (
            drift(metric="r2", maxIncrease=0.1),
            "spec.drift.thresholds[0].maxIncrease",
            "which r2 is not; give max or min",
        ),
        (drift(metric="psi", max=0.2, sigmas=3), "spec.drift.thresholds[0].sigmas", "goes with maxIncrease; add it"),
        (
            drift(metric="psi", max=-1),
            "spec.drift.thresholds[0].max",
            "for psi: it is never negative; give a limit of 0 or",
        ),
        (drift(metric="psi", min=0.1), "spec.drift.thresholds[0].min", "for psi: smaller is better; give max instead"),
        (
            drift(metric="accuracy", max=0.8),
            "spec.drift.thresholds[0].max",
            "for accuracy: greater is better; give min",
        ),
        (drift(metric="accuracy", min=80), "spec.drift.thresholds[0].min", "for accuracy: it lies between 0 and 1"),
        (
            drift(metric="PSI of temp", max=1),
            "spec.drift.thresholds[0].metric",
            '"PSI of temp": give the name of a metric',
        ),
        ({"drift": {"thresholds": []}}, "spec.drift.thresholds", "should have at least 1 items"),
        (
            {"drift": {"check": {"window": "auto"}}},
            "spec.drift.check.window",
            "auto is for training; give all, a duration",
        ),
        (
            {"data": {"timeColumn": None}},
            "spec.drift.check.window",
            "a duration needs data.timeColumn; set it, or give all or a number of rows",
        ),
        (
            {"data": {"timeColumn": None}, "drift": {"quality": {"maxAge": "6h"}}},
            "spec.drift.quality.maxAge",
            "maxAge needs data.timeColumn",
        ),
        ({"drift": {"quality": {"maxMissing": 1.5}}}, "spec.drift.quality.maxMissing", "less than or equal to 1"),
        (
            {"validation": {"thresholds": [{"metric": "accuracy", "min": 0.8}]}},
            "spec.validation.thresholds",
            "not measured for regression; give one of mse, rmse, mae, r2",
        ),
        (
            {"validation": {"against": {"metric": "f1"}}},
            "spec.validation.against.metric",
            "f1 is not measured for regression; give one of mse, rmse, mae, r2",
        ),
        ({"validation": {"against": {"metric": "speed"}}}, "spec.validation.against.metric", 'supported values: "mse"'),
        ({"validation": {"against": {"confidence": 0.5}}}, "spec.validation.against.confidence", "greater than 0.5"),
        (
            {"model": {"framework": "keras", "estimator": "keras.Sequential"}, "training": {"calibration": "sigmoid"}},
            "spec.training.calibration",
            "calibration is not available for Keras",
        ),
        (
            {"training": {"calibration": "sigmoid"}},
            "spec.training.calibration",
            "for classification only; remove it, or set model.task to classification",
        ),
        (
            {"validation": {"slices": [{"column": "region", "metric": "mse", "maxRatio": 2}]}},
            "spec.validation.slices",
            "the column of a slice is not a feature of the model; name one of model.features",
        ),
        (
            {"validation": {"slices": [{"column": "season", "metric": "f1", "maxRatio": 2}]}},
            "spec.validation.slices",
            "the metric of a slice is not measured for regression; give one of mse, rmse, mae",
        ),
        (
            {"validation": {"slices": [{"column": "season", "metric": "r2", "maxRatio": 2}]}},
            "spec.validation.slices[0].metric",
            'supported values: "mse"',
        ),
        (
            {"validation": {"slices": [{"column": "season", "metric": "mse", "maxRatio": 0.9}]}},
            "spec.validation.slices[0].maxRatio",
            "greater than or equal to 1",
        ),
        (weights(50, 20), "spec.rollout.steps", "give each step a greater weight than the one before"),
        (weights(20, 20), "spec.rollout.steps", "give each step a greater weight than the one before"),
        (weights(20, 60, 50, 80), "spec.rollout.steps", "give each step a greater weight than the one before"),
        (
            {"rollout": {"gateway": None, "shadow": "30m"}},
            "spec.rollout.shadow",
            "name it in gateway, or remove shadow",
        ),
        (
            {"rollout": {"analysis": None}},
            "spec.rollout.shadow",
            "add analysis ({} takes all defaults), or remove shadow",
        ),
        (
            {"serving": {"runtime": "kserve"}},
            "spec.rollout.gateway",
            "KServe splits the traffic; remove rollout.gateway and rollout.shadow",
        ),
        (
            {"serving": {"runtime": "kserve", "replicas": 0}},
            "spec.serving.replicas",
            "with runtime kserve a version is checked by its ready pods; give at least 1 replica",
        ),
        (
            {"rollout": {"gateway": None}, "serving": {"runtime": "kserve"}, "storage": {"sameNode": True}},
            "spec.storage.sameNode",
            "KServe places the pods; remove storage.sameNode",
        ),
        ({"serving": {"runtime": "knative"}}, "spec.serving.runtime", 'supported values: "deployment", "kserve"'),
        ({"rollout": {"gateway": {"httpRoute": "A B"}}}, "spec.rollout.gateway.httpRoute", "give an object's name"),
        ({"rollout": {"gateway": {"httpRoute": None}}}, "spec.rollout.gateway.httpRoute", "Required value"),
        (weights(100), "spec.rollout.steps[0].weight", "should be less than or equal to 99"),
        (
            {"rollout": {"steps": [], "shadow": None}},
            "spec.rollout.analysis",
            "give at least one step, or remove analysis",
        ),
        (
            {"rollout": {"analysis": {"minRequests": 0, "queries": []}}},
            "spec.rollout.analysis.minRequests",
            "give minRequests of 1 or more, or a query",
        ),
        (query(), "spec.rollout.analysis.queries[0]", "the query has no limit; give max or min"),
        (query(min=3, max=1), "spec.rollout.analysis.queries[0].min", "no value could pass; swap them"),
        (
            {"rollout": {"analysis": {"maxLatencyRatio": 0.5}}},
            "spec.rollout.analysis.maxLatencyRatio",
            "greater than or equal to 1",
        ),
        (
            {"rollout": {"timeout": "5 minutes"}},
            "spec.rollout.timeout",
            '"5 minutes": give a duration: a number and s, m, h',
        ),
        ({"rollout": {"timeout": "0s"}}, "spec.rollout.timeout", '"0s": give a duration'),
        ({"training": {"schedule": "3 * *"}}, "spec.training.schedule", '"3 * *": give a cron schedule of five fields'),
        (
            {"training": {"schedule": "99 * * * *"}},
            "spec.training.schedule",
            '"99 * * * *": give a cron schedule of five',
        ),
        (
            {"training": {"schedule": "@daily"}},
            "spec.training.schedule",
            '"@daily": give a cron schedule of five fields',
        ),
        (limits(memory="lots"), "spec.training.pod.resources.limits", '"lots": give a quantity such as 500m, 2 or 1Gi'),
        (
            {"serving": {"replicas": -1}},
            "spec.serving.replicas",
            "-1: spec.serving.replicas in body should be greater than",
        ),
        (
            {"serving": {"port": 80}},
            "spec.serving.port",
            "80: spec.serving.port in body should be greater than or equal to",
        ),
        ({"servng": {}}, ".spec.servng", "field not declared in schema"),
        (
            {"pin": "other-v3"},
            "spec.pin",
            "other-v3 is not a version of this ModelDeployment; give one such as bike-demand-v1",
        ),
    ],
)
def test_bad_input_is_refused_with_the_field_and_the_fix(
    kubectl: Kubectl, deployment: Body, change: Body, field: str, fix: str
) -> None:
    body = {**deployment, "spec": merged(deployment["spec"], change)}
    message = refusal(kubectl, body)
    assert field in message
    assert fix in message
    sentences = [str(cause) for cause in refusals(body)]  # what `kubectl perennial backtest` says of it
    assert (sentences or "not declared" in fix) and [each for each in sentences if each not in message] == []


@pytest.mark.parametrize("name", ["3bikes", "bike.demand", "b" * 41])
def test_a_name_too_long_or_odd_for_derived_names_is_refused(kubectl: Kubectl, deployment: Body, name: str) -> None:
    message = refusal(kubectl, merged(deployment, {"metadata": {"name": name}, "spec": {"pin": None}}))
    assert "metadata.name" in message
    assert "starts with a letter, has only a-z, 0-9 and -" in message or "may not be more than 40" in message


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"schedule": "*/5,3 0-6/2 L * mon-fri"}},
        {"training": {"schedule": " 0  3 * * 1#2 "}},
        {"data": {"window": 5000, "training": {"secretRef": {"name": "s3.keys"}}}},
        {"serving": {"replicas": 0}},
        limits(cpu=2, memory="512Mi"),
        {"drift": {"thresholds": [{"metric": "what_a_tool_calls_it", "min": -3, "max": 3}]}},
        {"model": {"estimator": "acme-trees:gradient_boosted.Trees-2"}},
    ],
)
def test_unusual_but_valid_input_is_accepted(kubectl: Kubectl, deployment: Body, change: Body) -> None:
    (taken,) = kubectl.apply({**deployment, "spec": merged(deployment["spec"], change)})
    assert parse(ModelDeployment, taken)


def test_storage_is_immutable_once_a_version_is_live(kubectl: Kubectl, deployment: Body) -> None:
    body = merged(deployment, {"metadata": {"name": "moving"}, "spec": {"pin": None}})
    elsewhere = merged(body, {"spec": {"storage": {"uri": "s3://elsewhere/perennial"}}})
    on_a_claim = merged(body, {"spec": {"storage": {"uri": None, "persistentVolumeClaim": {"claimName": "models"}}}})
    kubectl.apply(body)
    kubectl.apply(elsewhere)
    kubectl.patch("ModelDeployment", "moving", {"status": {"liveVersion": "moving-v1"}}, "status")
    for moved in (body, on_a_claim):
        message = refusal(kubectl, moved)
        assert "spec.storage: Invalid value: storage is immutable once a version is live" in message
    kubectl.apply(merged(elsewhere, {"spec": {"storage": {"secretRef": {"name": "new-keys"}}}}))


@pytest.mark.parametrize("change", [{"serving": {"runtime": "kserve"}}, {"serving": None}])
def test_serving_runtime_is_immutable(kubectl: Kubectl, deployment: Body, change: Body) -> None:
    asked = {"metadata": {"name": "chosen"}, "spec": {"pin": None, "rollout": {"gateway": None, "shadow": None}}}
    other = "deployment" if change["serving"] else "kserve"
    (taken,) = kubectl.apply(merged(merged(deployment, asked), {"spec": {"serving": {"runtime": other}}}))
    assert taken["spec"]["serving"]["runtime"] == other
    message = refusal(kubectl, merged(merged(deployment, asked), {"spec": change}))
    assert "spec.serving.runtime" in message
    assert "create another ModelDeployment with it, and delete this one when its clients have moved" in message
    kubectl.delete("ModelDeployment", "chosen")


def test_the_spec_of_a_version_is_immutable(kubectl: Kubectl, version: Body) -> None:
    kubectl.apply(version)
    message = refusal(kubectl, merged(version, {"spec": {"number": 5}}))
    assert "spec: Invalid value: spec is immutable; change the ModelDeployment" in message


def test_a_version_is_named_after_its_deployment(kubectl: Kubectl, version: Body) -> None:
    message = refusal(kubectl, merged(version, {"metadata": {"name": "mine"}}))
    assert "metadata.name: Invalid value: the name must be <spec.modelDeployment>-v<spec.number>" in message


def test_the_spec_of_a_report_is_immutable(kubectl: Kubectl) -> None:
    kubectl.apply(REPORT)
    message = refusal(kubectl, merged(REPORT, {"spec": {"samples": 12001}}))
    assert "spec: Invalid value: spec is immutable; create a new report" in message


@pytest.mark.parametrize(
    ("change", "field", "fix"),
    [
        ({"samples": -1}, "spec.samples", "should be greater than or equal to 0"),
        ({"samples": None}, "spec.samples", "Required value"),
        ({"modelDeployment": None}, "spec.modelDeployment", "Required value"),
        ({"window": {"start": "2026-12-01T00:00:00Z"}}, "spec.window.start", "start is after end; swap them"),
        ({"window": {"start": "yesterday"}}, "spec.window.start", "yesterday"),
        ({"window": {"end": None}}, "spec.window.end", "Required value"),
        ({"modelVersion": None, "against": {"modelVersion": "bike-v2"}}, "spec.against", "name both, in modelVersion"),
        (
            {"modelVersion": "bike-v3", "against": {"modelVersion": "bike-v3"}},
            "spec.against",
            "another version than that of the report",
        ),
        ({"metrics": [{"name": "psi"}]}, "spec.metrics[0].value", "Required value"),
        ({"metrics": [{"name": "psi", "value": "high"}]}, "spec.metrics[0].value", "numeric"),
        (
            {"metrics": [{"name": "psi", "value": 1, "standardError": -1}]},
            "spec.metrics[0].standardError",
            "greater than or",
        ),
    ],
)
def test_a_bad_report_is_refused_with_the_field(kubectl: Kubectl, change: Body, field: str, fix: str) -> None:
    message = refusal(kubectl, merged(REPORT, {"metadata": {"name": "bad"}, "spec": change}))
    assert field in message
    assert fix in message or "must be of type" in message


def test_kubectl_get_prints_the_columns(kubectl: Kubectl, deployment: Body, version: Body) -> None:
    for body in (deployment, version, REPORT):
        kubectl.apply(body)
    heads = [block.splitlines()[0].split() for block in kubectl.table("mdep,mver,drep").split("\n\n")]
    assert heads == [
        ["NAME", "LIVE", "CANDIDATE", "PHASE", "WEIGHT", "DRIFT", "READY", "AGE"],
        ["NAME", "MODEL", "PHASE", "TRIGGER", "METRIC", "AGE"],
        ["NAME", "MODEL", "VERSION", "SAMPLES", "OUTCOME", "AGE"],
    ]
