"""Image panels of a report: augmentations one by one, and predictions with their errors."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from roadshift.augment.keys import sample_key
from roadshift.augment.policy import Policy, build_policy
from roadshift.augment.registry import operations_of
from roadshift.augment.settings import AugmentSettings
from roadshift.parameters import bounds_of
from roadshift.pictures.palette import WRONG
from roadshift.pictures.sheet import Panel, coloured
from roadshift.records.reader import Example
from roadshift.settings import parameter_doc
from roadshift.taxonomy import IGNORE_ID, PartialLabel, Taxonomy, is_wrong

IGNORED = (255, 255, 255)
"""Colour of ignored pixels in error maps."""
PALE = 0.35
"""Contrast of the image below an error map, as a share of its own."""
UNTRIED_SHARE = 0.2
"""Share of the largest strength at which an operation without a recommended value is shown."""


def shown_strength(name: str, settings: AugmentSettings) -> float:
    """Returns the strength at which an operation is shown.

    It is the run's own where the operation is on, and the recommended value where it is off. A
    probability is 1, since an operation that is not applied cannot be seen.
    """
    field = AugmentSettings.model_fields[name]
    doc = parameter_doc(field)
    if doc.unit == "probability":
        return 1.0
    start = UNTRIED_SHARE * bounds_of(field)["le"] if doc.start is None else doc.start
    return float(getattr(settings, name)) or start


def augmentation_panels(
    example: Example,
    partner: Example,
    *,
    settings: AugmentSettings,
    crop: tuple[int, int],
    taxonomy: Taxonomy,
    seed: int,
) -> list[Panel]:
    """Applies each operation of the registry alone to one image, as a training would.

    Args:
        example: the image with its label.
        partner: the partner, for operations that mix two images.
        settings: the augmentation of the run.
        crop: height and width of the training crops in pixels.
        taxonomy: taxonomy of the labels.
        seed: seed of the draws.

    Returns:
        Two panels for each operation: two draws; or, where the operation changes labels, a draw and
        its label.
    """
    panels = []
    for operation in operations_of():
        name = operation.name
        strength = shown_strength(name, settings)
        policy = build_policy(AugmentSettings(**{name: strength}), *crop)
        moves_label = operation.kind in ("crop", "geometric", "mix", "occlusion")
        words = f"{name.replace('_', ' ')} {strength:g}"
        for number in range(1 if moves_label else 2):
            image, label = augmented(policy, example, partner, seed=seed, number=number)
            panels.append(Panel(words if moves_label else f"{words}, draw {number + 1}", image))
            if moves_label:
                panels.append(Panel(f"{words}, label", coloured(label, taxonomy)))
    return panels


def augmented(
    policy: Policy, example: Example, partner: Example, *, seed: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Augments a sample as a training would in epoch `number`.

    Returns:
        The image, uint8 RGB (H, W, 3), and the label, uint8 (H, W).
    """
    key = sample_key(
        seed=seed,
        epoch=tf.constant(number, tf.int64),
        dataset="report",
        sample_id=tf.constant(example.id),
    )
    image, label = policy(
        tf.constant(example.image),
        tf.constant(example.label),
        key,
        lambda: (tf.constant(partner.image), tf.constant(partner.label)),
    )
    return as_bytes(image.numpy()), label.numpy()


def as_bytes(image: np.ndarray) -> np.ndarray:
    """Rounds an image of floats, nominally in 0..255, to uint8."""
    return np.rint(image).clip(0, 255).astype(np.uint8)


def error_map(
    image: np.ndarray,
    label: np.ndarray,
    prediction: np.ndarray,
    partial_labels: Sequence[PartialLabel] = (),
) -> np.ndarray:
    """Draws where a prediction is wrong: orange over a pale grey image, ignored pixels white.

    Args:
        image: uint8 RGB (H, W, 3).
        label: uint8 (H, W), ids of classes and partial labels, 255 = ignore.
        prediction: uint8 (H, W), class ids.
        partial_labels: the partial labels that may occur; default none.

    Returns:
        uint8 RGB (H, W, 3).
    """
    grey = image.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    shown = 255 - PALE * (255 - grey)
    shown[is_wrong(label, prediction, partial_labels)] = WRONG
    shown[label == IGNORE_ID] = IGNORED
    return as_bytes(shown)


def result_panels(
    found: Mapping[str, tuple[str, Example, np.ndarray]], taxonomy: Taxonomy
) -> list[Panel]:
    """Returns four panels for each image: image, label, prediction, errors.

    Args:
        found: by title of the row, the image's mIoU in words, the image, and its prediction, uint8
            (H, W) class ids.
        taxonomy: taxonomy of the class ids.
    """
    return [
        panel
        for head, (score, example, prediction) in found.items()
        for panel in (
            Panel(f"{head}: {example.id}", example.image),
            Panel("label", coloured(example.label, taxonomy)),
            Panel(f"prediction, {score}", coloured(prediction, taxonomy)),
            Panel(
                "errors orange",
                error_map(example.image, example.label, prediction, taxonomy.partial_labels),
            ),
        )
    ]
