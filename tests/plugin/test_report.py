"""`report` opens a page that this machine can read, and otherwise reports where it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.plugin.terminal import PATHS, Terminal


class Browser:
    """A browser that records the address it gets."""

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


def test_local_page_is_opened(as_process: Terminal, browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<h1>bike-v3</h1>")
    stored_at(as_process, tmp_path.as_uri())
    assert as_process.output("report", "bike", BROWSER=str(browser.command)) == f"opened {page.as_uri()}\n"
    assert browser.opened == [page.as_uri()]


def test_page_on_the_web_is_opened_or_saved(as_process: Terminal, browser: Browser, store: str, tmp_path: Path) -> None:
    stored_at(as_process, store, "bike-v4")
    as_process.output("report", "bike", "v4", BROWSER=str(browser.command))
    assert browser.opened == [f"{store}/report.html"]
    as_process.output("report", "bike", "v4", "--to", str(tmp_path / "saved.html"), BROWSER=str(browser.command))
    assert (tmp_path / "saved.html").read_text() == "<h1>bike-v3</h1>"
    assert len(browser.opened) == 1


def test_page_in_another_store_is_read_by_fsspec(as_process: Terminal, browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<h1>bike-v3</h1>")
    stored_at(as_process, f"local://{tmp_path}")  # a store that is no file:// to this program, and needs no driver
    as_process.output("report", "bike", BROWSER=str(browser.command))
    (opened,) = browser.opened
    assert Path(opened.removeprefix("file://")).read_text() == "<h1>bike-v3</h1>"
    Path(opened.removeprefix("file://")).unlink()


def test_page_on_a_claim_is_reported_with_the_exec_command(rolling_out: Terminal) -> None:
    path = "/mnt/perennial/models/default/bike/bike-v3/report.html"
    assert rolling_out.error("report", "bike") == (
        f"file://{path} is a path inside the model's pods; it is on PersistentVolumeClaim models: "
        f"kubectl exec -n {rolling_out.kubectl.namespace} deploy/bike-v3 -- cat {path} > report.html"
    )


def test_drift_prints_the_page_of_the_newest_report(rolling_out: Terminal) -> None:
    page = "https://example.com/reports/bike-check-2/report.html"
    assert rolling_out.output("report", "bike", "--drift", "--print") == f"{page}\n"


def named(terminal: Terminal, page: str) -> None:
    terminal.put_model("page", {"storage": {"uri": f"file://{terminal.home}"}})
    terminal.put_report("page", {"modelDeployment": "page", "details": page})


FOREIGN = [
    "file:///etc/hostname",
    "file://{store}/other/report.html",
    "file://{model}/../../other/report.html",
    "file://{model}/%2e%2e/%2e%2e/other/report.html",
    "file://{model}x/report.html",
    "local://{model}/report.html",
    "http://example.com/report.html",
    "javascript:alert(1)",
    "zip://report.html::file://{model}/a.zip",
    "https://example.com/a.zip::file:///etc/hostname",
    "reference://{model}/report.html",
]


@pytest.mark.parametrize("page", FOREIGN)
def test_page_outside_of_the_storage_is_not_opened(terminal: Terminal, browser: Browser, page: str) -> None:
    model = f"{terminal.home}/{terminal.kubectl.namespace}/page"
    (terminal.home / "other").mkdir()
    (terminal.home / "other" / "report.html").write_text("<script>")
    named(terminal, page.format(store=terminal.home, model=model))
    for more in ((), ("--to", str(terminal.home / "saved"))):
        result = terminal.run("report", "page", "--drift", *more, stdin="y\n", BROWSER=str(browser.command))
        assert result.code == 1 and "it is not opened" in result.err
    assert browser.opened == [] and not (terminal.home / "saved").exists()


def test_page_below_the_storage_is_opened(terminal: Terminal, browser: Browser) -> None:
    page = terminal.home / terminal.kubectl.namespace / "page" / "checks" / "a" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("<h1>page</h1>")
    named(terminal, f"file://{page}")
    assert terminal.output("report", "page", "--drift", "--to", str(terminal.home / "saved.html"))
    assert (terminal.home / "saved.html").read_text() == "<h1>page</h1>"


def test_page_on_the_web_is_opened_only_if_the_person_says_so(rolling_out: Terminal, browser: Browser) -> None:
    page, asked = "https://example.com/reports/bike-check-2/report.html", "Open it? [y/N]"
    web = {"BROWSER": str(browser.command)}
    for answer in ("", "\n", "n\n"):
        result = rolling_out.run("report", "bike", "--drift", stdin=answer, **web)
        assert result.code == 1 and asked in result.err and browser.opened == []
    process = replace(rolling_out, as_process=True)
    result = process.run("report", "bike", "--drift", stdin="y\n", **web)
    assert result.code == 0 and asked in result.err and browser.opened == [page]


def test_missing_page_is_reported(terminal: Terminal) -> None:
    terminal.put_model(status={"candidateVersion": "bike-v1"})
    assert terminal.error("report", "bike") == "bike has no version yet, so there is no page"
    terminal.put_version("bike-v1")
    assert terminal.error("report", "bike") == (
        "bike-v1 has no stored model (it is Training), so there is no page beside it"
    )
    assert terminal.error("report", "bike", "--drift") == "no DriftReport about bike names a page in spec.details"


def test_missing_driver_of_a_store_is_named(as_process: Terminal, tmp_path: Path) -> None:
    stored_at(as_process, "s3://models/bike/bike-v3")
    (tmp_path / "fsspec.py").write_text("raise ImportError('no module named fsspec')\n")
    result = as_process.error("report", "bike", PYTHONPATH=f"{tmp_path}:{PATHS}")
    assert (
        result == "the page is at s3://models/bike/bike-v3/report.html; to open it from here: pip install fsspec s3fs"
    )
