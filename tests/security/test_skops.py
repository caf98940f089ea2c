"""No skops file runs code when it is loaded, whoever wrote it and whatever its digest."""

from __future__ import annotations

import functools
import importlib
import inspect
import io
import json
import operator
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from scipy import special
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from perennial_trainer.artifacts.model_file import load_model
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.models.frameworks import sklearn_file
from perennial_trainer.models.frameworks.allow_list import allowed_class
from perennial_trainer.models.frameworks.skops_types import TYPES
from perennial_trainer.storage.digest import sha256_digest
from tests.trainer import skops_types
from tests.trainer.skops_types import rows

Node = dict[str, Any]


def node(loader: str, name: str, **fields: Any) -> Node:
    module, _, class_name = name.rpartition(".")
    return {"__class__": class_name, "__module__": module, "__loader__": loader, **fields}


def json_node(value: Any) -> Node:
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def list_node(*items: Node) -> Node:
    return node("ListNode", "builtins.list", content=list(items))


def tuple_node(*items: Node) -> Node:
    return node("TupleNode", "builtins.tuple", content=list(items))


def dict_node(**items: Node) -> Node:
    keys = list_node(*(node("TypeNode", "builtins.str") for _ in items))
    return node("DictNode", "builtins.dict", content=items, key_types=keys)


