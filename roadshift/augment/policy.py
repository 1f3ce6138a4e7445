"""The policy: the operations that are switched on, chained into one function for `Dataset.map`."""

from collections.abc import Callable

import tensorflow as tf

# Importing the two modules of operations is what fills the registry.
from roadshift.augment import geometric, photometric
from roadshift.augment.keys import operation_key
from roadshift.augment.registry import FRAME_OPS, IMAGE_OPS, PAIR_OPS, Frame
from roadshift.augment.settings import AugmentSettings

Policy = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def build_policy(settings: AugmentSettings, crop_height: int, crop_width: int) -> Policy:
    """Builds the function that augments one sample.

    Args:
        settings: a strength an operation; those at 0 are left out of the graph.
        crop_height: rows of every result, > 0.
        crop_width: columns of every result, > 0.

    Returns:
        A pure function of image uint8 (H, W, 3), label uint8 (H, W) and key int32 or int64 [2]
        (see `roadshift.augment.keys.sample_key`) that returns image float32
        (crop_height, crop_width, 3) in 0..255 and label uint8 (crop_height, crop_width), with
        static shapes. H and W may differ from sample to sample; image and label must agree in
        them, else the function raises tf.errors.InvalidArgumentError. With all strengths 0 it
        cuts the centre and changes no value.

    Raises:
        ValueError: the crop is empty.
    """
    if crop_height < 1 or crop_width < 1:
        raise ValueError(f"crop of {crop_height}×{crop_width} pixels: both sides must be positive")
    strengths = {name: value for name, value in settings.model_dump().items() if value > 0}
    frame_ops = {name: op for name, op in FRAME_OPS.items() if name in strengths}
    pair_ops = {name: op for name, op in PAIR_OPS.items() if name in strengths}
    image_ops = {name: op for name, op in IMAGE_OPS.items() if name in strengths}

    def augment(image: tf.Tensor, label: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        tf.debugging.assert_equal(
            tf.shape(image)[:2], tf.shape(label), "image and label differ in size"
        )
        frame = Frame()
        for name, frame_op in frame_ops.items():
            frame = frame_op(frame, operation_key(key, name), strengths[name])
        image, label = geometric.cut_frame(image, label, frame, crop_height, crop_width)
        for name, pair_op in pair_ops.items():
            image, label = pair_op(image, label, operation_key(key, name), strengths[name])
        for name, image_op in image_ops.items():
            image = image_op(image, operation_key(key, name), strengths[name])
        if image_ops:
            image = tf.clip_by_value(image, 0.0, photometric.FULL_RANGE)
        return (
            tf.ensure_shape(image, (crop_height, crop_width, 3)),
            tf.ensure_shape(label, (crop_height, crop_width)),
        )

    return augment
