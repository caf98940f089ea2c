"""A Kubernetes API server in this process, and a node that runs containers as local processes: see README.md."""

from tests.cluster.client import Api, Connection, Refused, Resource
from tests.cluster.kubelet.starter import Fork, ForkServer
from tests.cluster.local import LocalCluster
from tests.cluster.node import LocalNode
from tests.cluster.real import RealApi, envtest_binaries

__all__ = [
    "Api",
    "Connection",
    "Fork",
    "ForkServer",
    "LocalCluster",
    "LocalNode",
    "RealApi",
    "Refused",
    "Resource",
    "envtest_binaries",
]
