"""Pictures of a report: augmentations one by one, batches, and where a network errs."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from roadshift.augment.keys import sample_key
from roadshift.augment.policy import Policy, build_policy
from roadshift.augment.registry import COVER_OPS, FRAME_OPS, KINDS, MIX_OPS, PAIR_OPS
from roadshift.augment.settings import AugmentSettings
from roadshift.pictures.sheet import Panel, coloured
from roadshift.records.reader import Example
from roadshift.report.methods import AUGMENTATION
from roadshift.taxonomy import IGNORE_ID, Taxonomy

WRONG = (213, 94, 0)
IGNORED = (255, 255, 255)
PALE = 0.35
"""How much is left of a picture's own grey where the network is right."""
UNKNOWN_SHARE = 0.2
"""Of the largest strength: what an operation is shown at that nobody has tried yet."""


def operations() -> list[str]:
    """All operations of the registry, in the order in which they run."""
    return [name for kind in KINDS for name in kind]


def shown_strength(name: str, settings: AugmentSettings) -> float:
    """The strength at which an operation is shown.

    The run's own, where it is on; else the one to begin with. A probability is 1, since what is
    not done cannot be seen.
    """
    field = AugmentSettings.model_fields[name]
    if (field.description or "").startswith("Probability"):
        return 1.0
    largest = next(m.le for m in field.metadata if hasattr(m, "le"))
    tried = {method.keys[0]: method.start for method in AUGMENTATION}
    start = tried.get(f"aug.{name}") or UNKNOWN_SHARE * float(largest)
    return float(getattr(settings, name)) or start


def augmentation_panels(
    example: Example,
    other: Example,
    settings: AugmentSettings,
    crop: tuple[int, int],
    taxonomy: Taxonomy,
    seed: int,
) -> list[Panel]:
    """Each operation of the registry alone, done to one picture by the policy of a training.

    Args:
        example: the picture.
        other: the partner of operations that mix two.
        settings: the run's strengths.
        crop: height and width of a training's crop.
        taxonomy: for the labels' colours.
        seed: of the draws.

    Returns:
        Three panels an operation: three draws, or two and the first one's label between them
        where the operation changes labels.
    """
    panels = []
    for name in operations():
        strength = shown_strength(name, settings)
        policy = build_policy(AugmentSettings(**{name: strength}), *crop)
        moves_label = any(name in kind for kind in (FRAME_OPS, PAIR_OPS, MIX_OPS, COVER_OPS))
        for number in range(2 if moves_label else 3):
            image, label = augmented(policy, example, other, seed, number)
            panels.append(Panel(f"{name} {strength:g}, draw {number + 1}", image))
            if moves_label and number == 0:
                panels.append(Panel(f"{name}, label of draw 1", coloured(label, taxonomy)))
    return panels


def augmented(
    policy: Policy, example: Example, other: Example, seed: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """A sample as a training would have it: uint8 RGB (H, W, 3) and uint8 (H, W)."""
    key = sample_key(seed, tf.constant(number, tf.int64), "report", tf.constant(example.id))
    image, label = policy(
        tf.constant(example.image),
        tf.constant(example.label),
        key,
        lambda: (tf.constant(other.image), tf.constant(other.label)),
    )
    return as_bytes(image.numpy()), label.numpy()


def as_bytes(image: np.ndarray) -> np.ndarray:
    """An image of floats, nominally in 0..255, as uint8."""
    return np.rint(image).clip(0, 255).astype(np.uint8)


def in_rows(panels: Sequence[Panel], columns: int) -> list[list[Panel]]:
    """Panels in rows of some columns."""
    return [list(panels[start : start + columns]) for start in range(0, len(panels), columns)]


def error_map(image: np.ndarray, label: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Where a prediction is wrong: orange over a pale grey picture, ignored pixels white.

    Args:
        image: uint8 RGB (H, W, 3).
        label: uint8 (H, W), 255 = ignore.
        prediction: uint8 (H, W).

    Returns:
        uint8 RGB (H, W, 3).
    """
    grey = image.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    shown = 255 - PALE * (255 - grey)
    shown[label != prediction] = WRONG
    shown[label == IGNORE_ID] = IGNORED
    return as_bytes(shown)


def result_panels(
    found: Mapping[str, tuple[str, Example, np.ndarray]], taxonomy: Taxonomy
) -> list[list[Panel]]:
    """A row for each picture: picture, label, prediction, errors.

    Args:
        found: by what heads the row, its mIoU in words, the picture and its prediction.
        taxonomy: for the colours.
    """
    return [
        [
            Panel(f"{head}: {example.id}", example.image),
            Panel("label", coloured(example.label, taxonomy)),
            Panel(f"prediction, {score}", coloured(prediction, taxonomy)),
            Panel("errors orange", error_map(example.image, example.label, prediction)),
        ]
        for head, (score, example, prediction) in found.items()
    ]
