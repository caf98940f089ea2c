"""An answer always fits into a termination message, and always is the contract's."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from perennial_trainer.contract import result
from perennial_trainer.contract.errors import RejectedTask
from tests.trainer.tasks import RESULT, decoded

TEXT = st.text(max_size=200)
METRICS = st.lists(
    st.builds(
        result.DriftMetric, name=st.just("psi"), value=st.floats(0, 9), feature=TEXT, standard_error=st.floats(0, 9)
    ),
    max_size=300,
)


@given(METRICS)
def test_result_of_many_features_fits_and_keeps_the_first(metrics: list[result.DriftMetric]) -> None:
    answer = result.CheckResult(message="m", samples=1, metrics=metrics, details="s3://bucket/report.html")
    content = result.encode_result(answer)
    assert len(content) <= result.MAX_BYTES
    document = decoded(content)
    RESULT.validate(document)
    assert [m["value"] for m in document["metrics"]] == [m.value for m in metrics[: len(document["metrics"])]]
    assert document["details"] == "s3://bucket/report.html"


def test_no_more_is_left_out_than_must_be() -> None:
    digits = [hashlib.sha256(b"%d" % i).hexdigest()[:20] for i in range(500)]  # which nothing compresses
    metrics = [result.DriftMetric(name="psi", value=0.1, feature=each) for each in digits]
    answer = result.CheckResult(message="m", samples=1, metrics=metrics)
    assert 3500 < len(result.encode_result(answer)) <= result.MAX_BYTES
    few = result.CheckResult(message="m", samples=1, metrics=metrics[:20])
    assert len(decoded(result.encode_result(few))["metrics"]) == 20


@given(st.dictionaries(TEXT, TEXT, max_size=60))
def test_a_training_leaves_out_its_parameters_first(parameters: dict[str, str]) -> None:
    sha = "0" * 64
    answer = result.TrainResult(
        message="m",
        artifact=result.Artifact(uri="s3://m", sha256=sha, bytes=1),
        data=result.Data(rows=1, holdout_rows=1, sha256=sha, holdout_uri="s3://h", holdout_sha256=sha),
        metrics={"mse": 1.0},
        parameters=parameters,
    )
    content = result.encode_result(answer)
    assert len(content) <= result.MAX_BYTES
    RESULT.validate(decoded(content))
    assert decoded(content)["parameters"] in (parameters, {})


@given(st.text(max_size=5000))
def test_a_refusal_is_one_line_that_fits(message: str) -> None:
    refusal = RejectedTask("Bad", message)
    answer = result.ErrorResult(task="train", outcome="Refused", reason=refusal.reason, message=refusal.message)
    assert len(result.encode_result(answer)) <= result.MAX_BYTES
    assert "\n" not in refusal.message
