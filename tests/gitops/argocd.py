"""The configuration of Argo CD for our kinds.

`python -m tests.gitops.argocd` writes gitops/argocd/argocd-cm.yaml from the scripts beside it.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.stage import ROOT

FOLDER = ROOT / "gitops" / "argocd"
KINDS = FOLDER / "resource_customizations" / "perennial.dev"
CONFIG_MAP = FOLDER / "argocd-cm.yaml"
HEAD = (
    "# Made from resource_customizations/ by python -m tests.gitops.argocd; docs/gitops.md says what to do with it.\n"
)


class _Literal(yaml.SafeDumper):
    """Scripts stay readable: texts of several lines are blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Literal.add_representer(str, _text)


def config_map() -> str:
    """A patch of Argo CD's ConfigMap argocd-cm."""
    data = {}
    for kind in sorted(KINDS.iterdir()):
        data[f"resource.customizations.health.perennial.dev_{kind.name}"] = (kind / "health.lua").read_text()
        if (kind / "actions").is_dir():
            data[f"resource.customizations.actions.perennial.dev_{kind.name}"] = _dumped(_actions(kind / "actions"))
    metadata = {"name": "argocd-cm", "namespace": "argocd", "labels": {"app.kubernetes.io/part-of": "argocd"}}
    return HEAD + _dumped({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _actions(folder: Path) -> dict[str, object]:
    scripts = sorted(folder.glob("*/action.lua"))
    return {
        "discovery.lua": (folder / "discovery.lua").read_text(),
        "definitions": [{"name": script.parent.name, "action.lua": script.read_text()} for script in scripts],
    }


def _dumped(value: object) -> str:
    text: str = yaml.dump(value, Dumper=_Literal, sort_keys=False, width=1000)
    return text


if __name__ == "__main__":
    CONFIG_MAP.write_text(config_map())
