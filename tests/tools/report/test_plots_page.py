"""`dvc plots show` with the page of the environment, in headless Chromium, offline."""

from pathlib import Path

from dvc_render import ImageRenderer
from dvc_render.html import render_html
from playwright.sync_api import sync_playwright

from fashion_cnn.tools import plots_page
from tests.conftest import Shell

CHARTS = {
    "Training_loss",
    "Validation_loss",
    "Validation_accuracy",
    "F1_by_class",
    "plots_costs_csv",
    *(f"plots_shapes_{model}_json" for model in ("lenet", "vgg", "vgg11")),
    "plots_data_classes_csv",
    *(
        f"plots_{name}_{model}_{kind}"
        for model in ("lenet", "vgg", "vgg11")
        for name, kind in (
            ("training", "csv"),
            ("classes", "csv"),
            ("confusion", "csv"),
            ("reliability", "json"),
        )
    ),
}


def test_every_chart_is_drawn_once_and_nothing_is_loaded(
    clone: Path, chromium: str, shell: Shell
) -> None:
    (clone / "page.html").write_text(plots_page.page(), encoding="utf8")
    setting = ("plots.html_template", "../page.html")
    assert shell("dvc", "config", "--local", *setting, cwd=clone).returncode == 0
    done = shell("dvc", "plots", "show", "-o", "shown", cwd=clone)
    assert done.returncode == 0, done.stderr
    requests: list[str] = []
    faults: list[str] = []

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(offline=True)
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto((clone / "shown/index.html").as_uri())
        page.wait_for_function(f"document.querySelectorAll('.marks').length >= {len(CHARTS)}")
        drawn = page.evaluate(
            """[...document.querySelectorAll("body > div")]
            .filter(div => div.querySelector(".marks")).map(div => div.id)"""
        )
        browser.close()
    assert faults == []
    assert [url for url in requests if not url.startswith("file:")] == []
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == CHARTS


def test_pictures_have_titles_and_layers_their_order(tmp_path: Path, chromium: str) -> None:
    (tmp_path / "page.html").write_text(plots_page.page(), encoding="utf8")
    pictures = [
        ImageRenderer([{"rev": "workspace", "src": "data:,"}], f"plots/kernels/vgg/{layer}.png")
        for layer in ("features.0", "features.11", "features.3")
    ]
    shown = tmp_path / "shown.html"
    render_html(pictures, shown, html_template=str(tmp_path / "page.html"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(shown.as_uri())
        titles = page.locator("body > div > p").all_text_contents()
        browser.close()
    assert titles == [f"vgg: kernels features.{number}" for number in (0, 3, 11)]
