"""What the run says of itself."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

import pytest

from tests.cluster import ForkServer
from tests.stage import ROOT, chosen_cluster

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers with two threads each would wait for each other

LONGEST_FIRST = (
    "e2e/test_backtest.py",
    "e2e/test_capture.py",
    "e2e/test_loop.py",
    "e2e/test_harm.py",
    "e2e/test_kill.py",
    "charts/test_tutorial.py",
    "manifests/test_samples.py",
    "e2e/test_analysis.py",
    "e2e/test_estimators.py",
    "e2e/test_quickstart.py",
    "e2e/test_kserve.py",
    "e2e/test_gateway.py",
    "truth/test_drift.py",
    "charts/test_render.py",
    "truth/test_rows.py",
    "trainer/test_validation.py",
    "bench/test_effect.py",
    "trainer/test_artifact.py",
    "trainer/test_engine.py",
    "trainer/test_training.py",
    "core/test_invariants.py",
    "core/test_crash.py",
    "trainer/test_stores.py",
    "trainer/test_slow_store.py",
    "e2e/test_ledger.py",
    "e2e/test_gitops.py",
    "e2e/test_plugin.py",
)
"""Files that take longest: were one of them the last, a worker would wait for it without work."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_sessionfinish() -> None:
    ForkServer.end_all()


def pytest_report_header(config: pytest.Config) -> str:
    what = {
        "local": "the local cluster of tests/cluster (no $KUBEBUILDER_ASSETS, no CLUSTER=current)",
        "real": "a real etcd and kube-apiserver, with the local node for a kubelet",
        "current": "the cluster of the current kubeconfig",
    }
    return f"end-to-end tests run on {what[chosen_cluster()]}"


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[[str | Mapping[str, int]], None]:
    """What the test did: the run reports it at its end; counts of the same test with other parameters add up."""
    return lambda what: record_property("counted", what if isinstance(what, str) else dict(what))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.getreports("passed"):
        test = report.nodeid.rpartition("::")[2]
        for name, text in report.user_properties:
            if name == "counted" and isinstance(text, Mapping):
                counts[test.partition("[")[0]].update(text)
            elif name == "counted":
                terminalreporter.write_line(f"{test}: {text}")
    for test, counter in counts.items():
        terminalreporter.write_line(f"{test}: " + ", ".join(f"{counter[what]:,} {what}" for what in sorted(counter)))
