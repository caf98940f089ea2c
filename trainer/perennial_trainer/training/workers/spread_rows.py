"""Fits an estimator of LightGBM or XGBoost to rows of which each worker has a share.

The libraries' own Dask interfaces do it: each worker bins its share, and they tell each other the sums of each bin, by
connections of their own. This process prepares the rows in blocks and sends them; it holds no block longer than that.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier

from perennial_trainer.contract.errors import FailedTask, RejectedTask
from perennial_trainer.data.memory import IDLE
from perennial_trainer.models.frameworks.allow_list import table_of
from perennial_trainer.models.scoring import message_line

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

BLOCK = 65_536  # rows that are prepared and sent at once
SAMPLE = 1000  # rows by which the size of all is estimated
COPIES = 3  # of its share that a worker holds: as sent, joined, and binned with the sums
_OF_NETWORK = re.compile(r"(?i)socket|connect|collective|tracker|machine")
ONE_FIT = "perennial-fit"
"""At a time: of two trainings on one scheduler, each could have half of the workers and wait for the others."""
LOOK = 1.0  # seconds between two looks at whether all workers are there


@dataclass(frozen=True)
class SpreadRows:
    """The workers of an engine, as `models/boosting` needs them."""

    connected: Callable[[], "Client"]

    def fitted(self, remote: Any, rows: Any, target: Any, weights: Any) -> Any:
        """The estimator of a library's Dask interface, fitted.

        Raises a RejectedTask, DataTooLarge, before a row is sent; a FailedTask, WorkersLost; and what the library
        raises.
        """
        client = self.connected()
        known = known_workers(client)
        # In the order in which XGBoost numbers them, so that the same share has the same number.
        workers = sorted(known, key=lambda address: f"{known[address]['name']}]:{address}")
        shares = shares_of(target, len(workers), whole_classes=is_classifier(remote))
        used = workers[: len(shares)]
        _check_memory([known[each]["memory_limit"] for each in used], rows, len(target), len(workers))
        log.info("fitting on %s workers, with %s rows each", len(used), len(shares[0]))
        remote.client = client

        from distributed import Lock

        def fit() -> Any:
            with client.as_current(), Lock(ONE_FIT):
                parts = [_sent(client, *each, rows, target, weights) for each in zip(used, shares, strict=True)]
                x, y, w = (_joined(each) if each[0] is not None else None for each in zip(*parts, strict=True))
                return remote.fit(x, y, sample_weight=w)

        return _unless_lost(client, used, fit)


def check_spread(estimator: BaseEstimator, space: Mapping[str, list[Any]]) -> None:
    """XGBoost can fit to spread rows by this method; else a RejectedTask, InvalidParameter."""
    inside = {f"{name}__": each for name, each in estimator.get_params().items() if isinstance(each, BaseEstimator)}
    for prefix, each in {"": estimator, **inside}.items():
        if table_of(type(each)) is None:
            continue
        name = f"{prefix}tree_method"
        fields = {
            "model.parameters": [getattr(each, "tree_method", None)],
            "training.search.space": space.get(name, []),
        }
        for field, methods in fields.items():
            if "exact" in methods:
                raise RejectedTask(
                    "InvalidParameter",
                    f"{field} has {name} exact, which needs all rows in one pod, and training.engine spreads them: "
                    "give hist or approx, or remove training.engine",
                )


def shares_of(target: Any, workers: int, *, whole_classes: bool) -> list[NDArray[np.intp]]:
    """The positions of the rows of each worker, dealt in turn in the order of the target.

    So each share has about the same values of it, whatever the order of the rows; of classes, each share has all of
    them, as LightGBM needs: with fewer rows of a class than workers, fewer workers get rows.
    """
    fewest = np.unique(target, return_counts=True)[1].min() if whole_classes else len(target)
    workers = min(workers, int(fewest))
    order = np.argsort(np.asarray(target), kind="stable")
    return [np.sort(order[first::workers]) for first in range(workers)]


def known_workers(client: "Client") -> dict[str, dict[str, Any]]:
    """What the scheduler knows of each worker, by address; the client's own copy may lack them all."""
    return dict(client.sync(client.scheduler.identity, n_workers=-1)["workers"])


