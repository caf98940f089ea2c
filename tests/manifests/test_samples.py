"""Every file under manifests/ is what an API server takes, and every sample does what its first lines say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from perennial_operator.core.names import APPROVED, RETRAIN
from perennial_trainer.captured.keys import captured_key
from tests.builders import merged
from tests.cluster import Resource
from tests.gateway import DEFINITION
from tests.kubectl import APPLY, Kubectl, RefusedError, documents
from tests.manifests.conftest import define
from tests.samples import FOLDER, apply_first, request
from tests.stage import ROOT, Stage

FOR_KUSTOMIZE = {"kustomization.yaml", "images.yaml"}
FILES = [file for file in sorted((ROOT / "manifests").rglob("*.yaml")) if file.name not in FOR_KUSTOMIZE]
POLICIES = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}
CLUSTER_WIDE = {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", *POLICIES}
S3, REPORT, APPROVAL = (f"{name}.yaml" for name in ("03-time-column-s3", "04-drift-report", "05-approval-and-pin"))


def tried(kubectl: Kubectl, file: Path, *, dry_run: bool = True) -> None:
    """All objects of the file would be taken; nothing is kept, unless it is no dry run."""
    for document in documents(file):
        kind = document["kind"]
        resource = Resource(
            document["apiVersion"], kind, POLICIES.get(kind, f"{kind.lower()}s"), namespaced=kind not in CLUSTER_WIDE
        )
        path = resource.path(document["metadata"].get("namespace", "default"), document["metadata"]["name"])
        # Another file's tests may have left a model of the name on the same server: whose fields they are is not asked.
        query = {"fieldManager": "test", "fieldValidation": "Strict", "force": "true"} | (
            {"dryRun": "All"} if dry_run else {}
        )
        kubectl._call("PATCH", path, document, APPLY, **query)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_an_api_server_takes_the_file(kubectl: Kubectl, file: Path) -> None:
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "perennial-system"}})
    if any(document["kind"] == "HTTPRoute" for document in documents(file)):
        define(kubectl, DEFINITION)
    tried(kubectl, file)


def test_an_api_server_tells_a_misspelt_field_from_one_it_knows(kubectl: Kubectl, tmp_path: Path) -> None:
    text = (FOLDER / APPROVAL).read_text()
    (tmp_path / "bad.yaml").write_text(text.replace("approval:", "aproval:"))
    with pytest.raises(RefusedError, match="aproval"):
        tried(kubectl, tmp_path / "bad.yaml")


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_request_of_a_sample_has_the_features_of_its_model(file: Path) -> None:
    for model in (document for document in documents(file) if document["kind"] == "ModelDeployment"):
        asked = re.findall(
            r"^#   curl -s -d @requests/(\S+).json http://\S+/v2/models/(\S+)/infer$", file.read_text(), re.M
        )
        ((body, name),) = asked
        assert name == model["metadata"]["name"]
        features = model["spec"]["model"]["features"]
        assert [each["name"] for each in request(body)["inputs"]] == [
            *features["numeric"],
            *features.get("categorical", []),
        ]


def test_samples_are_numbered_without_a_gap() -> None:
    numbers = [int(file.name[:2]) for file in sorted(FOLDER.glob("*.yaml"))]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("samples"), namespace="default") as stage:
        apply_first(stage.kubectl)
        yield stage


@pytest.fixture
def bucket(stage: Stage) -> Iterator[None]:
    """A server that speaks S3 with half a year of rides, and the credentials that the sample asks for."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    words = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    stage.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3-credentials"}, "stringData": words})
    s3 = boto3.client(
        "s3",
        endpoint_url=words["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    for name in ("bikes", "models"):
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket="bikes", Key="rides/2026.parquet", Body=rides().to_parquet())
    yield
    server.stop()


def rides() -> pd.DataFrame:
    """2,000 hours of demand that follows the weather and the season."""
    random, hours = np.random.default_rng(1), 2000
    temp, hum = random.normal(15, 8, hours), random.uniform(30, 100, hours)
    season = np.array(["spring", "summer"])[np.arange(hours) // 1000]
    return pd.DataFrame(
        {
            "hour": pd.date_range("2026-03-01", periods=hours, freq="h", tz="UTC"),
            "temp": temp,
            "hum": hum,
            "season": season,
            "cnt": 20 * temp - 2 * hum + 50 * (season == "summer") + random.normal(0, 30, hours),
        }
    )


def ready(stage: Stage, deployment: str) -> None:
    stage.wait(f"{deployment} is Ready", lambda: stage.condition(deployment, "Ready").get("status") == "True", 120)


def test_02_predicts_the_species_of_an_iris(stage: Stage) -> None:
    stage.kubectl.apply(FOLDER / "02-classification.yaml")
    ready(stage, "iris")
    assert stage.version("iris-v1")["metrics"]["candidate"]["accuracy"] >= 0.9
    answer = stage.infer("iris", request("02-classification"))
    assert answer["predict"] == ["setosa", "virginica"]
    assert [sum(answer["predict_proba"][row : row + 3]) for row in (0, 3)] == pytest.approx([1, 1])


@pytest.mark.usefixtures("bucket")
def test_03_trains_from_a_bucket_and_serves_from_a_bucket(stage: Stage) -> None:
    stage.kubectl.apply(FOLDER / S3)
    ready(stage, "bike-demand")
    assert stage.version("bike-demand-v1")["artifact"]["uri"].startswith("s3://models/perennial/default/bike-demand/")
    predicted = stage.infer("bike-demand", request("03-time-column-s3"))["predict"]
    assert predicted[0] > predicted[1] + 300


def test_04_starts_a_training(stage: Stage) -> None:
    ready(stage, "linear-regression")
    assert len(stage.infer("linear-regression", request("01-linear-regression"))["predict"]) == 2
    # During the cool-down the check of the next minute would have the last word: it finds nothing wrong.
    cool = datetime.fromisoformat(stage.version("linear-regression-v1")["liveSince"]) + timedelta(seconds=11)
    stage.wait("the cool-down has passed", lambda: datetime.now(UTC) > cool)
    report, account, binding = documents(FOLDER / REPORT)
    stage.apply(report)
    outcome, message = stage.outcome("linear-regression-by-hand")
    assert outcome == "Triggered"
    assert "r2 is -0.4" in message
    assert binding["subjects"][0]["name"] == account["metadata"]["name"]
    stage.until_phase("linear-regression-v2", "Training", "Validating", "RollingOut", "Live", timeout=90)


def test_05_waits_for_approval_and_serves_the_pinned_version(stage: Stage) -> None:
    stage.kubectl.apply(FOLDER / APPROVAL)
    for number in (1, 2):
        stage.until_phase(f"approved-v{number}", "AwaitingApproval")
        stage.kubectl.annotate("ModelVersion", f"approved-v{number}", {APPROVED: "ada"})
        stage.until_phase(f"approved-v{number}", "Live", timeout=120)
        stage.kubectl.annotate("ModelDeployment", "approved", {RETRAIN: f"time {number}"})
    stage.kubectl.patch("ModelDeployment", "approved", {"spec": {"pin": "approved-v1"}})
    stage.until_phase("approved-v1", "Live")
    stage.wait("v1 serves alone", lambda: stage.serves_alone("approved-v1"))


def test_08_writes_what_it_was_asked_as_rows(stage: Stage) -> None:
    secret = {"PERENNIAL_CAPTURE_KEY": "0123456789abcdef"}
    stage.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "capture-keys"}, "stringData": secret})
    manifest = documents(FOLDER / "08-capture.yaml")[0]
    stage.apply(merged(manifest, {"spec": {"serving": {"capture": {"share": 1}}}}))
    ready(stage, "captured")
    predicted = stage.infer("captured", request("08-capture"))["predict"]
    stage.kubectl.patch("ModelDeployment", "captured", {"spec": {"serving": {"replicas": 0}}})

    def files() -> list[Path]:
        return sorted((stage.directory / "node" / "claims").rglob("captured/date=*/*/*.parquet"))

    stage.wait("the rows are written", lambda: bool(files()))
    rows = pq.read_table(files()[0], partitioning=None).to_pylist()
    assert [(row["feature1"], row["feature2"]) for row in rows] == [(20.0, 60.0), (25.0, None)]
    assert [row["perennial.prediction"] for row in rows] == predicted
    assert {row["perennial.key"] for row in rows} == {captured_key(b"0123456789abcdef", "ride-3")}
