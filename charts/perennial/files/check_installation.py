"""Succeeds if the operator's account can list ModelDeployments, and one operator holds and renews the Lease."""

import asyncio
import os
import sys

from perennial_operator.cluster.client import Kube
from perennial_operator.lease import LEASE_SECONDS, NAME
from perennial_operator.settings import read_settings


async def main() -> str:
    """The error message, or an empty string."""
    settings = read_settings(os.environ)
    kube = await Kube.connect()
    try:
        for namespace in settings.namespaces or (None,):
            await kube.list("ModelDeployment", namespace)
        seen = set()
        for _ in range(int(2 * LEASE_SECONDS)):
            lease = await kube.get("Lease", settings.lease_namespace, NAME)
            if lease and lease["spec"].get("holderIdentity"):
                seen.add(lease["spec"]["renewTime"])
            if len(seen) > 1:  # which depends on no clock
                return ""
            await asyncio.sleep(1)
    finally:
        await kube.close()
    return f"no operator renews the Lease {settings.lease_namespace}/{NAME}: check the operators' pods and logs"


sys.exit(asyncio.run(main()) or 0)
