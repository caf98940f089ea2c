"""The site has every page; `make docs` builds it and checks each link."""

from __future__ import annotations

import runpy
import tomllib
from collections.abc import Iterator
from typing import Any

from tests.stage import ROOT

SITE = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
SOURCES = runpy.run_path(str(ROOT / "docs" / "site.py"))["sources"]()


def pages(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        for place in entry.values():
            yield from [place] if isinstance(place, str) else pages(place)


def test_each_document_has_one_place_in_the_nav() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = list(pages(SITE["nav"]))
    assert len(named) == len(set(named))
    assert {str(document.relative_to(ROOT)) for document in documents} - set(named) == set()


def test_the_nav_names_pages_that_links_lead_to() -> None:
    assert set(pages(SITE["nav"])) - {str(file.relative_to(ROOT)) for file in SOURCES} == set()


def test_links_lead_to_files_and_not_to_folders() -> None:
    assert [file for file in SOURCES if not file.is_file()] == []
