"""`python -m perennial_operator.crds DIRECTORY` writes the CustomResourceDefinitions."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from perennial_operator.crds.definitions import crd_definitions


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, body in crd_definitions().items():
        (directory / name).write_text(yaml.safe_dump(body, sort_keys=False, width=120), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
