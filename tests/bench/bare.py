"""The bare script of `bench_train`, with pandas and scikit-learn: `bare.py DATA FOLDER`.

Only the steps of a training task, without what makes a version explainable: no profile, no digests of rows, no
findings, no baseline, no page.
"""

import hashlib
import json
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def main(data: str, folder: Path) -> None:
    rows = pd.read_parquet(data)
    features = [name for name in rows if name != "y"]
    numeric = [name for name in features if rows[name].dtype.kind == "f"]
    categorical = [name for name in features if name not in numeric]
    if rows.isna().mean().max() > 0.2 or np.isinf(rows[[*numeric, "y"]].to_numpy()).any():
        raise SystemExit("bad data")
    rows = rows.dropna(subset=["y"]).drop_duplicates()
    train, holdout = train_test_split(rows, test_size=0.2, random_state=0)

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer([("numeric", numbers, numeric), ("categorical", categories, categorical)])
    model = Pipeline([("columns", columns), ("model", Ridge())]).fit(train[features], train["y"])

    answers = model.predict(holdout[features])
    mse = mean_squared_error(holdout["y"], answers)
    metrics = {"mse": mse, "rmse": mse**0.5, "mae": mean_absolute_error(holdout["y"], answers)}
    metrics["r2"] = r2_score(holdout["y"], answers)

    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    holdout.to_parquet(folder / "holdout.parquet", index=False)
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model.joblib", "holdout.parquet")
    }
    (folder / "metrics.json").write_text(
        json.dumps({"rows": len(train), "holdout": len(holdout), "metrics": metrics, "sha256": digests})
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
