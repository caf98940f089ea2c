"""What the candidates of a search are tried on: this process, or Dask's workers through joblib's backend."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import perennial_trainer
from perennial_trainer.contract.errors import FailedTask, RejectedTask, join_names
from perennial_trainer.contract.task import Dask, Engine

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

PORT = 8786  # the operator sends the workers there
PATIENCE = 900.0  # seconds until the first worker is there: a queue or a new node may take as long
CONNECT = 30.0  # seconds until a scheduler that is said to be there has answered
TOPIC = "perennial-scored"

Scorer = Callable[..., float]
Elsewhere = Callable[[Scorer, Callable[[], None]], Scorer]


@contextmanager
def engaged(engine: Engine | None, patience: float = PATIENCE) -> Iterator[Elsewhere]:
    """While the context lasts, joblib's parallel loops run on the engine.

    Given is what makes of a scorer, and of what is to be called after each score, a scorer that can be sent away.
    Raises a FailedTask: NoWorkers, EngineUnreachable, WorkersLost; a RejectedTask: EngineOfOtherVersion.
    """
    if engine is None:
        yield _here
        return
    import joblib
    from distributed import KilledWorker

    with _client(engine.dask, patience) as client, joblib.parallel_config(_backend(client), n_jobs=-1):
        log.info("search: on %s workers", len(client.scheduler_info(n_workers=-1)["workers"]))

        def elsewhere(scorer: Scorer, scored: Callable[[], None]) -> Scorer:
            client.subscribe_topic(TOPIC, lambda _: scored())
            return _Sent(scorer)

        try:
            yield elsewhere
        except KilledWorker as error:
            raise FailedTask(
                "WorkersLost",
                f"training.engine: one candidate of the search has ended {error.allowed_failures + 1} workers, most "
                "often by using up their memory: give training.pod more, or search a smaller space",
            ) from error


def _here(scorer: Scorer, scored: Callable[[], None]) -> Scorer:
    def and_tell(*arguments: Any, **more: Any) -> float:
        score = scorer(*arguments, **more)
        scored()
        return score

    return and_tell


class _Sent:
    """A scorer that tells from afar when it has scored."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def __call__(self, *arguments: Any, **more: Any) -> float:
        from distributed import get_worker

        score = self._scorer(*arguments, **more)
        get_worker().log_event(TOPIC, "scored")
        return score


def _backend(client: "Client") -> Any:
    """The backend of joblib for Dask, with three differences.

    One worker is no reason to stay here; parts have no parts; and what Dask itself has to say, such as that workers
    have died, ends the wait for a result that will never come.
    """
    from joblib._dask import DaskDistributedBackend
    from joblib._parallel_backends import SequentialBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int) -> int:
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def get_nested_backend(self) -> tuple[SequentialBackend, int]:
            return SequentialBackend(nesting_level=1), 1

        def submit(self, func: Any, callback: Callable[[Any], None]) -> "Future[Any]":
            future: Future[Any] = super().submit(func, callback)
            future.add_done_callback(lambda done: callback(done) if done.exception() else None)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            return out.result() if isinstance(out, Future) else super().retrieve_result_callback(out)

    return Backend(client=client)


@contextmanager
def _client(dask: Dask, patience: float) -> "Iterator[Client]":
    """A client of a scheduler that has a worker at least; what was started for it is gone at the end."""
    from distributed import Client, LocalCluster

    if dask.address:
        try:
            client = Client(dask.address, timeout=CONNECT, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise FailedTask(
                "EngineUnreachable",
                f"training.engine.dask.address {dask.address} does not answer: mend the address, "
                "or start the scheduler",
            ) from error
        with client:
            _wait(client, patience)
            _check_versions(client, dask.address)
            yield client
        return
    host = os.environ.get("PERENNIAL_BIND_ADDRESS", "0.0.0.0")  # noqa: S104 - workers are other pods
    with (
        LocalCluster(n_workers=0, host=host, scheduler_port=PORT, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        log.info("search: waiting for the first of %s workers", dask.workers)
        _wait(client, patience)
        yield client


def _wait(client: "Client", patience: float) -> None:
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError as error:
        raise FailedTask(
            "NoWorkers",
            f"training.engine: no worker has come in {patience:g} s: look at the pods of the workers' Job, and "
            "whether a quota or a NetworkPolicy keeps them from the pod that trains",
        ) from error


def _check_versions(client: "Client", address: str) -> None:
    """Scheduler and workers have the libraries and the trainer of this image; else EngineOfOtherVersion."""
    from distributed.versions import error_message

    found = client.get_versions(packages=["scikit-learn", "joblib"])  # which itself only warns of what is not the same
    different = error_message(found["scheduler"], found["workers"], found["client"])["warning"]
    told = client.run(_version, on_error="return")  # an error where there is no trainer at all
    trainers = {_version(), *map(str, told.values())}
    if different or len(trainers) > 1:
        log.warning("%s", different or f"perennial_trainer: {join_names(sorted(trainers))}")
        raise RejectedTask(
            "EngineOfOtherVersion",
            f"training.engine.dask.address {address} has other libraries than this image: run its scheduler and its "
            "workers from the same image",
        )


def _version() -> str:
    return perennial_trainer.__version__