def _check_memory(limits: list[int | None], rows: Any, count: int, workers: int) -> None:
    """The share of each worker fits into its memory, where it has a limit; else a RejectedTask, DataTooLarge."""
    limit = min(each or np.inf for each in limits)
    sample = rows[np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.intp)]
    needed = IDLE + COPIES * _size(sample) / sample.shape[0] * count / len(limits)
    if needed > limit:
        used, fix = f"{len(limits)}", "give more workers"
        if len(limits) < workers:
            used = f"{used} of {workers}"
            fix = f"each has rows of all classes, and one has only {len(limits)} rows; join rare classes"
        raise RejectedTask(
            "DataTooLarge",
            f"training.engine: {count} rows, spread over {used} workers, need about {needed / 1e9:,.1f} GB of memory "
            f"on each, more than the {limit / 1e9:,.1f} GB that a worker may use: {fix}, or raise "
            "training.pod.resources.limits.memory",
        )


def _size(rows: Any) -> int:
    """In bytes, of an array or a sparse matrix."""
    arrays = (rows.data, rows.indices, rows.indptr) if hasattr(rows, "indptr") else (rows,)
    return sum(int(each.nbytes) for each in arrays)


def _sent(
    client: "Client", worker: str, share: NDArray[np.intp], rows: Any, target: Any, weights: Any
) -> tuple[Any, Any, Any]:
    """The rows, the target and the weights of one worker, as arrays of Dask."""
    import dask.array as da
    from dask.delayed import delayed

    def sent(columns: Any) -> Any:
        if columns is None:
            return None
        blocks = []
        for block in _blocks(columns, share):
            meta, width = block[:0], block.shape[1:]
            blocks += client.scatter([block], workers=[worker], hash=False)
        whole: Future = client.submit(joined_blocks, blocks, workers=[worker], allow_other_workers=False, pure=False)
        if error := whole.exception():  # LightGBM does not say what went wrong with a part
            raise error
        return da.from_delayed(delayed(whole), shape=(len(share), *width), meta=meta)  # type: ignore[no-untyped-call]

    return sent(rows), sent(target), sent(weights)


def _blocks(columns: Any, share: NDArray[np.intp]) -> Iterator[Any]:
    return (columns[share[start : start + BLOCK]] for start in range(0, len(share), BLOCK))


def joined_blocks(blocks: list[Any]) -> Any:
    """On a worker: one array, so that all of a share stays together, whatever Dask moves."""
    from scipy import sparse

    return sparse.vstack(blocks, format="csr") if sparse.issparse(blocks[0]) else np.concatenate(blocks)


def _joined(parts: tuple[Any, ...]) -> Any:
    import dask.array as da

    return da.concatenate(parts)  # type: ignore[no-untyped-call]


def _unless_lost(client: "Client", workers: list[str], fit: Callable[[], Any]) -> Any:
    """The result of the fit. Raises a FailedTask, WorkersLost, when a worker is lost, for which others would wait."""
    results: list[Any] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(fit())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive() or errors:
        thread.join(LOOK)
        lost = set(workers) - set(known_workers(client))
        if lost:
            raise FailedTask(
                "WorkersLost",
                f"training.engine: {len(lost)} of {len(workers)} workers were lost while they fitted, most often "
                "because their memory ran out: give training.pod more, or training.engine.dask more workers",
            )
        if errors and not thread.is_alive():
            raise _named(errors[0])
    return results[0]


def _named(error: Exception) -> Exception:
    """What a worker raised; if its memory ran out, or it reaches no other one, a FailedTask that says so."""
    if isinstance(error, MemoryError) or "bad_alloc" in str(error):
        return FailedTask(
            "OutOfMemory",
            "training.engine: the memory of a worker ran out while it fitted its share of the rows: give "
            "training.engine.dask more workers, or raise training.pod.resources.limits.memory",
        )
    if _OF_NETWORK.search(str(error)):
        return FailedTask(
            "WorkersLost",
            f"training.engine: the workers do not reach each other ({message_line(error)}): let a NetworkPolicy open "
            "all ports between the pods with perennial.dev/role training and worker, as docs/security.md does",
        )
    return error
