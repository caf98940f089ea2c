"""`kubectl perennial COMMAND`: kubectl runs the program kubectl-perennial of the PATH."""

from __future__ import annotations

import sys

from kubectl_perennial.cli.parser import parse_arguments
from kubectl_perennial.client import Cluster
from kubectl_perennial.errors import CommandError, UsageError
from kubectl_perennial.terminal.console import make_console, warn


def main() -> int:
    """The exit code: 0 done, 1 failed, 2 wrong usage; an error is one sentence on standard error."""
    arguments = parse_arguments(sys.argv[1:])
    try:
        if arguments.needs_cluster:
            cluster = Cluster.connect(arguments.kubeconfig, arguments.context, arguments.namespace)
            arguments.run(cluster, arguments, make_console())
        else:
            arguments.run(arguments, make_console())
    except CommandError as error:
        warn(f"error: {error}")
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
