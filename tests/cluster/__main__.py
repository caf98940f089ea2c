"""`python -m tests.cluster --directory DIR` serves the local cluster until it is interrupted."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from tests.cluster.local import LocalCluster

parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
parser.add_argument("--directory", type=Path, required=True, help="where the kubeconfig is written")
parser.add_argument("--port", type=int, default=0, help="the default is a free one")
arguments = parser.parse_args()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
with LocalCluster(arguments.directory, arguments.port) as cluster:
    print(f"{cluster.url}\nexport KUBECONFIG={cluster.kubeconfig}", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
