"""The models of the live version that a blend keeps, or why there is no blend with them."""

from dataclasses import dataclass

import msgspec
from sklearn.pipeline import Pipeline

from perennial_trainer.artifacts.metadata import FittedHistory, Metadata, load_metadata
from perennial_trainer.artifacts.model_file import load_version
from perennial_trainer.artifacts.unseen_rows import unseen_mask
from perennial_trainer.contract.data import TrainingData
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import TrainTask, Version
from perennial_trainer.data.holdout import split_holdout
from perennial_trainer.data.rows import Rows
from perennial_trainer.models.blend import Floats, can_be_blended, members_of, weights_of
from perennial_trainer.models.scoring import classes_of

MOST_BYTES = 32_000_000  # of the live version's file, so that a blend loads and answers fast
FEWEST = 30  # rows of each half of the holdout
GROWN = 1.2  # times as many rows are worth another model of the whole history


@dataclass(frozen=True)
class NoBlend:
    """The version is one fit, and why."""

    reason: str


@dataclass(frozen=True)
class Kept:
    """The models of the live version, the newest last."""

    members: dict[str, Pipeline]
    weights: Floats
    live: Version
    how: Metadata

    @property
    def classes(self) -> tuple[str, ...]:
        return classes_of(next(iter(self.members.values())))

    @property
    def history(self) -> FittedHistory:
        data = self.how.data
        rows = data.rows + data.holdout_rows
        return data.history or FittedHistory(rows=rows, whole=rows, end=data.end)

    def has_grown(self, rows: Rows) -> bool:
        """Whether these are so many more rows than the model of the whole history knows that it is fitted again."""
        return len(rows) >= GROWN * self.history.whole

    def divided(self, to_fit: Rows, holdout: Rows) -> tuple[Rows, Rows] | NoBlend:
        """The rows that decide the weights and those to be scored; or why they cannot decide or prove a blend."""
        if self.classes and set(to_fit.target.unique()) != set(self.classes):
            return NoBlend(f"the rows to fit have other classes than {self.live.name} knows")
        try:
            unseen = holdout.take(unseen_mask(holdout, self.live, self.how))
            if len(unseen) < 2 * FEWEST:
                return NoBlend(f"{len(unseen)} holdout rows are new to {self.live.name}, fewer than {2 * FEWEST}")
            is_newer = split_holdout(unseen, 0.5).mask(unseen)
        except RejectedTask as refusal:  # of one time, or a file of the live version is gone
            return NoBlend(refusal.message)
        older, newer = unseen.take(~is_newer), unseen.take(is_newer)
        if all(len(each) >= FEWEST and each.target.nunique() > 1 for each in (older, newer)):
            return older, newer
        return NoBlend(
            f"one half of the {len(unseen)} holdout rows that are new to {self.live.name} has fewer than {FEWEST} "
            "rows, or one value of the target"
        )


def kept_models(task: TrainTask) -> Kept | NoBlend:
    """The models of the live version if they have the recipe of the task; or why they cannot be blended."""
    if task.blend is None or task.live is None:
        return NoBlend("the task asks for none")
    name = task.live.name
    try:
        how = load_metadata(task.live)
        if how.adopted:
            return NoBlend(f"{name} was adopted, and which rows it has learned is not known")
        if _recipe(task, task.data) != _recipe(how, how.source):
            return NoBlend(f"{name} has another recipe or another cleaning")
        size = next((each.bytes for each in how.files.values() if each.sha256 == task.live.sha256), None)
        if size is None or size >= MOST_BYTES:
            known = "a size that is not known" if size is None else f"{size / 1e6:.0f} MB"
            return NoBlend(f"the model file of {name} has {known}, and {MOST_BYTES / 1e6:.0f} MB are too many")
        pipeline = load_version(task.live)
    except RejectedTask as refusal:
        return NoBlend(refusal.message)
    kept = Kept(members_of(pipeline, how.data.sha256[:12]), weights_of(pipeline), task.live, how)
    return kept if can_be_blended(pipeline, kept.classes) else NoBlend(f"{name} has no probabilities of its classes")


def _recipe(of: TrainTask | Metadata, data: TrainingData) -> tuple[object, ...]:
    """With how rows are read and cleaned, wherever they are."""
    return of.model, of.search, of.calibration, msgspec.structs.replace(data, uri="file:///", holdout_rows=None)
