"""VGG-11 computes what torchvision's does, at less cost, and takes pretrained weights."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import VGG11_Weights, vgg11

from fashion_cnn.base.errors import InputError
from fashion_cnn.models.vgg11 import AveragePool, build


@pytest.fixture(scope="module")
def colour_state() -> dict[str, torch.Tensor]:
    """A random state dict of torchvision's VGG-11 for colour images and 1,000 classes."""
    torch.manual_seed(0)
    return vgg11().state_dict()


def plain() -> nn.Module:
    """torchvision's network with only the two layers of the specification replaced."""
    network = vgg11(init_weights=False)
    network.features[0] = nn.Conv2d(1, 64, 3, padding=1)
    network.classifier[6] = nn.Linear(4096, 10)
    return network


def test_it_has_torchvisions_parameters() -> None:
    with torch.device("meta"):
        network, reference = build(image_size=32), plain()
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    assert shapes == {name: value.shape for name, value in reference.state_dict().items()}
    assert sum(map(torch.Size.numel, shapes.values())) == 128_806_154


@pytest.mark.parametrize("image_size", [32, 63, 64, 224])
def test_logits_and_gradients_are_torchvisions(image_size: int) -> None:
    torch.manual_seed(0)
    network = build(image_size=image_size).eval()
    reference = plain().eval()
    reference.load_state_dict(network.state_dict())
    images = torch.randn(2, 1, image_size, image_size)
    ours, theirs = network(images), reference(images)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    for logits in (ours, theirs):
        nn.functional.cross_entropy(logits, torch.tensor([3, 7])).backward()
    for name in ("features.0.weight", "classifier.0.weight", "classifier.0.bias"):
        expected = reference.get_parameter(name).grad
        scale = float(expected.abs().max())
        torch.testing.assert_close(
            network.get_parameter(name).grad, expected, rtol=1e-2, atol=1e-4 * scale
        )


@pytest.mark.parametrize(("height", "width"), [(2, 2), (3, 5), (6, 8), (13, 14)])
def test_the_pooling_and_its_gradient_are_torchs(height: int, width: int) -> None:
    ours, theirs = (torch.randn(2, 3, height, width, dtype=torch.float64) for _ in range(2))
    theirs.copy_(ours)
    for features in (ours, theirs):
        features.requires_grad_()
    results = AveragePool(7)(ours), nn.functional.adaptive_avg_pool2d(theirs, 7)
    weights = torch.randn(2, 3, 7, 7, dtype=torch.float64)
    for result in results:
        (result * weights).sum().backward()
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-7)


def test_a_grey_image_gives_what_it_would_in_colour(
    colour_state: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "data" / "pretrained").mkdir(parents=True)
    save_file(colour_state, tmp_path / "data" / "pretrained" / "colour.safetensors")
    monkeypatch.chdir(tmp_path)
    network = build(image_size=224, weights="data/pretrained/colour.safetensors").eval()
    reference = vgg11(init_weights=False).eval()
    reference.load_state_dict(colour_state)
    grey = torch.randn(1, 1, 64, 64)
    torch.testing.assert_close(
        network.features(grey), reference.features(grey.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-5
    )
    assert torch.equal(network.classifier[3].weight, reference.classifier[3].weight)
    assert network.classifier[6].weight.shape == (10, 4096)


def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "pretrained"
    folder.mkdir(parents=True)
    save_file({"fc.weight": torch.zeros(1)}, folder / "other.safetensors")
    save_file({"fc.weight": torch.zeros(1)}, tmp_path / "elsewhere.safetensors")
    save_file({"features.3.weight": torch.zeros(1)}, folder / "misfit.safetensors")
    (folder / "weights.pth").write_bytes(b"PK pickled")
    (folder / "link").symlink_to(tmp_path / "elsewhere.safetensors")
    (folder / "circle").symlink_to(folder / "circle")
    which = "expected none, imagenet or a file in data/pretrained/, which DVC watches, got "
    for weights, message in (
        ("data/pretrained/absent", f"{which}'data/pretrained/absent'"),
        ("elsewhere.safetensors", f"{which}'elsewhere.safetensors'"),
        ("data/pretrained/../../elsewhere.safetensors", f"{which}'data/pretrained/../.."),
        ("data/pretrained/link", f"{which}'data/pretrained/link'"),
        ("data/pretrained/circle", f"{which}'data/pretrained/circle'"),
        ("data/pretrained", f"{which}'data/pretrained'"),
        ("data/pretrained/\0", f"{which}'data/pretrained/"),
        (f"{folder}/other.safetensors", f"{which}'{folder}/other.safetensors'"),
        ("data/pretrained/other.safetensors", "expected the state dict of a VGG-11"),
        ("data/pretrained/misfit.safetensors", "size mismatch for features.3.weight"),
        ("data/pretrained/weights.pth", "is not a safetensors file"),
    ):
        with pytest.raises(InputError, match=r"^vgg11\.weights: ") as error:
            build(image_size=32, weights=weights)
        assert message in str(error.value)
        assert "\n" not in str(error.value)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.mark.parametrize("right", [True, False], ids=["right hash", "wrong hash"])
def test_imagenet_weights_come_through_torchvision_with_their_hash_checked(
    right: bool,
    server: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, address = server
    made = folder / "made.pth"
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in vgg11().state_dict().items()}
    # Each tensor stores a single number, so that the file is small.
    state = {name: torch.full((1,), 0.25).expand(shape) for name, shape in shapes.items()}
    torch.save(state, made)
    assert made.stat().st_size < 100_000
    digest = hashlib.sha256(made.read_bytes()).hexdigest()[:8] if right else "00000000"
    named = made.rename(folder / f"vgg11-{digest}.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    weights = VGG11_Weights.IMAGENET1K_V1
    monkeypatch.setattr(
        weights,
        "_value_",
        weights.value.__class__(
            url=f"{address}/{named.name}", transforms=weights.transforms, meta=weights.meta
        ),
    )
    if right:
        network = build(image_size=32, weights="imagenet")
        assert torch.equal(network.features[3].weight, state["features.3.weight"])
        # The sum of three equal colours.
        assert torch.equal(network.features[0].weight, torch.full((64, 1, 3, 3), 0.75))
    else:
        with pytest.raises(InputError, match=r"vgg11\.weights: imagenet could not be fetched"):
            build(image_size=32, weights="imagenet")
        assert not list((tmp_path / "torch").rglob("*.pth"))
