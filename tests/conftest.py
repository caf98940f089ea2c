"""What the run says of itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.stage import chosen_cluster


def pytest_report_header(config: pytest.Config) -> str:
    what = {
        "local": "the local cluster of tests/cluster (no $KUBEBUILDER_ASSETS, no CLUSTER=current)",
        "real": "a real etcd and kube-apiserver, with the local node for a kubelet",
        "current": "the cluster of the current kubeconfig",
    }
    return f"end-to-end tests run on {what[chosen_cluster()]}"


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """What the test did, in numbers: the run tells it at its end."""
    return lambda text: record_property("counted", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "counted":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {text}")
