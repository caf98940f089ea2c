"""Draws a trial: what came of each step, all findings, one request, and the manifest to apply."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from kubectl_perennial.client import Body
from kubectl_perennial.terminal import console as output
from perennial_operator.core.api.values import shown

WIDTH = 80
MOST_INPUTS = 12
"""Of a request that is shown whole; a longer one is in its file."""


def draw(fields: Body, folder: str, console: Console) -> None:
    """Everything but the manifest."""
    console.print(_title(fields), soft_wrap=True)
    console.print()
    console.print(output.labelled(list(_steps(fields["steps"]))), width=WIDTH)
    for title, remedies in (("Problems", fields["problems"]), ("Findings", fields["findings"])):
        _table(title, ("FIELD", "WHAT"), [[each["field"], each["sentence"]] for each in remedies], console)
    rows = [[each["field"], each["value"]] for each in fields["recognised"]]
    _table("Recognised, and written into the manifest", ("FIELD", "VALUE"), rows, console)
    head = ("METRIC", "V1", "NO FEATURES", "LIMIT")
    _table("On the rows held back", head, map(_metric, fields["metrics"]), console, head[1:3])
    if fields["request"]:
        _request(fields["request"], folder, fields["model"], console)
    _list("Not known here", fields["unknown"] if fields["live"] else (), console)
    _list("Pages", fields["pages"], console)


def _title(fields: Body) -> Text:
    if not fields["live"]:
        verdict = Text(" would not go live", "red")
    elif fields["request"]["status"] != HTTPStatus.OK:
        verdict = Text(" would go live, but refuse requests", "red")
    else:
        verdict = Text(" would go live", "green")
    return Text.assemble(
        (fields["model"], "bold"), verdict, f"  ·  {fields['data']}  ·  {fields['estimator'].rpartition('.')[2]}"
    )


def _steps(steps: Sequence[Body]) -> Iterable[tuple[str, object]]:
    for each in steps:
        mark, _ = output.MARKS["done" if each["done"] else "failed"]
        yield f"{mark} {each['step']}", Text(each["message"], "" if each["done"] else "red")


def _table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[Any]], console: Console, right: Sequence[str] = ()
) -> None:
    cells = [[str(cell) for cell in row] for row in rows]
    if cells:
        console.print(f"\n{title}", style="bold")
        console.print(output.table(head, cells, right), width=WIDTH)


def _metric(metric: Body) -> list[str]:
    limits = [
        f"{words} {shown(metric[side])}" for side, words in (("min", "at least"), ("max", "at most")) if side in metric
    ]
    base = metric["baseline"]
    return [metric["name"], shown(metric["value"]), "" if base is None else shown(base), " and ".join(limits)]


def _request(request: Body, folder: str, model: str, console: Console) -> None:
    """The command that asks the cluster, and what the server answered here."""
    console.print("\nA request, and its answer", style="bold")
    console.print(f"kubectl port-forward service/{model} {request['port']} &", soft_wrap=True)
    short = len(request["body"]["inputs"]) <= MOST_INPUTS
    body = shlex.quote(_json(request["body"])) if short else f"@{folder}/request.json"
    console.print(f"curl -s {request['url']} \\\n -d {body}", soft_wrap=True)
    answer = _json(json.loads(request["answer"]))
    console.print(Text(answer, "green" if request["status"] == 200 else "red"), soft_wrap=True)


def _json(body: Body) -> str:
    """JSON with a line for each tensor."""
    tensors = {name: each for name, each in body.items() if isinstance(each, list)}
    text = _line({name: each for name, each in body.items() if name not in tensors})[:-1]
    for name, each in tensors.items():
        lines = ",\n".join(f" {_line(tensor)}" for tensor in each)
        text += f'{", " if len(text) > 1 else ""}"{name}": [\n{lines}\n]'
    return text + "}"


def _line(value: Any) -> str:
    """JSON on one line; with escapes only where a character cannot be shown."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _list(title: str, lines: Sequence[str], console: Console) -> None:
    if lines:
        console.print(f"\n{title}", style="bold")
        for line in lines:
            console.print(
                Padding(Text(line), (0, 0, 0, 2)), width=max(WIDTH, len(line) + 2) if "/" in line[:1] else WIDTH
            )
