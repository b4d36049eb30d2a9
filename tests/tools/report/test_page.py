"""The page in headless Chromium: on a phone and a wide screen, light and dark, by keyboard."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

SECTIONS = [
    "networks",
    "pairs",
    "kernels",
    "feature-maps",
    "attention",
    "mistakes",
    "confusion",
    "classes",
    "calibration",
    "curves",
    "changes",
    "data",
    "parameters",
    "pipeline",
    "provenance",
]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # No sandbox within the sandbox of a container; the page is the tests' own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(
    scope="module", params=[(380, "light"), (380, "dark"), (1600, "light"), (1600, "dark")], ids=str
)
def page(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """The page, open; a message in its console or a request beyond it fails the tests."""
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    own = (report / "report.html").as_uri()

    def keep(request: Request) -> None:
        if not request.url.startswith((own, "data:")):
            faults.append(request.url)

    page.on("request", keep)
    page.goto(own)
    yield page
    page.close()
    assert faults == []


def test_every_section_has_its_figure(page: Page) -> None:
    assert page.locator("main section").evaluate_all("all => all.map(e => e.id)") == SECTIONS
    for name in SECTIONS:
        figures = page.locator(f"#{name} figure")
        assert figures.count() > 0, name
        for figure in figures.all():
            assert figure.locator("svg, img, tbody tr").count() > 0, name
        assert page.locator(f"#{name} .note").count() == 0, name
    images = page.locator("main img").evaluate_all(
        "all => Promise.all(all.map(e => e.decode().then(() => e.naturalWidth)))"
    )
    assert images == [320] * len(images)
    # Of each network eleven, two of them mistakes; of LeNet the baseline's kernels, feature maps,
    # confusion and reliability too.
    assert len(images) == 3 * 11 + 8


def test_nothing_is_wider_than_the_page(page: Page) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.locator("details").evaluate_all("all => all.forEach(e => e.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # Words of drawings stay within them.
    over = page.evaluate("""[...document.querySelectorAll("main svg text")].filter(text => {
        const box = text.getBoundingClientRect();
        return box.right > innerWidth || box.left < 0;
    }).map(text => text.textContent)""")
    page.locator("details").evaluate_all("all => all.forEach(e => e.open = false)")
    assert over == []


# What is too faint is so at any width: a scheme each.
@pytest.mark.parametrize("page", [(380, "light"), (1600, "dark")], indirect=True, ids=str)
def test_axe_finds_nothing(page: Page) -> None:
    page.locator("details").evaluate_all("all => all.forEach(e => e.open = true)")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": tags})
    page.locator("details").evaluate_all("all => all.forEach(e => e.open = false)")
    assert found.violations_count == 0, found.generate_report()
    assert any(rule["id"] == "color-contrast" for rule in found.response["passes"])


def test_words_and_marks_of_drawings_stand_out(page: Page) -> None:
    """axe does not look into drawings: WCAG's own formula, 4.5 for words and 3 for marks."""
    colors = page.evaluate("""() => {
        const canvas = document.createElement("canvas").getContext("2d");
        const style = getComputedStyle(document.documentElement);
        return Object.fromEntries(("paper raised ink quiet strong-rule lenet vgg vgg11 " +
            "train").split(" ").map(name => {
                canvas.fillStyle = style.getPropertyValue("--" + name);
                return [name, canvas.fillStyle];
            }));
    }""")
    rgb = {
        name: [int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)] for name, value in colors.items()
    }

    def luminance(color: list[float]) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    def contrast(one: list[float], two: list[float]) -> float:
        low, high = sorted((luminance(one), luminance(two)))
        return (high + 0.05) / (low + 0.05)

    for words in ("ink", "quiet"):
        assert contrast(rgb[words], rgb["paper"]) >= 4.5
    for mark in ("lenet", "vgg", "vgg11", "train", "strong-rule"):
        assert contrast(rgb[mark], rgb["paper"]) >= 3, mark


def test_a_chart_tells_its_values_to_pointer_and_keyboard(page: Page) -> None:
    tip = page.locator("#tip")
    page.locator("#classes path[aria-label]").first.hover()
    expect(tip).to_contain_text(re.compile(r"T-shirt/top\nLeNet: \d+\.\d%"))
    chart = page.locator("#curves .chart").first
    chart.focus()
    page.keyboard.press("ArrowRight")
    expect(tip).to_contain_text(re.compile(r"epoch 1\nbaseline, training: 0\.6667"))
    page.keyboard.press("ArrowRight")
    expect(tip).to_contain_text("epoch 2")
    box = tip.bounding_box()
    assert box is not None
    assert page.viewport_size is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= page.viewport_size["width"]
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()


def test_an_image_opens_large_and_escape_closes_it(page: Page) -> None:
    dialog = page.locator("dialog")
    first = page.locator("#kernels .open").first
    first.focus()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    shown = dialog.locator("img")
    assert shown.evaluate("e => e.clientWidth") > first.evaluate("e => e.clientWidth")
    assert dialog.evaluate("e => e.scrollWidth <= innerWidth")
    expect(shown).to_have_attribute("alt", re.compile("^Kernels of conv1 of LeNet, before and"))
    page.keyboard.press("ArrowRight")
    expect(shown).to_have_attribute("alt", re.compile("^Kernels of conv2 of LeNet, before and"))
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#kernels .open").nth(1)).to_be_focused()


def test_focus_is_seen_and_the_first_stop_skips_the_contents(page: Page) -> None:
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    skip = page.locator(".skip")
    skip.focus()
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    chart = page.locator(".chart").first
    page.keyboard.press("Tab")
    chart.evaluate("e => e.focus({focusVisible: true})")
    assert chart.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


def test_it_is_small_and_opens_soon(page: Page, report: Path) -> None:
    assert (report / "report.html").stat().st_size < 8_000_000
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    print(f"opened in {loaded:.0f} ms")
    # No test of speed: a page that loads nothing opens at once, or something is badly wrong.
    assert 0 < loaded < 30_000
