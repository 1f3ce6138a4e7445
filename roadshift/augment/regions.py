"""Operations on a region of the crop: random erasing, CutMix, ClassMix.

They change image and label by one mask, so the two agree to the pixel.
"""

import math

import tensorflow as tf

from roadshift.augment.keys import draw_uniform, operation_key
from roadshift.augment.photometric import FULL_RANGE, in_three_channels
from roadshift.augment.registry import ImageAndLabel, operation
from roadshift.taxonomy import IGNORE_ID

# The bounds in the paper on random erasing.
ERASED_AREA = (0.02, 0.4)
ERASED_ASPECT = (0.3, 1 / 0.3)
_IDS = 256


@operation("mix")
def cutmix(
    image: tf.Tensor,
    label: tf.Tensor,
    other_image: tf.Tensor,
    other_label: tf.Tensor,
    key: tf.Tensor,
) -> ImageAndLabel:
    """CutMix (https://arxiv.org/abs/1905.04899): pastes a rectangle of the partner.

    As in the paper, the rectangle has the crop's aspect. Its share of the crop's area is uniform in
    0..1 (Beta(1, 1)), its centre lies anywhere in the crop, and the crop's edges cut it off.
    It lies at the same place in both crops.
    """
    draws = draw_uniform(key, 0.0, 1.0, (3,))
    height, width = label.shape
    side = tf.sqrt(draws[0])
    mask = _box(
        (height, width), (draws[1] * height, draws[2] * width), (side * height, side * width)
    )
    return _paste(image, label, other_image, other_label, mask)


@operation("mix")
def classmix(
    image: tf.Tensor,
    label: tf.Tensor,
    other_image: tf.Tensor,
    other_label: tf.Tensor,
    key: tf.Tensor,
) -> ImageAndLabel:
    """ClassMix (https://arxiv.org/abs/2007.07936): pastes half of the partner's classes.

    Half of an odd number is rounded up, as in DACS (https://arxiv.org/abs/2007.08702), so that the
    only class of a partner is pasted. Ignored pixels have no class and are never pasted.
    """
    mask = _half_of_the_classes(other_label, key)
    return _paste(image, label, other_image, other_label, mask)


def _half_of_the_classes(label: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Returns the mask, bool (H, W), of a random half of the classes in a label."""
    ids = tf.cast(label, tf.int32)
    present = tf.math.bincount(tf.reshape(ids, [-1]), minlength=_IDS, maxlength=_IDS) > 0
    present &= tf.range(_IDS) != IGNORE_ID
    number = tf.reduce_sum(tf.cast(present, tf.int32))
    # Classes in a random order, absent ones last.
    order = tf.argsort(tf.where(present, draw_uniform(key, 0.0, 1.0, (_IDS,)), 2.0), stable=True)
    taken = order[: (number + 1) // 2, tf.newaxis]
    chosen = tf.scatter_nd(taken, tf.ones_like(taken[:, 0]), [_IDS])
    return tf.gather(chosen, ids) > 0


def _paste(
    image: tf.Tensor,
    label: tf.Tensor,
    other_image: tf.Tensor,
    other_label: tf.Tensor,
    mask: tf.Tensor,
) -> ImageAndLabel:
    in_image = in_three_channels(tf.cast(mask, tf.float32)) > 0
    return tf.where(in_image, other_image, image), tf.where(mask, other_label, label)


@operation("occlusion", stream="erasing")
def random_erasing(
    image: tf.Tensor, label: tf.Tensor, key: tf.Tensor, strength: float
) -> ImageAndLabel:
    """Random erasing (https://arxiv.org/abs/1708.04896) with probability `strength`.

    A rectangle is filled with noise, each value uniform in 0..255. Its area is a share of the
    crop's uniform in 0.02..0.4, its height over width is log-uniform in 0.3..1/0.3. It lies wholly
    within the crop; longer sides are cut to the crop's. The paper classifies whole images, whose
    label stays; here the erased pixels cannot be recognised, so their label is the ignore id.
    """
    draws = draw_uniform(key, 0.0, 1.0, (5,))
    height, width = label.shape
    low, high = ERASED_AREA
    area = (low + (high - low) * draws[1]) * height * width
    narrow, tall = (math.log(bound) for bound in ERASED_ASPECT)
    aspect = tf.exp(narrow + (tall - narrow) * draws[2])
    sides = (
        tf.clip_by_value(tf.sqrt(area * aspect), 1.0, height),
        tf.clip_by_value(tf.sqrt(area / aspect), 1.0, width),
    )
    centre = (
        sides[0] / 2 + draws[3] * (height - sides[0]),
        sides[1] / 2 + draws[4] * (width - sides[1]),
    )

    def erased() -> ImageAndLabel:
        mask = _box((height, width), centre, sides)
        values = draw_uniform(
            operation_key(key, "erasing.values"), 0.0, FULL_RANGE, (height, width, 3)
        )
        return _paste(
            image, label, values, tf.fill(label.shape, tf.constant(IGNORE_ID, tf.uint8)), mask
        )

    return tf.cond(draws[0] < strength, erased, lambda: (image, label))


def _box(
    size: tuple[int, int],
    centre: tuple[tf.Tensor, tf.Tensor],
    sides: tuple[tf.Tensor, tf.Tensor],
) -> tf.Tensor:
    """Returns the mask, bool of the size, of a rectangle's pixel centres; arguments in pixels."""
    rows, columns = (
        tf.abs(tf.range(length, dtype=tf.float32) + 0.5 - middle) < side / 2
        for length, middle, side in zip(size, centre, sides, strict=True)
    )
    return rows[:, tf.newaxis] & columns
