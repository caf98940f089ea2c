"""`kubectl perennial COMMAND`: kubectl runs a program named kubectl-perennial that it finds in PATH."""

from __future__ import annotations

import sys

from kubectl_perennial.cli import parsed, person
from kubectl_perennial.client import Cluster
from kubectl_perennial.errors import SorryError, UsageError
from kubectl_perennial.terminal.console import console


def main() -> int:
    """0 done, 1 it could not be done, 2 no such command; what went wrong is one sentence on standard error."""
    asked = parsed(sys.argv[1:])
    try:
        cluster = Cluster.connect(asked.kubeconfig, asked.context, asked.namespace)
        if "by" in asked:
            asked.by = person(asked.by, cluster.user)
        asked.run(cluster, asked, console())
    except SorryError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
