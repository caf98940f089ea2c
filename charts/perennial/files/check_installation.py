"""Succeeds if the operator's account can list ModelDeployments, and every Lease is held and renewed."""

import asyncio
import os
import sys

from perennial_operator.cluster.client import Kube
from perennial_operator.election import lease_names
from perennial_operator.lease import LEASE_SECONDS
from perennial_operator.settings import read_settings


async def main() -> str:
    """The error message, or an empty string."""
    settings = read_settings(os.environ)
    kube = await Kube.connect()
    try:
        for namespace in settings.namespaces or (None,):
            await kube.list("ModelDeployment", namespace)
        seen = {name: set() for name in lease_names(settings.shards)}
        for _ in range(int(2 * LEASE_SECONDS)):
            for name, renewed in seen.items():
                lease = await kube.get("Lease", settings.lease_namespace, name)
                if lease and lease["spec"].get("holderIdentity"):
                    renewed.add(lease["spec"]["renewTime"])
            left = [name for name, renewed in seen.items() if len(renewed) < 2]  # which depends on no clock
            if not left:
                return ""
            await asyncio.sleep(1)
    finally:
        await kube.close()
    names = ", ".join(left)
    return f"no operator renews the Lease {names} in {settings.lease_namespace}: check the operators' pods and logs"


sys.exit(asyncio.run(main()) or 0)
