"""Runs Python modules as forks of this process, which has imported what they need: `fork_server.py MODULE...`.

A request is a line of JSON on stdin (`argv`, `env`, `directory`, `output`), a reply a line on stdout: `started PID` in
the order of the requests, `ended PID CODE` with the code as in `subprocess`. At the end of stdin every child is killed.
It imports nothing else of this repository, because its children see everything that it has imported.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import sys
import time
from contextlib import suppress
from typing import Any

STDIN, STDOUT, STDERR = 0, 1, 2


def serve() -> dict[str, Any] | None:
    """The request in the child that has to run it; None in the server once stdin has ended."""
    replies = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    buffered, children = b"", dict[int, int]()  # pid → pidfd
    with selectors.DefaultSelector() as selector:
        selector.register(STDIN, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    selector.unregister(key.fd)
                    os.close(children.pop(key.data))
                    code = os.waitstatus_to_exitcode(os.waitpid(key.data, 0)[1])
                    os.write(replies, f"ended {key.data} {code}\n".encode())
                    continue
                received = os.read(STDIN, 65536)
                if not received:
                    for pid in children:
                        os.killpg(pid, signal.SIGKILL)
                    return None
                *lines, buffered = (buffered + received).split(b"\n")
                for line in lines:
                    pid = os.fork()
                    if pid == 0:
                        for descriptor in (replies, *children.values()):
                            os.close(descriptor)
                        request: dict[str, Any] = json.loads(line)
                        return request
                    with suppress(PermissionError, ProcessLookupError):  # the child does the same; one of both is first
                        os.setpgid(pid, pid)
                    children[pid] = os.pidfd_open(pid)
                    selector.register(children[pid], selectors.EVENT_READ, pid)
                    os.write(replies, f"started {pid}\n".encode())


def become(request: dict[str, Any]) -> None:
    """The process has the environment, directory, process group and streams of a new one."""
    os.setpgid(0, 0)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["directory"])
    output = os.open(request["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((nothing, STDIN), (output, STDOUT), (output, STDERR)):
        os.dup2(descriptor, target)
    os.close(output)
    os.close(nothing)
    sys.argv[:] = request["argv"]
    sys.path.insert(0, os.getcwd())
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # forks would draw the same numbers
    for name, module in sys.modules.copy().items():
        if name.startswith("kubernetes.") and ".config" in name:  # read when they were imported
            module.KUBE_CONFIG_DEFAULT_LOCATION = os.environ.get("KUBECONFIG", "~/.kube/config")


for module in sys.argv[1:]:
    importlib.import_module(module)
gc.collect()
gc.freeze()  # a fork that collects does not copy what they share
if task := serve():
    become(task)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
