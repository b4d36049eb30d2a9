"""The page as its readers use it: by pointer, by keyboard, on a telephone, with a screen reader."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Locator, Page

from fashion_cnn.base import paths
from fashion_cnn.base.errors import InputError
from fashion_cnn.dataset import images as dataset
from fashion_cnn.dataset.images import Images
from fashion_cnn.explore import contents
from fashion_cnn.explore.page import MAX_BYTES, write_page
from fashion_cnn.models import lenet
from fashion_cnn.trained import weights
from tests.explore.conftest import Open


@pytest.fixture(scope="module")
def shared(open_page: Open) -> Page:
    return open_page()


@pytest.fixture
def page(shared: Page) -> Page:
    """The page, begun anew."""
    shared.reload()
    shared.wait_for_selector("html[data-ready]", state="attached")
    return shared


def answer(page: Page) -> str:
    """The probabilities that the page shows, once the frame is drawn."""
    page.evaluate("window.page.draw()")
    page.wait_for_timeout(100)
    return page.locator("#answer").inner_text()


def pixels(page: Page) -> np.ndarray:
    return np.array(page.evaluate("[...window.page.state.pixels]")).reshape(28, 28)


def values(cells: Locator) -> list[float]:
    return [float(text) for text in cells.evaluate_all("(all) => all.map((e) => e.dataset.value)")]


def pin(page: Page, layer: str, channel: int, at: tuple[int, int]) -> None:
    number = page.locator("h3", has_text=layer).get_attribute("id")
    assert number
    canvas = page.locator(
        f'canvas[data-layer="{number.removeprefix("layer-")}"][data-channel="{channel}"]'
    )
    canvas.click(position={"x": at[0], "y": at[1]})


def test_a_second_build_makes_the_same_bytes_and_fits(html: Path, fashion_mnist: Path) -> None:
    networks = {m: weights.load(paths.weights_file(m), m) for m in ("lenet", "vgg")}
    epochs = contents.load_epochs(paths.epoch_weights_file("lenet"), networks["lenet"].network)
    again = write_page(networks, epochs, dataset.read(fashion_mnist, "t10k"))
    assert again.encode() == html.read_bytes()
    assert html.stat().st_size <= MAX_BYTES


@pytest.mark.parametrize("spoil", ["missing", "damaged", "of another network"])
def test_epochs_that_cannot_be_read_are_named(project: Path, tmp_path: Path, spoil: str) -> None:
    path, network = tmp_path / "lenet.safetensors", lenet.build()
    if spoil == "damaged":
        path.write_bytes(b"no weights")
    elif spoil == "of another network":
        path.write_bytes(paths.epoch_weights_file("lenet").read_bytes())
        network = lenet.build(image_size=32)
    with pytest.raises(InputError, match=r"lenet\.safetensors .*`dvc repro train_lenet`"):
        contents.load_epochs(path, network)


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_the_products_of_a_convolution_add_up_to_the_value_drawn(page: Page, layer: str) -> None:
    pin(page, layer, 2, (25, 30))
    shown = values(page.locator("#pinned-value"))[0]
    page.locator("#sum details").evaluate_all("(all) => all.forEach((e) => (e.open = true))")
    page.wait_for_function("!document.querySelector('#sum details > :only-child')")
    tables = page.locator("#sum .product")
    assert tables.count() == (1 if layer == "conv1" else 6)
    total = 0.0
    for table in tables.all():
        patch, kernel, products = (
            values(each.locator("td")) for each in table.locator("table").all()
        )
        np.testing.assert_allclose(np.multiply(patch, kernel), products, atol=1e-6)
        total += sum(products)
    steps = values(page.locator("#sum .steps").first.locator("td"))
    assert steps[-3:] == pytest.approx([total, shown - total, shown], abs=1e-4)
    place = page.evaluate("window.page.state.pinned")
    (drawn,) = page.evaluate(
        """({ layer, channel, y, x }) => { const { data, shape } =
        window.page.results().lenet.outputs[layer];
        return [data[(channel * shape[1] + y) * shape[2] + x]]; }""",
        place,
    )
    assert shown == pytest.approx(drawn, abs=1e-6)


@pytest.mark.parametrize("layer", ["fc1", "fc3"])
def test_the_products_of_a_connected_layer_add_up_too(page: Page, layer: str) -> None:
    pin(page, layer, 0, (10, 10))
    shown = values(page.locator("#pinned-value"))[0]
    *parts, value = values(page.locator("#sum .steps").first.locator("td"))
    assert sum(parts) == pytest.approx(value, abs=1e-5)
    assert value == pytest.approx(shown, abs=1e-5)


def test_a_pool_shows_its_winner(page: Page) -> None:
    pin(page, "pool1", 0, (20, 20))
    window = values(page.locator("#sum .cells td"))
    assert len(window) == 4
    assert values(page.locator("#sum .won")) == [max(window)]
    assert values(page.locator("#pinned-value"))[0] == pytest.approx(max(window))


def test_drawing_shifting_and_erasing_change_picture_and_answer(page: Page) -> None:
    page.click("#clear")
    assert not pixels(page).any()
    empty = answer(page)
    box = page.locator("#picture").bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 60, steps=8)
    page.mouse.up()
    drawn = pixels(page)
    assert (drawn > 200).sum() > 15
    assert answer(page) != empty
    page.click('[aria-label="Shift down"]')
    assert np.array_equal(pixels(page)[1:], drawn[:-1])
    page.click("#eraser")
    page.locator("#picture").click(position={"x": 130, "y": 70})
    assert pixels(page).sum() < drawn.sum()
    page.locator("#picture").focus()
    page.click("#brush")
    page.locator("#picture").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    assert pixels(page)[14, 13] > 200


def test_a_dropped_picture_is_cut_inverted_and_fitted(page: Page) -> None:
    picture = np.full((300, 200, 3), 255, np.uint8)
    picture[100:200, 80:120] = 20  # dark clothing, twice and a half as high as wide, on white
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    page.evaluate(
        """(bytes) => { const files = new DataTransfer();
        files.items.add(new File([new Uint8Array(bytes)], "shirt.png", { type: "image/png" }));
        document.getElementById("drop").dispatchEvent(
          new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true })); }""",
        [*file.getvalue()],
    )
    page.wait_for_selector("#fitting:not([hidden])")
    fitted = pixels(page)
    assert fitted[:, 9:19].min() > 200  # 28 high, 11 wide, in the middle
    assert fitted[:, :7].max() < 30
    page.locator("#fit-size").fill("0.5")
    assert pixels(page)[:5].max() < 30
    page.locator("#fit-invert").uncheck()
    assert pixels(page)[0, 0] > 225


def test_the_epoch_moves_kernels_answer_and_curve(page: Page) -> None:
    kernel = "document.querySelector('.kernel').toDataURL()"
    after, trained = answer(page), page.evaluate(kernel)
    curve = page.locator("#curve").inner_html()
    page.locator("#epoch").fill("0")
    assert answer(page) != after
    assert page.evaluate(kernel) != trained
    assert page.locator("#curve").inner_html() != curve
    assert page.locator("#epoch-name").inner_text().startswith("0 of 2: untrained")
    page.locator("#epoch").fill("2")
    assert answer(page) == after


def test_the_first_epoch_on_the_page_is_the_file_s(page: Page, project: Path) -> None:
    rows = page.evaluate("[...window.page.atEpoch[1].layers[0].weight.data]")
    _, tensors = contents.load_epochs(paths.epoch_weights_file("lenet"), lenet.build())
    assert torch.equal(torch.tensor(rows), tensors["conv1.weight"][1].float().flatten())


def test_a_silenced_map_is_zero_and_the_answer_another(page: Page) -> None:
    before = answer(page)
    pin(page, "conv1", 1, (30, 30))
    page.click("#silence")
    assert answer(page) != before
    assert values(page.locator("#pinned-value")) == [0]
    assert page.locator(".map.silenced").count() == 1
    page.click("#silence")
    assert answer(page) == before


def test_a_test_image_is_taken_and_its_like_are_found(page: Page) -> None:
    page.select_option("#which", "surest")
    assert page.locator("#gallery button").count() == 15
    page.locator("#gallery button").first.click()
    place = page.evaluate("window.page.images.taken")
    label, predicted = page.evaluate(
        """(place) => [window.page.images.labels[place],
        window.page.contents.answers.lenet.predicted[place]]""",
        place,
    )
    assert label != predicted
    page.wait_for_selector("#nearest button")
    assert page.locator("#nearest button").count() == 8
    assert page.locator("#nearest button").first.get_attribute("data-place") != str(place)


def test_the_keyboard_reaches_every_square_and_its_sum(page: Page) -> None:
    page.locator('canvas[data-layer="0"][data-channel="0"]').focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "PageDown", "Enter"):
        page.keyboard.press(key)
    assert page.evaluate("window.page.state.pinned") == {"layer": 0, "channel": 1, "y": 1, "x": 2}
    label = page.locator('canvas[data-layer="0"][data-channel="1"]').get_attribute("aria-label")
    assert label
    assert label.startswith("conv1, map 1, row 1, column 2: ")
    assert page.locator("#sum h3").inner_text().startswith("conv1, map 1, row 1, column 2")


def test_the_answer_is_announced_once_the_picture_rests(page: Page) -> None:
    page.click("#clear")
    page.wait_for_function("document.getElementById('live').textContent.startsWith('LeNet: ')")
    assert page.locator("#live").get_attribute("aria-live") == "polite"


def test_the_worked_example_has_the_numbers_of_a_calculation_by_hand(page: Page) -> None:
    page.click("#example > summary")
    output = page.locator("#example-body table", has_text="Output of kernel")
    assert values(output.locator("td")) == [0, -2, -1, -4, 1, -2, 2, -4, 0]
    pooled = page.locator("#example-body table", has_text="max-pool")
    assert values(pooled.locator("td")) == [1, 1, 2, 1]
    output.locator("button").nth(3).click()
    assert values(page.locator("#example-body .steps td"))[-1] == -4
    page.click("#example-kernels button >> nth=1")
    assert values(output.locator("td")) == [7, 7, 3, 3, 4, 4, 1, 2, 2]


def test_the_sandbox_follows_the_formula(page: Page) -> None:
    for knob, value in (("size", 28), ("kernel", 3), ("stride", 2), ("padding", 1)):
        page.locator(f"#knob-{knob}").fill(str(value))
    page.locator("#knob-dilation").fill("2")
    assert page.locator("#sandbox-output").inner_text() == "Output: 13 \u00d7 13"
    page.locator("#knob-size").fill("3")
    page.locator("#knob-padding").fill("0")
    assert "No output" in page.locator("#sandbox-output").inner_text()


def test_the_reduced_vgg_is_shown_too(page: Page) -> None:
    page.click("#models button >> nth=1")
    pin(page, "features.0", 0, (20, 20))
    assert "(32 + 2·1" in page.locator("#sum .formula").inner_text()
    assert page.locator("#layers .layer").count() == 8 * 2 + 5 + 5


@pytest.mark.parametrize(("width", "scheme"), [(380, "light"), (1600, "dark")])
def test_axe_finds_nothing_and_nothing_overflows(open_page: Open, width: int, scheme: str) -> None:
    page = open_page(width, scheme, reduced_motion="reduce")
    pin(page, "conv2", 3, (20, 20))
    page.click("#example > summary")
    page.wait_for_selector("#nearest button")
    found = Axe().run(page).response["violations"]
    assert not [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.locator("button:visible, select:visible, summary:visible, [role=gridcell]:visible")
    sizes = small.evaluate_all("(all) => all.map((e) => e.getBoundingClientRect().height)")
    assert min(sizes) >= 44
    page.close()


def test_images_of_another_kind_get_a_page_that_says_so(project: Path) -> None:
    colour = Images(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.zeros(4).long())
    note = write_page({}, ({}, {}), colour)
    assert "32x32 pixels in colour" in note
