"""How often the intervals hold the truth, by simulation: images of a population, and seeds."""

from dataclasses import dataclass

import numpy as np
import pytest

from roadshift.scoring.bootstrap import bootstrap_miou, paired_bootstrap
from roadshift.scoring.comparison import Variant, compare_variants
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.results import ImageMatrices
from roadshift.scoring.settings import EvaluateSettings

CLASSES = 5
SIZES = (8, 18, 47)
PIXELS = 20_000


@dataclass(frozen=True)
class World:
    """A population of images and of networks.

    The shares of the classes differ between images, and two classes are not in every image. An
    image is as hard for one network as for another, but for a part of its own; a seed shifts the
    accuracy of each class on all images.
    """

    generator: np.random.Generator
    seed_spread: float

    def images(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws pixels by class (number, CLASSES), and the difficulty of each."""
        generator = self.generator
        shares = generator.dirichlet([8, 6, 4, 1.5, 1.5], number)
        shares[:, 3:] *= generator.random((number, 2)) < 0.8
        return np.rint(shares * PIXELS), generator.normal(0, 0.5, (number, CLASSES))

    def seed(self) -> np.ndarray:
        return self.generator.normal(0, self.seed_spread, CLASSES)

    def matrices(
        self, images: tuple[np.ndarray, np.ndarray], seed: np.ndarray, gain: float = 0.0
    ) -> np.ndarray:
        """Returns int64 (N, CLASSES, CLASSES), the confusion of one network on the images."""
        pixels, difficulty = images
        logit = np.array([2.5, 2.0, 1.5, 0.0, 0.5]) + gain + seed + difficulty
        logit = logit + self.generator.normal(0, 0.2, difficulty.shape)
        wrong = np.rint(pixels / (1 + np.exp(logit)) / (CLASSES - 1))
        matrices = np.broadcast_to(wrong[..., None], (*pixels.shape, CLASSES)).copy()
        matrices[:, range(CLASSES), range(CLASSES)] = pixels - (CLASSES - 1) * wrong
        return matrices.astype(np.int64)


def ends_of(one, other=None, **kwargs):
    """The interval of one recipe, or of the difference to another one."""
    if other is None:
        interval = bootstrap_miou(one, **kwargs)
        assert interval is not None
        return interval
    difference = paired_bootstrap(one, other, **kwargs)
    assert difference.low is not None
    assert difference.high is not None
    return difference.low, difference.high


def truth(world, number_of_seeds=1, gain=0.0):
    """The mIoU on the whole population, mean over networks."""
    images = world.images(4000)
    seeds = [world.seed() * (number_of_seeds > 1) for _ in range(number_of_seeds)]
    return np.mean([mean_iou(world.matrices(images, s, gain).sum(axis=0)) for s in seeds])


def covered(kind, size, *, repetitions=500):
    world = World(np.random.default_rng(size), seed_spread=0.0)
    still = np.zeros(CLASSES)
    expected = truth(world, gain=0.2) - truth(world) if kind == "paired" else truth(world)
    inside = 0
    for run in range(repetitions):
        images = world.images(size)
        one = world.matrices(images, still)
        other = world.matrices(images, still, gain=0.2) if kind == "paired" else None
        low, high = ends_of(one, other, samples=500, seed=run)
        inside += low <= expected <= high
    return inside / repetitions


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["single", "paired"])
def test_intervals_hold_the_truth_as_often_as_they_say(kind, size):
    assert 0.93 <= covered(kind, size) <= 0.97


def three_seeds(world, images):
    return np.stack([world.matrices(images, world.seed()) for _ in range(3)])


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["single", "paired"])
def test_intervals_over_seeds_hold_the_truth_of_the_recipe(kind, size):
    # They are a little wide: three seeds tell their own spread but roughly.
    world = World(np.random.default_rng(size), seed_spread=0.15)
    expected = 0.0 if kind == "paired" else truth(world, 400)
    inside = 0
    for run in range(300):
        images = world.images(size)
        one = three_seeds(world, images)
        other = three_seeds(world, images) if kind == "paired" else None
        low, high = ends_of(one, other, samples=300, seed=run)
        inside += low <= expected <= high
    assert 0.93 <= inside / 300 <= 0.99


def test_an_interval_of_the_images_alone_does_not_hold_the_truth_of_the_recipe():
    world = World(np.random.default_rng(0), seed_spread=0.15)
    inside = 0
    for run in range(100):
        images = world.images(47)
        one, other = world.matrices(images, world.seed()), world.matrices(images, world.seed())
        low, high = ends_of(one, other, samples=300, seed=run)
        inside += low <= 0 <= high
    assert inside / 100 < 0.6


def test_three_seeds_and_three_of_the_same_recipe_are_not_told_apart():
    world = World(np.random.default_rng(1), seed_spread=0.15)
    settings = EvaluateSettings(bootstrap_samples=500)
    verdicts = []
    for _ in range(20):
        images = world.images(18)
        ids = tuple(f"{k:02}" for k in range(18))
        recipes = [
            Variant(
                name=name,
                seeds=(0, 1, 2),
                scores={"target": [ImageMatrices(ids, m) for m in three_seeds(world, images)]},
            )
            for name in ("base", "again")
        ]
        verdicts.append(compare_variants(recipes, "base", settings=settings)[1].cells["target"])
    assert sum(cell.verdict == "not told apart" for cell in verdicts) >= 18


def test_a_real_gain_is_told():
    world = World(np.random.default_rng(2), seed_spread=0.05)
    images = world.images(47)
    better = np.stack([world.matrices(images, world.seed(), gain=0.6) for _ in range(3)])
    base = three_seeds(world, images)
    low, high = ends_of(base, better)
    assert 0 < low < high
    p_value = paired_bootstrap(base, better).p_value
    assert p_value is not None
    assert p_value < 0.01
