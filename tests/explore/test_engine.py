"""The page's arithmetic, in a browser, against onnxruntime's, torch's and Captum's."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from playwright.sync_api import Page
from torch import Tensor

from fashion_cnn.base import paths
from fashion_cnn.core.compute import Compute
from fashion_cnn.dataset import images as dataset
from fashion_cnn.dataset.images import Images, Transform
from fashion_cnn.explore.contents import leaves
from fashion_cnn.tools.prediction.exporting import write_onnx
from fashion_cnn.trained import weights
from fashion_cnn.trained.inference import predict
from fashion_cnn.trained.weights import Trained
from fashion_cnn.visualize import extraction
from tests.explore.conftest import Open

MODELS = ("lenet", "vgg")
# Runs `make`, which returns arrays of numbers, and hands them over as float32.
RUN = """([text, model, make]) => {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), parts = [];
  for (let i = 0; i < bytes.length; i += 784)
    parts.push(...eval(make)(window.page, window.page.trained[model], bytes.subarray(i, i + 784)));
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  const raw = new Uint8Array(all.buffer);
  let out = "";
  for (let i = 0; i < raw.length; i += 32768)
    out += String.fromCharCode(...raw.subarray(i, i + 32768));
  return btoa(out);
}"""
MAPS = "(page, network, pixels) => page.run(network, pixels).outputs.map((each) => each.data)"
LOGITS = "(page, network, pixels) => [page.run(network, pixels).logits]"


@pytest.fixture(scope="module")
def page(open_page: Open) -> Page:
    return open_page()


@pytest.fixture(scope="module")
def test_images(fashion_mnist: Path) -> Images:
    return dataset.read(fashion_mnist, "t10k")


def trained(project: Path, model: str) -> Trained:
    assert Path.cwd() == project
    return weights.load(paths.weights_file(model), model)


def in_page(page: Page, model: str, make: str, pixels: Tensor, at_once: int) -> Iterator[Tensor]:
    """What the page makes of images, `at_once` at a time: (images, values)."""
    for batch in pixels.split(at_once):
        text = base64.b64encode(batch.numpy().tobytes()).decode()
        answer = base64.b64decode(page.evaluate(RUN, [text, model, make]))
        yield torch.from_numpy(np.frombuffer(answer, np.float32).copy()).reshape(len(batch), -1)


@pytest.mark.parametrize("model", MODELS)
def test_every_map_of_a_hundred_images_is_torch_s(
    page: Page, project: Path, test_images: Images, model: str
) -> None:
    network = trained(project, model)
    pixels = test_images.pixels[:100]
    found = torch.cat([*in_page(page, model, MAPS, pixels, 20)])
    values, maps = network.transform(pixels), []
    with torch.inference_mode():
        for _, module in leaves(network.network):
            values = module(values)
            maps.append(values.flatten(1))
    torch.testing.assert_close(found, torch.cat(maps, dim=1), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("model", "count"),
    [("lenet", 10_000), ("vgg", 500), pytest.param("vgg", 10_000, marks=pytest.mark.explore)],
)
def test_the_answers_are_those_of_a_float32_evaluation_and_of_onnxruntime(
    page: Page, project: Path, test_images: Images, tmp_path: Path, model: str, count: int
) -> None:
    network = trained(project, model)
    compute = Compute(torch.device("cpu"), torch.float32)
    logits = predict(network.network, test_images, network.transform, compute, 500)
    pixels = test_images.pixels[:count]
    found = torch.cat([*in_page(page, model, LOGITS, pixels, 500)])
    assert torch.equal(found.argmax(dim=1), logits[:count].argmax(dim=1))
    write_onnx(tmp_path / "network.onnx", network)
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx")
    parts = [session.run(None, {"images": part.numpy()})[0] for part in pixels.split(500)]
    judged = torch.from_numpy(np.concatenate(parts))
    torch.testing.assert_close(found, judged, atol=1e-4, rtol=0)
    assert torch.equal(found.argmax(dim=1), judged.argmax(dim=1))
    accuracy = page.evaluate("(model) => window.page.contents.answers[model].accuracy", model)
    expected = (logits.argmax(dim=1) == test_images.labels).double().mean()
    assert accuracy == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_grad_cam_is_captum_s(page: Page, project: Path, test_images: Images, model: str) -> None:
    network, pixels = trained(project, model), test_images.pixels[:10]
    make = "(page, network, pixels) => [page.gradCam(network, page.run(network, pixels), 3).heat]"
    found = torch.cat([*in_page(page, model, make, pixels, 10)])
    size = network.transform.image_size
    layer = extraction.explained_layer(extraction.blocks(network.network, size), 4)
    module = network.network.get_submodule(layer.name)
    inputs = network.transform(pixels)
    expected = extraction.grad_cam(network.network, module, inputs, torch.full((10,), 3))
    torch.testing.assert_close(found, expected.flatten(1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [28, 32, 45, 20, 14])
def test_pictures_are_resized_as_torch_does(page: Page, test_images: Images, size: int) -> None:
    pixels = test_images.pixels[:3]
    make = f"""(page, network, pixels) => [page.transform(
        {{ image_size: {size}, mean: 0.3, standard_deviation: 0.6 }}, pixels).data]"""
    found = torch.cat([*in_page(page, "lenet", make, pixels, 3)])
    expected = Transform(size, 0.3, 0.6)(pixels).flatten(1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_occlusion_is_the_change_of_the_logit(
    page: Page, project: Path, test_images: Images
) -> None:
    network, pixels = trained(project, "lenet"), test_images.pixels[:1]
    make = "(page, network, pixels) => [[...page.occlusion(network, pixels, 9, {})]]"
    (found,) = in_page(page, "lenet", make, pixels, 1)
    covered = []
    for y in range(0, 23, 2):
        for x in range(0, 23, 2):
            covered.append(pixels[0].clone())
            covered[-1][:, y : y + 6, x : x + 6] = 128
    with torch.inference_mode():
        before = network.network(network.transform(pixels))[0, 9]
        after = network.network(network.transform(torch.stack(covered)))[:, 9]
    torch.testing.assert_close(found[0], after - before, atol=1e-4, rtol=0)
