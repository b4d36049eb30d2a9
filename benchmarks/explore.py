"""`make bench-explore`: the explore page's pictures in docs/, and its frame time.

They are made from data/explore/explore.html as it is, so that they show the trained networks.
"""

import io
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from fashion_cnn.base.errors import InputError, run
from fashion_cnn.base.paths import root

WIDTH = 830  # of a picture: what GitHub shows
COLOURS = 200
# A boot, in pixels of the drawing: its shaft from side to side, then its foot and sole.
BOOT = (
    *((25, 7), (18, 7), (18, 9), (25, 9), (25, 11), (17, 11), (15, 13), (25, 13)),
    *((25, 15), (12, 15), (8, 17), (25, 17), (25, 19), (3, 19), (2, 21), (26, 21)),
)


def main() -> None:
    """Write the pictures, print the times."""
    page_file, docs = root() / "data/explore/explore.html", root() / "docs"
    if not page_file.is_file():
        raise InputError(f"{page_file} is missing: make it with `dvc repro explore`")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise InputError("no Chromium on the PATH: install one, on Debian with apt-get")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1024, "height": 980}, color_scheme="light")
        page.set_default_timeout(120_000)
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        times = [*frame_times(page)]
        save_film([*film(page)], docs / "explore.gif")
        pictures = {"layers": _seen(page)}
        page.set_viewport_size({"width": 1400, "height": 900})
        _touch(page, "conv2", 9, 0.55, click=True)
        page.wait_for_selector("#nearest button")
        for name, part in (("sum", "#sum"), ("why", "[aria-labelledby=why-title]")):
            pictures[name] = page.locator(part).screenshot()
        browser.close()
    for name, content in pictures.items():
        shrunk(content).quantize(COLOURS).save(docs / f"explore_{name}.png", optimize=True)
    print(
        f"from frame to frame while drawing: median {median(times):.1f} ms, 95% within "
        f"{quantiles(times, n=20)[-1]:.1f} ms, of {len(times)} frames"
    )


def draw(page: Page, steps: int) -> Iterator[None]:
    """Draw the boot with the pointer, each stroke in `steps` moves; yield after each stroke."""
    page.click("#clear")
    _seen(page)  # It scrolls.
    box = page.locator("#picture").bounding_box()
    assert box
    places = [(box["x"] + x * box["width"] / 28, box["y"] + y * box["width"] / 28) for x, y in BOOT]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
        yield
    page.mouse.up()


def frame_times(page: Page) -> Iterator[float]:
    """Yield the milliseconds from each frame to the next one while the boot is drawn."""
    page.evaluate(
        """() => { window.frames = []; const next = (now) => {
        window.frames.push(now); window.counting = requestAnimationFrame(next); }; next(0); }"""
    )
    for _ in draw(page, steps=20):
        pass
    times = page.evaluate("cancelAnimationFrame(window.counting), window.frames")
    for before, after in pairwise(times[1:]):
        yield after - before


def film(page: Page) -> Iterator[tuple[bytes, int]]:
    """Yield screenshots and the milliseconds to show each: drawing, pointing, training."""
    for _ in draw(page, steps=6):
        yield _seen(page), 160
    yield _seen(page), 900
    for share in (0.2, 0.35, 0.5, 0.65, 0.8):
        _touch(page, "conv1", 2, share)
        yield _seen(page), 350
    last = int(page.locator("#epoch").get_attribute("max") or 0)
    for epoch in sorted({0, 1, 2, 3, last // 4, last // 2, last}):
        page.locator("#epoch").fill(str(epoch))
        yield _seen(page), 2500 if epoch == last else 700


def save_film(frames: list[tuple[bytes, int]], path: Path) -> None:
    """Write frames as a GIF that goes on for ever, all in the colours of the last one."""
    pictures = [shrunk(content) for content, _ in frames]
    palette = pictures[-1].quantize(COLOURS)
    first, *others = (each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures)
    first.save(
        path, save_all=True, append_images=others, duration=[each for _, each in frames], loop=0
    )


def shrunk(content: bytes) -> Image.Image:
    """Return a screenshot no wider than WIDTH."""
    with Image.open(io.BytesIO(content)) as picture:
        size = min(WIDTH, picture.width)
        height = round(picture.height * size / picture.width)
        return picture.convert("RGB").resize((size, height), Image.Resampling.LANCZOS)


def _seen(page: Page) -> bytes:
    """Return what the window shows from the page's first section on, once it is drawn."""
    page.evaluate("document.querySelector('main').scrollIntoView()")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 120)))")
    return page.screenshot()


def _touch(page: Page, layer: str, channel: int, share: float, *, click: bool = False) -> None:
    """Point at a square of a map, `share` of the way along its diagonal, or choose it."""
    number = (page.locator("h3", has_text=layer).get_attribute("id") or "").removeprefix("layer-")
    canvas = page.locator(f'canvas[data-layer="{number}"][data-channel="{channel}"]')
    box = canvas.bounding_box()
    assert box
    (canvas.click if click else canvas.hover)(
        position={"x": share * box["width"], "y": share * box["height"]}
    )


if __name__ == "__main__":
    run(main)
