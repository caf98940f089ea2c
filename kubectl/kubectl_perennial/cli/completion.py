"""What may be typed next: kubectl asks the program kubectl_complete-perennial, in each of its shells.

kubectl passes on the words after `kubectl perennial`, and reads from each line a word and its description. The last
line is a directive of Cobra's.
"""

from __future__ import annotations

import shlex
import sys
from argparse import Action, Namespace
from collections.abc import Mapping, Sequence
from itertools import count, takewhile
from typing import Any

from argcomplete.completers import BaseCompleter
from argcomplete.finders import CompletionFinder

from kubectl_perennial.cli.parser import make_parser
from kubectl_perennial.client import Body, Cluster
from kubectl_perennial.errors import CommandError
from kubectl_perennial.selection import select

FILES, NO_FILES = ":0", ":4"
"""Directives: the shell offers files if there is no word, or it does not."""


def main() -> int:
    """Prints each word that may take the place of the last one, and a directive."""
    sys.stdout.writelines(f"{line}\n" for line in next_words(sys.argv[1:]))
    return 0


def next_words(words: Sequence[str]) -> list[str]:
    """The lines that kubectl reads."""
    arguments = _Arguments()
    finder = CompletionFinder(
        make_parser(), always_complete_options=False, default_completer=arguments, append_space=False
    )
    *before, last = words or [""]
    start = "".join(f"{shlex.quote(word)} " for word in before)
    lines = takewhile(lambda line: line is not None, (finder.rl_complete(start + last, state) for state in count()))
    completed = [str(line).removeprefix(start) for line in lines]
    help_texts = finder.get_display_completions()
    return [*(f"{word}\t{help_texts.get(word, '')}" for word in completed), arguments.directive]


class _Arguments(BaseCompleter):
    """Offers names of models and versions; for any other argument but a key the shell offers files."""

    directive = NO_FILES

    def __call__(self, *, action: Action, parsed_args: Namespace, **_: Any) -> Mapping[str, str]:
        if action.dest in ("name", "names") and not action.option_strings:
            return _names(parsed_args)
        if action.dest != "key":
            self.directive = FILES
        return {}


def _names(arguments: Namespace) -> Mapping[str, str]:
    """The models, or the versions of the model that is named, each with its phase; nothing if the cluster refuses."""
    try:
        cluster = Cluster.connect(arguments.kubeconfig, arguments.context, arguments.namespace)
        if not getattr(arguments, "names", None):
            return {body["metadata"]["name"]: _phase(body) for body in cluster.list("ModelDeployment")}
        versions = select(cluster, arguments.names).versions
        return {f"v{body['spec']['number']}": _phase(body) for body in reversed(versions)}
    except CommandError:
        return {}


def _phase(body: Body) -> str:
    return str((body.get("status") or {}).get("phase", ""))
