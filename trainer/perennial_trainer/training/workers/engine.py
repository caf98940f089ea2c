"""The Dask workers of a training: they fit candidates of a search, or a model to rows spread over them."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import perennial_trainer
from perennial_trainer.contract.errors import FailedTask, RejectedTask, join_names
from perennial_trainer.contract.task import Dask, Engine
from perennial_trainer.models.boosting.spreading import spread_by
from perennial_trainer.training.workers.dask_worker import CANDIDATE
from perennial_trainer.training.workers.spread_rows import SpreadRows, known_workers

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

PORT = 8786  # of the scheduler; the operator gives it to the workers
WORKER_TIMEOUT = 900.0  # seconds until the first worker has connected: a queue or a new node may take as long
CONNECT_TIMEOUT = 30.0  # seconds until a scheduler at an address has answered
TOPIC = "perennial-scored"

Scorer = Callable[..., float]
WithCallback = Callable[[Scorer, Callable[[], None]], Scorer]


class Workers:
    """The workers of an engine. They are connected when they are needed first, and set free at the end."""

    def __init__(self, dask: Dask, open_until: ExitStack, timeout: float) -> None:
        self.started = dask.workers is not None
        self._dask, self._open_until, self._timeout = dask, open_until, timeout

    @cached_property
    def client(self) -> "Client":
        """With at least one worker: late ones get work, too. Raises a FailedTask or a RejectedTask."""
        return self._open_until.enter_context(_client(self._dask, self._timeout))

    def all_connected(self) -> "Client":
        """With as many workers as were asked for, or those of the existing scheduler."""
        _wait(self.client, self._dask.workers or 1, self._timeout)
        return self.client


@contextmanager
def use_engine(engine: Engine | None, worker_timeout: float = WORKER_TIMEOUT) -> Iterator[Workers | None]:
    """While the context lasts, LightGBM and XGBoost are fitted to rows that are spread over the engine's workers.

    Raises, once the workers are needed, a FailedTask: NoWorkers, EngineUnreachable, WorkersLost; a RejectedTask:
    EngineOfOtherVersion.
    """
    if engine is None:
        yield None
        return
    from distributed import CancelledError
    from distributed.comm import CommClosedError

    try:
        with ExitStack() as open_until:
            workers = Workers(engine.dask, open_until, worker_timeout)
            with spread_by(SpreadRows(workers.all_connected)):
                yield workers
    except (CancelledError, CommClosedError) as error:
        raise FailedTask(
            "EngineUnreachable",
            f"training.engine.dask: the scheduler {engine.dask.address or 'of this pod'} has stopped while it was "
            "needed: look at its log, and give it more memory if that ran out",
        ) from error


@contextmanager
def search_on(workers: Workers | None) -> Iterator[WithCallback]:
    """While the context lasts, joblib's parallel loops run on the workers.

    The context is a function of a scorer and a callback: it returns a scorer that can be sent to workers,
    and that calls the callback in this process after each score.
    """
    if workers is None:
        yield _local_scorer
        return
    import joblib
    from distributed import KilledWorker

    from perennial_trainer.training.workers.joblib_dask import search_backend

    client = workers.client
    with joblib.parallel_config(search_backend(client, {CANDIDATE: 1} if workers.started else None), n_jobs=-1):
        log.info("search: on %s workers", len(known_workers(client)))

        def remote_scorer(scorer: Scorer, scored: Callable[[], None]) -> Scorer:
            client.subscribe_topic(TOPIC, lambda _: scored())
            return _RemoteScorer(scorer)

        try:
            yield remote_scorer
        except KilledWorker as error:
            raise FailedTask(
                "WorkersLost",
                f"training.engine: one candidate of the search has killed {error.allowed_failures + 1} workers, "
                "most often because their memory ran out: give training.pod more, or search a smaller space",
            ) from error


def _local_scorer(scorer: Scorer, scored: Callable[[], None]) -> Scorer:
    def score_and_call(*arguments: Any, **options: Any) -> float:
        score = scorer(*arguments, **options)
        scored()
        return score

    return score_and_call


class _RemoteScorer:
    """A scorer that logs an event on Dask after each score."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, *arguments: Any, **options: Any) -> float:
        from distributed import get_worker

        score = self._scorer(*arguments, **options)
        get_worker().log_event(TOPIC, "scored")
        return score


@contextmanager
def _client(dask: Dask, worker_timeout: float) -> "Iterator[Client]":
    """A client of a scheduler with at least one worker; a scheduler that it started is stopped at the end."""
    from distributed import Client, LocalCluster

    if dask.address:
        try:
            client = Client(dask.address, timeout=CONNECT_TIMEOUT, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise FailedTask(
                "EngineUnreachable",
                f"training.engine.dask.address {dask.address} does not answer: fix the address, or start the scheduler",
            ) from error
        except TypeError as error:  # of Dask, which asks for an ssl_context
            raise RejectedTask(
                "EngineUnreachable",
                f"training.engine.dask.address {dask.address} needs a certificate: mount one by training.pod, and name "
                "its files in DASK_DISTRIBUTED__COMM__TLS__CA_FILE, __CLIENT__CERT and __CLIENT__KEY of "
                "training.pod.env",
            ) from error
        with client:
            _wait(client, 1, worker_timeout)
            _check_versions(client, dask.address)
            yield client
        return
    host = os.environ.get("PERENNIAL_BIND_ADDRESS", "0.0.0.0")  # noqa: S104 - workers are other pods
    with (
        LocalCluster(n_workers=0, host=host, scheduler_port=PORT, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        log.info("waiting for the first of %s workers", dask.workers)
        _wait(client, 1, worker_timeout)
        yield client


def _wait(client: "Client", count: int, worker_timeout: float) -> None:
    try:
        client.wait_for_workers(count, timeout=worker_timeout)
    except TimeoutError as error:
        there = len(known_workers(client))
        connected = f"{there} of {count} workers have" if there else "no worker has"
        raise FailedTask(
            "NoWorkers",
            f"training.engine: {connected} connected in {worker_timeout:g} s: look at the pods of the workers' Job, "
            "and whether a quota or a NetworkPolicy blocks them from the training pod",
        ) from error


def _check_versions(client: "Client", address: str) -> None:
    """Scheduler and workers have the same libraries and trainer as this image; else EngineOfOtherVersion."""
    from distributed.versions import error_message

    versions = client.get_versions(
        packages=["scikit-learn", "joblib", "lightgbm", "xgboost-cpu"]
    )  # it only warns of differences
    different = error_message(versions["scheduler"], versions["workers"], versions["client"])["warning"]
    of_workers = client.run(_version, on_error="return")  # an error if a worker has no trainer
    trainers = {_version(), *map(str, of_workers.values())}
    if different or len(trainers) > 1:
        log.warning("%s", different or f"perennial_trainer: {join_names(sorted(trainers))}")
        raise RejectedTask(
            "EngineOfOtherVersion",
            f"training.engine.dask.address {address} has other libraries than this image: run its scheduler and its "
            "workers from the same image",
        )


def _version() -> str:
    return perennial_trainer.__version__
