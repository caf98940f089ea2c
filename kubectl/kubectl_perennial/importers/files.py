"""Compares recent rows with reference rows by the trainer's own code, if that is installed.

The only module of the plugin that imports the trainer, and only for this command: the plugin does not depend on pandas.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubectl_perennial.client import Body
from kubectl_perennial.errors import CommandError
from kubectl_perennial.importers.measurements import Measured


def read(spec: Body, reference: str, recent: str, newest: str) -> Measured:
    """The drift metrics of the rows of `recent` against those of `reference`."""
    try:
        import msgspec

        from perennial_trainer.contract.data import RecentData
        from perennial_trainer.contract.errors import TaskError
        from perennial_trainer.contract.features.columns import Features
        from perennial_trainer.data.schema import Columns
        from perennial_trainer.drift.compare import compare_with_reference
    except ImportError as error:
        raise CommandError(
            f"two files are compared by the trainer's code, which is not installed ({error.name} is missing): "
            "pip install 'perennial[kubectl,trainer]'"
        ) from error
    model, time = spec["model"], spec["data"].get("timeColumn")
    features = msgspec.convert({"numeric": [], "categorical": [], **model["features"]}, Features)
    columns = Columns(features, model["target"], model.get("task", "regression"), time)
    window: Any = int(newest) if newest.isdecimal() else newest
    task = {"uri": _uri(recent), "window": window, **({"timeColumn": time} if time else {})}
    try:
        result = compare_with_reference(_uri(reference), msgspec.convert(task, RecentData), columns)
    except TaskError as error:
        raise CommandError(f"{error.reason}: {error.message}") from error
    except msgspec.ValidationError as error:
        raise CommandError(
            f"--newest {newest}: {error}; give all, a duration such as 24h, or a number of rows"
        ) from error
    document = msgspec.to_builtins(result)
    window = document.get("window", {})
    return Measured(
        "kubectl perennial check",
        metrics=document["metrics"],
        samples=result.samples,
        start=window.get("start"),
        end=window.get("end"),
    )


def _uri(where: str) -> str:
    """A path of this machine as a URI, with its wildcards; a URI as it is."""
    return where if "://" in where else f"file://{Path(where).expanduser().absolute()}"
