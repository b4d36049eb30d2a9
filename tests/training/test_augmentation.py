"""Augmentation is drawn for each image, repeats, and moves images as done by hand here."""

import pytest
import torch

from fashion_cnn.base.recipes import Augmentation
from fashion_cnn.core.compute import derive_seed
from fashion_cnn.training.augmentation import augment, draw

NONE = Augmentation(flip=0.0, shift=0, erase=0.0)


@pytest.fixture
def pixels() -> torch.Tensor:
    """600 images (600, 1, 28, 28) uint8 without black pixels."""
    return torch.randint(1, 256, (600, 1, 28, 28), dtype=torch.uint8)


def test_draws_are_a_pure_function_of_the_seed() -> None:
    assert torch.equal(draw(9, 0, 1), draw(9, 0, 1))
    assert not torch.equal(draw(9, 0, 1), draw(9, 0, 2))
    # What is drawn from the same seed for another purpose, such as the order of the images, is
    # independent of these.
    order = torch.Generator().manual_seed(derive_seed(0, 1))
    assert not torch.equal(draw(9, 0, 1), torch.rand(9, 8, generator=order))
    assert draw(10_000, 0, 1).mean(dim=0).sub(0.5).abs().max() < 0.02


def test_nothing_leaves_the_device() -> None:
    """Torch refuses to mix tensors on its device without data with others."""
    there = torch.empty(9, 3, 28, 20, dtype=torch.uint8, device="meta")
    settings = Augmentation(flip=0.5, shift=2, erase=0.5)
    after = augment(there, torch.empty(9, 8, device="meta"), settings)
    assert (after.shape, after.dtype, after.device) == (there.shape, there.dtype, there.device)


def test_no_augmentation_changes_nothing(pixels: torch.Tensor) -> None:
    assert torch.equal(augment(pixels, draw(600, 0), NONE), pixels)


@pytest.mark.parametrize("probability", [0.2, 0.5, 1.0])
def test_images_are_mirrored_with_the_probability_given(
    pixels: torch.Tensor, probability: float
) -> None:
    before = pixels.clone()
    after = augment(pixels, draw(600, 0), NONE.model_copy(update={"flip": probability}))
    same = (after == before).flatten(1).all(dim=1)
    mirrored = (after == before.flip(-1)).flatten(1).all(dim=1)
    assert bool((same ^ mirrored).all())
    # 60 images are at least 4.9 standard deviations of the binomial distribution.
    assert int(mirrored.sum()) == pytest.approx(600 * probability, abs=60)
    assert torch.equal(pixels, before)


def test_each_image_is_shifted_on_its_own_and_filled_with_black(pixels: torch.Tensor) -> None:
    after = augment(pixels, draw(600, 0), NONE.model_copy(update={"shift": 2}))
    shifts = set()
    for image, shifted in zip(pixels[:, 0], after[:, 0], strict=True):
        padded = torch.zeros(32, 32, dtype=torch.uint8)
        padded[2:30, 2:30] = image
        matching = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-2, 3)
            if torch.equal(padded[2 - down : 30 - down, 2 - right : 30 - right], shifted)
        ]
        assert len(matching) == 1
        shifts.add(matching[0])
    assert len(shifts) == 25


def test_a_rectangle_of_2_to_40_percent_is_blacked_out(pixels: torch.Tensor) -> None:
    after = augment(pixels, draw(600, 0), NONE.model_copy(update={"erase": 0.5}))
    erased = after != pixels
    touched = erased.flatten(1).any(dim=1)
    assert 240 < int(touched.sum()) < 360
    assert bool((after[erased] == 0).all())
    for mask in erased[touched][:, 0]:
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert int(mask.sum()) == int(rows.sum()) * int(columns.sum())  # a rectangle
        assert 0.01 < mask.float().mean() < 0.45
    assert not torch.equal(erased[touched][0], erased[touched][1])


def test_a_rectangle_lies_where_it_is_drawn_and_has_a_pixel_at_least() -> None:
    draws = draw(400, 0)
    white = torch.ones(400, 1, 28, 20, dtype=torch.uint8)
    erased = augment(white, draws, NONE.model_copy(update={"erase": 1.0}))[:, 0] == 0
    for mask, top, left in zip(erased, draws[:, 6], draws[:, 7], strict=True):
        # As torchvision's RandomErasing: evenly from the first place to the last that has room.
        for lines, place, size in ((mask.any(dim=1), top, 28), (mask.any(dim=0), left, 20)):
            assert int(lines.float().argmax()) == int(place * (size - lines.sum() + 1))
    # 2% of 9 pixels, square, at the end of its range.
    least = torch.tensor([[0, 0, 0, 0, 0, 0.5, 0.9, 0.9]])
    small = augment(white[:1, :, :3, :3], least, NONE.model_copy(update={"erase": 1.0}))
    assert small[0, 0].tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0]]
