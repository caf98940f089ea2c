"""joblib's backend for Dask, with what a search needs changed: the one place that uses joblib's private modules.

joblib has no public class of this backend, and its public name "dask" takes no options for these methods. A test fails
when joblib moves the classes or the methods.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from joblib._dask import DaskDistributedBackend
from joblib._parallel_backends import SequentialBackend

if TYPE_CHECKING:
    from distributed import Client


class SearchBackend(DaskDistributedBackend):  # type: ignore[misc]
    """Runs every task on the workers, and ends the wait when Dask reports an error, such as a lost worker."""

    def effective_n_jobs(self, n_jobs: int) -> int:
        """At least 2: with 1, joblib would run in this process instead of on the only worker."""
        return max(2, int(super().effective_n_jobs(n_jobs)))

    def get_nested_backend(self) -> tuple[SequentialBackend, int]:
        """Loops inside a task run in the task."""
        return SequentialBackend(nesting_level=1), 1

    def submit(self, func: Any, callback: Callable[[Any], None]) -> "Future[Any]":
        """Joblib calls back only after success; this does after an error, too."""
        future: Future[Any] = super().submit(func, callback)
        future.add_done_callback(lambda done: callback(done) if done.exception() else None)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        return out.result() if isinstance(out, Future) else super().retrieve_result_callback(out)


def search_backend(client: "Client", resources: dict[str, int] | None) -> SearchBackend:
    """The backend, whose tasks each take the resources of a worker, if any are given."""
    return SearchBackend(client=client, **({"resources": resources} if resources else {}))
