"""The holdout rows on which neither version was trained."""

import io

import numpy as np
import pandas as pd

from perennial_trainer.artifacts.metadata import Metadata
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.contract.task import Version
from perennial_trainer.data.rows import Mask, Rows
from perennial_trainer.storage import store
from perennial_trainer.storage.digest import read_verified
from perennial_trainer.storage.version_files import REFIT_GROUPS, REFIT_ROWS, is_refit

NAME = "rows.npy"
GROUPS = "groups.npy"  # of versions with data.groupColumn

Digests = np.ndarray[tuple[int], np.dtype[np.uint64]]


def unseen_mask(rows: Rows, live: Version, how: Metadata) -> Mask:
    """A mask of the candidate's holdout rows on which the live version was not trained; a refit was on its own holdout.

    By the digests of its training rows where both versions have the same columns, else by the time of the newest of
    them. Raises a RejectedTask: RowsNotComparable, ArtifactMissing, DigestMismatch.
    """
    refit = is_refit(live.sha256, how.files)
    if how.data.roles == rows.roles():
        unseen = ~np.isin(rows.units, _stored_digests(live, how, NAME, *[REFIT_ROWS] * refit))
        if rows.group is not None and GROUPS in how.files and how.source.group_column == rows.columns.group:
            unseen &= ~np.isin(rows.group, _stored_digests(live, how, GROUPS, *[REFIT_GROUPS] * refit))
        return unseen
    until = how.data.end if refit else how.data.trained_until
    if rows.time is not None and how.source.time_column == rows.columns.time and until:
        return np.asarray(rows.time > pd.Timestamp(until), dtype=bool)
    raise RejectedTask(
        "RowsNotComparable",
        f"whether {live.name} was trained on rows of this holdout is unknown: it has other columns, and the versions "
        "share no data.timeColumn; set one for both",
    )


def _stored_digests(live: Version, how: Metadata, *names: str) -> Digests:
    """The digests in all these files."""
    return np.concatenate([_read_digests(live, how, name) for name in names])


def _read_digests(live: Version, how: Metadata, name: str) -> Digests:
    uri = store.sibling_uri(live.uri, name)
    try:
        content = read_verified(uri, how.files[name].sha256)
    except (FileNotFoundError, KeyError) as error:
        raise RejectedTask("ArtifactMissing", f"{uri} does not exist, so version {live.name} is incomplete") from error
    digests: Digests = np.load(io.BytesIO(content), allow_pickle=False)
    return digests