def file_of(schema: Node, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("schema.json", json.dumps({**schema, "protocol": protocol, "_skops_version": "0.16"}))
    return buffer.getvalue()


def script(code: str) -> Node:
    """A call of a test helper of scikit-learn's that runs Python code in a process of its own."""
    helper = "sklearn.utils._testing.assert_run_python_script_without_output"
    return node("ConstructorFromReduceNode", helper, content=tuple_node(json_node(code)))


def in_a_pipeline(hostile: Node) -> bytes:
    """A pipeline as it is stored, of which one attribute is replaced."""
    content = sklearn_file.skops_bytes(Pipeline([("model", LinearRegression())]))
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        schema = json.loads(source.read("schema.json"))
    schema["content"]["content"]["memory"] = hostile
    return file_of(schema)


def reference(function: Callable[..., Any] | Any) -> bytes:
    return skops.io.dumps(function)


HOSTILE: dict[str, bytes] = {
    "a function of scikit-learn": reference(mean_squared_error),
    "a function of a dependency": file_of(node("FunctionNode", "os.system")),
    "a ufunc of scipy, which skops trusts": reference(special.expit),
    "a ufunc of numpy, which skops trusts": reference(np.exp),
    "a partial of a function": reference(functools.partial(mean_squared_error, squared=False)),
    "a bound method": reference(LinearRegression().fit),
    "a method caller": reference(operator.methodcaller("fit")),
    "an item getter": reference(operator.itemgetter(1)),
    "a transformer with a function": reference(make_pipeline(FunctionTransformer(np.log1p), LinearRegression())),
    "an estimator that the trainer cannot fit": reference(FunctionTransformer()),
    "a class as a function": file_of(node("FunctionNode", "sklearn.linear_model._base.LinearRegression")),
    "a class called by a constructor": file_of(
        node("ConstructorFromReduceNode", "sklearn.linear_model._base.LinearRegression", content=tuple_node())
    ),
    "a module's function as a list": file_of(
        node("ListNode", "sklearn.utils._testing.raises", content=[json_node("x")])
    ),
    "a function as a type of keys": file_of(
        node(
            "DictNode",
            "builtins.dict",
            content={"ls": json_node(1)},
            key_types=list_node(node("TypeNode", "os.system")),
        )
    ),
    "a function as an array": file_of(
        node("NdArrayNode", "sklearn.utils._testing.raises", type="json", content=[], shape=tuple_node(json_node(0)))
    ),
    "a random generator that is a function": file_of(
        node(
            "RandomGeneratorNode",
            "numpy.random._generator.Generator",
            content={
                "bit_generator": dict_node(bit_generator=json_node("seed")),
                "seed_seq": dict_node(entropy=json_node(0)),
            },
        )
    ),
    "a loader of an old form": file_of(node("ListNode", "builtins.list", content=[]), protocol=0),
    "no loader": file_of({"__class__": "system", "__module__": "os"}),
    "no form": file_of(node("ListNode", "builtins.list", content=[]), protocol=True),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("nested", [False, True], ids=["alone", "in a pipeline"])
def test_skops_file_with_other_content_is_refused(tmp_path: Path, content: bytes, nested: bool) -> None:
    if nested:
        with zipfile.ZipFile(io.BytesIO(content)) as source:
            schema = json.loads(source.read("schema.json"))
        if schema["protocol"] != 2 or isinstance(schema["protocol"], bool):
            return
        content = in_a_pipeline(schema)
    path = tmp_path / "model.skops"
    path.write_bytes(content)
    with pytest.raises(RejectedTask) as refused:
        load_model(path.as_uri(), sha256_digest(content))
    assert refused.value.reason in ("UntrustedArtifact", "UnreadableArtifact")


@pytest.mark.parametrize("content", [file_of(list_node()), skops.io.dumps(LinearRegression())], ids=["list", "model"])
def test_skops_file_without_a_pipeline_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(content)
    with pytest.raises(RejectedTask, match="and every version a Pipeline") as refused:
        load_model(path.as_uri(), sha256_digest(content))
    assert refused.value.reason == "UntrustedArtifact"


def test_no_command_runs_when_a_skops_file_is_loaded(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    code = f"import pathlib; pathlib.Path({str(trace)!r}).touch()"
    for content in (file_of(script(code)), in_a_pipeline(script(code))):
        (tmp_path / "model.skops").write_bytes(content)
        with pytest.raises(RejectedTask) as refused:
            load_model((tmp_path / "model.skops").as_uri(), sha256_digest(content))
        assert (refused.value.reason, trace.exists()) == ("UntrustedArtifact", False), refused.value.message
        assert "assert_run_python_script_without_output" in refused.value.message


def test_hostile_script_runs_where_skops_trusts_its_name(tmp_path: Path) -> None:
    """The control: what the list stands in the way of."""
    trace = tmp_path / "trace"
    content = file_of(script(f"import pathlib; pathlib.Path({str(trace)!r}).touch()"))
    skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    assert trace.exists()


def test_list_of_skops_types_has_classes_alone() -> None:
    for names in TYPES.values():
        for name in names:
            module, _, class_name = name.rpartition(".")
            assert module.partition(".")[0] in ("builtins", "numpy", "perennial_trainer", "scipy", "sklearn"), name
            listed = getattr(importlib.import_module(module), class_name)
            assert inspect.isclass(listed), name
            assert listed.__name__ == class_name, name


@pytest.mark.parametrize(
    ("estimator", "kind", "labels"),
    [("LinearRegression", "regression", "regression"), ("LogisticRegression", "classification", "text")],
)
def test_list_is_that_of_the_files_of_fits_and_blends(estimator: str, kind: Any, labels: str) -> None:
    """The list is written from the same files; all estimators would take minutes."""
    nodes = set(skops_types.contents(f"sklearn.linear_model.{estimator}", kind, {}, rows(skops_types.DENSE, labels)))
    assert any("_voting" in name for _, name in nodes)
    assert {(loader, name) for loader, name in nodes if name not in TYPES.get(loader, ())} == set()


def test_estimator_whose_file_needs_a_function_is_refused() -> None:
    with pytest.raises(RejectedTask, match=r"use other parameters, or model\.format joblib") as refused:
        sklearn_file.dump_skops(make_pipeline(FunctionTransformer(np.log1p), LinearRegression()))
    assert refused.value.reason == "UntrustedArtifact"


@pytest.mark.parametrize("name", ["lightgbm.LGBMRegressor", "xgboost.XGBRegressor"])
def test_trees_in_a_file_are_never_the_name_of_another(tmp_path: Path, name: str) -> None:
    estimator_class = allowed_class(name)
    assert estimator_class
    fitted = estimator_class(n_estimators=1).fit(np.arange(40.0)[:, None], np.arange(40.0))
    trees = tmp_path / "trees"
    fitted._Booster.save_model(trees if name.startswith("lightgbm") else trees.with_suffix(".ubj"))
    (named,) = tmp_path.iterdir()
    for value in (str(named), f"file://{named}"):
        with pytest.raises(Exception, match=r"encoding|format|Model"):
            estimator_class.__new__(estimator_class).__setstate__({**fitted.__dict__, "_Booster": value})
