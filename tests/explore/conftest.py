"""A page of a LeNet trained for two short epochs and a reduced VGG of random weights."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from fashion_cnn.base import paths
from fashion_cnn.models import lenet
from fashion_cnn.tracing import trace_network
from fashion_cnn.training.run import train
from tests import recipes
from tests.conftest import ROOT, Shell
from tests.made_weights import save_vgg

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def project(fashion_mnist: Path, shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the stage has written its page."""
    folder = tmp_path_factory.mktemp("explore")
    (folder / "dvc.yaml").touch()
    for name in ("data", "plots/shapes"):
        (folder / name).mkdir(parents=True)
    (folder / "data" / "fashion_mnist").symlink_to(fashion_mnist)
    layers = json.dumps([asdict(row) for row in trace_network(lenet.build(), (1, 28, 28))])
    (folder / "plots" / "shapes" / "lenet.json").write_text(layers)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        interval, recipe = recipes.LOG_INTERVAL, recipes.lenet(epochs=2)
        train("lenet", lenet.build, recipe, recipes.dataset(), interval, keep_epochs=True)
        save_vgg(paths.weights_file("vgg"))
    done = shell("python", str(ROOT / "stages/explore.py"), cwd=folder, PYTHONPATH=ROOT / "src")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def in_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test of the page run in that folder, and no other test."""
    monkeypatch.chdir(project)


@pytest.fixture(scope="session")
def html(project: Path) -> Path:
    """The page's file."""
    return project / "data/explore/explore.html"


@pytest.fixture(scope="module")
def open_page(html: Path, chromium: str) -> Iterator[Open]:
    """Return a function that opens the page offline; what it requests or logs fails the test."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def call(width: int = 1200, scheme: str = "light", **options: object) -> Page:
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,  # type: ignore[arg-type]
                offline=True,
                **options,  # type: ignore[arg-type]
            )
            page = context.new_page()
            page.set_default_timeout(60_000)
            page.on("request", lambda request: complaints.append(request.url))
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(html.as_uri())
            page.wait_for_selector("html[data-ready]", state="attached")
            return page

        yield call
        browser.close()
    assert {each for each in complaints if not each.startswith("data:")} == {html.as_uri()}
