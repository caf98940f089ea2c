"""`report` opens what this machine can reach, and says else where it lies and how to get there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.plugin.terminal import PATHS, Terminal


class Browser:
    """A program that notes what it is to open."""

    def __init__(self, folder: Path) -> None:
        self._opened = folder / "opened"
        self.command = folder / "browser"
        self.command.write_text(f'#!/bin/sh\necho "$1" >> {self._opened}\n')
        self.command.chmod(0o755)

    @property
    def opened(self) -> list[str]:
        return self._opened.read_text().split() if self._opened.exists() else []


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    """A store over HTTP with one page."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "report.html").write_text("<h1>bike-v3</h1>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path / "store"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def stored_at(terminal: Terminal, uri: str, version: str = "bike-v3") -> None:
    artifact = {"uri": f"{uri}/model.joblib", "sha256": "0" * 64, "bytes": 1}
    terminal.kubectl.patch("ModelVersion", version, {"status": {"artifact": artifact}}, "status")


def test_a_page_on_this_machine_is_opened(apart: Terminal, browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<h1>bike-v3</h1>")
    stored_at(apart, tmp_path.as_uri())
    assert apart.reads("report", "bike", BROWSER=str(browser.command)) == f"opened {page.as_uri()}\n"
    assert browser.opened == [page.as_uri()]


def test_a_page_on_the_web_is_left_to_the_browser_and_can_be_saved(
    apart: Terminal, browser: Browser, store: str, tmp_path: Path
) -> None:
    stored_at(apart, store, "bike-v4")
    apart.reads("report", "bike", "v4", BROWSER=str(browser.command))
    assert browser.opened == [f"{store}/report.html"]
    apart.reads("report", "bike", "v4", "--to", str(tmp_path / "saved.html"), BROWSER=str(browser.command))
    assert (tmp_path / "saved.html").read_text() == "<h1>bike-v3</h1>"
    assert len(browser.opened) == 1


def test_a_page_in_another_store_is_fetched_by_fsspec(apart: Terminal, browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<h1>bike-v3</h1>")
    stored_at(apart, f"local://{tmp_path}")  # a store that is no file:// to this program, and needs no driver
    apart.reads("report", "bike", BROWSER=str(browser.command))
    (opened,) = browser.opened
    assert Path(opened.removeprefix("file://")).read_text() == "<h1>bike-v3</h1>"
    Path(opened.removeprefix("file://")).unlink()


def test_a_page_on_a_claim_is_not_reached_from_here_and_the_way_to_it_is_said(told: Terminal) -> None:
    path = "/mnt/perennial/models/default/bike/bike-v3/report.html"
    assert told.hears("report", "bike") == (
        f"file://{path} is a path inside the model's pods; it lies on PersistentVolumeClaim models: "
        f"kubectl exec -n {told.kubectl.namespace} deploy/bike-v3 -- cat {path} > report.html"
    )


def test_the_newest_drift_reports_page_is_named_by_its_address(told: Terminal) -> None:
    page = "https://example.com/reports/bike-check-2/report.html"
    assert told.reads("report", "bike", "--drift", "--print") == f"{page}\n"


def test_where_there_is_no_page_it_is_said(terminal: Terminal) -> None:
    terminal.put_model(status={"candidateVersion": "bike-v1"})
    assert terminal.hears("report", "bike") == "bike has no version yet, so there is no page"
    terminal.put_version("bike-v1")
    assert terminal.hears("report", "bike") == (
        "bike-v1 has no stored model (it is Training), so there is no page beside it"
    )
    assert terminal.hears("report", "bike", "--drift") == "no DriftReport about bike names a page in spec.details"


def test_a_store_whose_driver_is_not_installed_is_named_with_the_driver(apart: Terminal, tmp_path: Path) -> None:
    stored_at(apart, "s3://models/bike/bike-v3")
    (tmp_path / "fsspec.py").write_text("raise ImportError('no module named fsspec')\n")
    said = apart.hears("report", "bike", PYTHONPATH=f"{tmp_path}:{PATHS}")
    assert (
        said == "the page lies at s3://models/bike/bike-v3/report.html; to open it from here: pip install fsspec s3fs"
    )
