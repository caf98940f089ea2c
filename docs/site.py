"""Copies what the site is built from: README.md, and all that a copied document links to, at the same paths.

So a link leads to the same file on the site as in the checkout. `make docs` builds it, and checks each link.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def sources() -> set[Path]:
    """README.md and every file of the checkout that links lead to from there."""
    reached: set[Path] = set()
    todo = {ROOT / "README.md"}
    while todo:
        reached |= todo
        todo = {file for document in todo if document.suffix == ".md" for file in linked(document)} - reached
    return reached


def linked(document: Path) -> Iterator[Path]:
    """The files that the document links to, or shows."""
    for link in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
        if "://" not in link:
            yield (document.parent / link).resolve()


def copy_to(folder: Path) -> None:
    """The folder has these files, and no others."""
    shutil.rmtree(folder, ignore_errors=True)
    for file in sources():
        place = folder / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)


if __name__ == "__main__":
    copy_to(Path(sys.argv[1]))
