"""The models of `bench_serve`, stored as a training stores them, and as the other contenders read them."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from perennial_trainer.compiled import file
from perennial_trainer.compiled.build import compile_pipeline
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.models.boosting.lightgbm_estimators import LGBMRegressor
from perennial_trainer.models.frameworks.sklearn import dump_pipeline
from perennial_trainer.models.pipeline import build_pipeline
from perennial_trainer.storage.digest import sha256_digest
from tests.serve.processes import serve_task, stored

NUMERIC = tuple(f"x{number}" for number in range(10))
FEATURES = Features(numeric=NUMERIC, categorical=("season",))
ESTIMATORS: dict[str, Any] = {
    "linear": LinearRegression(),
    "boosting": HistGradientBoostingRegressor(random_state=0),
    "forest": RandomForestRegressor(100, random_state=0),
    "lightgbm": LGBMRegressor(verbosity=-1, n_jobs=1),
}


class Native:
    """The estimator's own call for a matrix, without its checks of input."""

    def __init__(self, name: str, pipeline: Pipeline) -> None:
        self.name, self.estimator = name, pipeline[-1]
        width = self.estimator.n_features_in_
        self.padding = np.zeros(width - len(NUMERIC))

    def __call__(self, numbers: Any) -> Any:
        matrix = np.concatenate([numbers, np.tile(self.padding, (len(numbers), 1))], axis=1)
        if self.name == "linear":
            return matrix @ self.estimator.coef_ + self.estimator.intercept_
        if self.name == "forest":
            single = matrix.astype(np.float32)
            return np.mean([tree.tree_.predict(single)[:, 0] for tree in self.estimator.estimators_], axis=0)
        if self.name == "lightgbm":
            return self.estimator.booster_.predict(matrix, num_threads=1)  # two take more CPU
        return self.estimator._raw_predict(matrix, n_threads=1).ravel()


def rides(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(7)
    frame = pd.DataFrame(random.normal(size=(rows, len(NUMERIC))), columns=list(NUMERIC))
    return frame.assign(season=random.choice(["1", "2", "3"], rows))


def fitted(name: str) -> Pipeline:
    frame = rides(2000)
    target = 3 * frame.x0 + np.sin(3 * frame.x1) + frame.season.astype(int) + frame.x2 * frame.x3
    return build_pipeline(ESTIMATORS[name], FEATURES).fit(frame, target.to_numpy())


def store(folder: Path, pipeline: Pipeline, name: str, compiled: bool) -> dict[str, Any]:
    """The serve task of the version in the folder."""
    folder.mkdir(exist_ok=True)
    content = dump_pipeline(pipeline, "joblib")
    uri, sha256 = stored(folder, content)
    files = {"model.joblib": content}
    if compiled:
        files["model.npz"] = file.encode(compile_pipeline(pipeline), sha256)
    for each, its in files.items():
        (folder / each).write_bytes(its)
    listed = {each: {"sha256": sha256_digest(its), "bytes": len(its)} for each, its in files.items()}
    metadata = json.dumps({"files": listed}).encode()
    (folder / "metadata.json").write_bytes(metadata)
    (folder / "estimator.pickle").write_bytes(pickle.dumps(Native(name, pipeline)))
    task = serve_task(uri, sha256, FEATURES)
    task["artifact"]["metadataSha256"] = sha256_digest(metadata)
    return task
