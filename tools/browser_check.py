"""Open every notebook in JupyterLab in a headless browser, run all cells, and look.

``python -m tools.browser_check [--shots folder] [02 ...]`` starts JupyterLab on loopback, with
scratch settings and a token, on a copy of the course.  It opens each notebook as a reader would,
chooses Run All Cells, waits until every code cell has been run, and fails when a cell shows an
error that it is not tagged for.  With ``--shots`` it saves a picture of each whole notebook, for
a person to look at.

It needs the extra ``browser``, and a Chromium or Chrome on this machine; ``make test`` does not
run it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clean_room import clean_room
from .course_files import FOLDER, CourseError, copy_course, notebooks

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["main"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# No news pop-up, and every cell in the page at once, so that all of it can be read and pictured.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}
WAIT = 180_000  # milliseconds, for a whole notebook on a busy machine
# Finished: at least one cell has a number again, and none waits for its turn.
FINISHED = r"""() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
    return document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]')
        && prompts.some(prompt => /\[\d+\]:/.test(prompt.textContent))
        && !prompts.some(prompt => prompt.textContent.includes('*'));
}"""
READY = """() => {
    const name = document.querySelector('.jp-KernelName');
    return name && name.textContent.includes('Python 3')
        && document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]');
}"""
# The notebook scrolls inside the page: for the picture the page grows to its whole length.
PANEL = "document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer')"
CELLS = "jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.toJSON())"


@contextmanager
def jupyterlab(root: Path) -> Iterator[tuple[str, str]]:
    """Run JupyterLab on `root`, a free port and scratch settings; yield its address and token."""
    token = secrets.token_hex(16)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with clean_room(), tempfile.TemporaryDirectory(prefix="mesh_lab-lab-") as scratch:
        config = Path(scratch, "config", "labconfig")
        config.mkdir(parents=True)
        (config / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"),
            *("--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"),
            *("--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True"),
        ]
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(Path(scratch, "config")),
            "JUPYTER_DATA_DIR": str(Path(scratch, "data")),
            "JUPYTER_TOKEN": token,
        }
        log = Path(scratch, "log")
        with log.open("w") as file:
            server = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            address = f"http://127.0.0.1:{port}"
            _await(f"{address}/api?token={token}", server, log)
            yield address, token
        finally:
            server.terminate()
            server.wait(timeout=30)


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(120):
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.5)
    raise CourseError(f"JupyterLab did not start:\n{log.read_text()}")


def check(page: Page, address: str, token: str, path: Path, shots: Path | None) -> list[str]:
    """Run the notebook at `path` in `page`; return what is wrong."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{address}/lab/tree/notebooks/{path.name}?reset&token={token}")
    page.wait_for_function(READY, timeout=WAIT)
    # The committed numbers and outputs go first: what is there afterwards comes from this run.
    _choose(page, "Edit", "Clear Outputs of All Cells")
    _choose(page, "Run", "Run All Cells")
    page.wait_for_function(FINISHED, timeout=WAIT)
    wrong = []
    for number, cell in enumerate(page.evaluate(CELLS), start=1):
        if cell["cell_type"] != "code":
            continue
        failed = any(output["output_type"] == "error" for output in cell["outputs"])
        if failed != ("raises-exception" in cell["metadata"].get("tags", [])):
            wrong.append(f"cell {number} shows {'an' if failed else 'no'} error")
        elif cell["execution_count"] is None:
            wrong.append(f"cell {number} was not run")
    if shots is not None:
        height = page.evaluate(f"{PANEL}.scrollHeight") + 150
        page.set_viewport_size({"width": 1280, "height": min(height, 16_000)})
        page.evaluate(f"{PANEL}.scrollTo(0, 0)")
        page.wait_for_timeout(1000)
        page.screenshot(path=shots / f"{path.stem}.png")
    return wrong


def _choose(page: Page, menu: str, item: str) -> None:
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=re.compile(f"^{item}")).first.click()


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the notebooks in a browser; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="tools.browser_check")
    parser.add_argument("numbers", nargs="*", help="which notebooks; all by default")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--shots", type=Path, help="save a picture of each notebook there")
    chosen = parser.parse_args(arguments)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no browser found; install one of {', '.join(BROWSERS)}")
        return 1
    try:
        paths = notebooks(chosen.folder, chosen.numbers)
        with tempfile.TemporaryDirectory(prefix="mesh_lab-course-") as scratch:
            copy_course(chosen.folder, Path(scratch))
            return _check_all(browser, Path(scratch), paths, chosen.shots)
    except CourseError as error:
        print(error)
        return 1


def _check_all(browser: str, root: Path, paths: list[Path], shots: Path | None) -> int:
    from playwright.sync_api import Error, sync_playwright

    if shots is not None:
        shots.mkdir(parents=True, exist_ok=True)
    failed = 0
    with jupyterlab(root) as (address, token), sync_playwright() as playwright:
        chromium: Any = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        for path in paths:
            page = chromium.new_page()
            started = time.monotonic()
            try:
                wrong = check(page, address, token, path, shots)
            except Error as error:
                wrong = [str(error).splitlines()[0]]
                if shots is not None:
                    page.screenshot(path=shots / f"{path.stem}-failed.png")
            page.close()
            failed += bool(wrong)
            told = "; ".join(wrong) or "all cells ran"
            print(f"{path.name}: {told}, {time.monotonic() - started:.0f} s", flush=True)
        chromium.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
