"""What the run says of itself."""

from __future__ import annotations

import pytest

from tests.stage import chosen_cluster


def pytest_report_header(config: pytest.Config) -> str:
    what = {
        "local": "the local cluster of tests/cluster (no $KUBEBUILDER_ASSETS, no CLUSTER=current)",
        "real": "a real etcd and kube-apiserver, with the local node for a kubelet",
        "current": "the cluster of the current kubeconfig",
    }
    return f"end-to-end tests run on {what[chosen_cluster()]}"
