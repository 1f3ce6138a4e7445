"""Learns from the sources what an estimate needs: nothing of test, and nothing of the target."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.estimation.camera import Range, trait_ranges
from roadshift.estimation.confidence import Calibration, fit_calibration
from roadshift.estimation.estimates import (
    ConfidenceSums,
    accuracies,
    calibrated_pixels,
    confidence_sums,
    expected_iou,
    no_sums,
)
from roadshift.estimation.network import EstimatingNetwork
from roadshift.estimation.probability_grid import GRID_PIXELS, ProbabilityGrid
from roadshift.estimation.source_profile import Cell, Look, SourceProfile, feature_distance
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.scoring.confusion import confusion_matrix
from roadshift.scoring.metrics import mean_iou, pixel_accuracy

CALIBRATION_PIXELS = 2**20
"""Limit on the val pixels that calibration is learned from, which memory holds together."""
LOOK_IMAGES = {"train": 64, "val": 1024}
"""Largest number of images of a source's split whose look is taken; memory holds what is measured
of them."""


def learn_from_sources(
    network: EstimatingNetwork,
    sources: Mapping[str, ShardSet],
    *,
    mix: str,
    own: Collection[str],
    looked_at: Collection[str] = ("train", "val"),
) -> SourceProfile:
    """Learns the calibration on val of a network's own sources, and tries it on held-out ones.

    Args:
        network: the network.
        sources: by role, the shards with the train and val splits of every source of the run.
        mix: name of the network's mix.
        own: roles of the sources that it was trained on.
        looked_at: splits that tell what their images look like. Where train images are stored
            scaled down, only val has the height and the sharpness of the camera.

    Raises:
        RoadshiftError: no own source has a val image with a labelled pixel, or a record is damaged.
    """
    own_sets = [sources[role] for role in sources if role in own]
    calibration = _calibrate(network, own_sets)
    cells = [
        cell
        for role, shards in sources.items()
        if role not in own
        and (cell := try_on(network, shards, calibration, mix=mix, role=role)) is not None
    ]
    return SourceProfile(
        mix=mix,
        taxonomy=network.taxonomy.name,
        network=network.digest,
        sources=[shards.name for shards in own_sets],
        calibration=calibration,
        look=_look(network, own_sets, looked_at),
        cells=cells,
    )


def _split(shards: ShardSet, *splits: str) -> Iterator[Example]:
    wanted = (split for split in splits if shards.count(split))
    return chain.from_iterable(examples(shards, split) for split in wanted)


def _calibrate(network: EstimatingNetwork, own: Sequence[ShardSet]) -> Calibration:
    number = sum(shards.count("val") for shards in own)
    limit = max(1, min(GRID_PIXELS, CALIBRATION_PIXELS // max(1, number)))
    classes = len(network.taxonomy.classes)
    probabilities, labels = [], []
    for example in chain.from_iterable(_split(shards, "val") for shards in own):
        grid = network.grid(example.image, limit)
        label = grid.on_grid(example.label)
        exact = label < classes
        probabilities.append(grid.probabilities[exact])
        labels.append(label[exact])
    if not sum(map(len, labels)):
        names = ", ".join(shards.name for shards in own)
        raise RoadshiftError(
            f"no val image of {names} has a labelled pixel, and estimates are calibrated on them; "
            "choose another data.split.by"
        )
    return fit_calibration(np.concatenate(probabilities), np.concatenate(labels))


def try_on(
    network: EstimatingNetwork, shards: ShardSet, calibration: Calibration, *, mix: str, role: str
) -> Cell | None:
    """Estimates a network on a source that it was not trained on, and compares with the truth.

    The estimate sees every pixel, as it would without labels; the truth is of those whose label is
    a class.

    Returns:
        The comparison; None where the source has no labelled pixel.
    """
    classes = len(network.taxonomy.classes)
    sums, matrix, number = no_sums(classes), np.zeros((classes, classes), np.int64), 0
    for example in _split(shards, "train", "val"):
        grid = network.grid(example.image)
        sums += image_sums(grid, calibration, pixels=example.label.size)
        label = grid.on_grid(example.label)
        exact = np.where(label < classes, label, np.uint8(255))
        # Each pixel of the grid stands for a square of them, in large images for a larger one.
        matrix += grid.step**2 * confusion_matrix(exact, grid.ids, classes)
        number += 1
    accuracy, miou = pixel_accuracy(matrix), mean_iou(matrix)
    if accuracy is None or miou is None:
        return None
    expected = expected_iou(sums)
    return Cell(
        mix=mix,
        role=role,
        data_set=shards.name,
        images=number,
        accuracy=round(accuracy, 6),
        miou=round(miou, 6),
        expected_accuracy={k: round(v, 6) for k, v in accuracies(sums, calibration).items()},
        expected_miou=round(expected.miou, 6),
        miou_upper_bound=round(expected.upper_bound, 6),
    )


def image_sums(grid: ProbabilityGrid, calibration: Calibration, *, pixels: int) -> ConfidenceSums:
    """Returns the sums of an image, as if all its pixels were on the grid.

    Args:
        grid: probabilities on a grid of the image.
        calibration: what the sources say of the network's confidence.
        pixels: number of the image's pixels.
    """
    found = confidence_sums(calibrated_pixels(grid.probabilities, calibration), calibration)
    return found * (pixels / found.pixels)


def _look(network: EstimatingNetwork, own: Sequence[ShardSet], splits: Collection[str]) -> Look:
    found, features = [], []
    for shards, split in ((shards, split) for shards in own for split in splits):
        number = shards.count(split)
        places = {*range(0, number, max(1, -(-number // LOOK_IMAGES[split])))}
        for example in examples(shards, split, places) if number else ():
            grid = network.grid(example.image)
            found.append(network.traits(example.image, grid))
            features.append(network.features(example.image))
    vectors = np.stack(features).astype(np.float64)
    means, spreads = vectors.mean(axis=0).round(6), vectors.std(axis=0).round(6)
    distances = [feature_distance(vector, means, spreads) for vector in vectors]
    return Look(
        images=len(found),
        traits=trait_ranges(found),
        feature_means=means.tolist(),
        feature_spreads=spreads.tolist(),
        distance=Range.of(distances),
    )
