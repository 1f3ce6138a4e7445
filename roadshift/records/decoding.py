"""Decoding records to images and labels, the same pixels in every stage."""

import tensorflow as tf
import tensorflow_datasets as tfds


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes a PNG or JPEG to uint8 RGB (height, width, 3), to the pixels that Pillow reads.

    TensorFlow's default for JPEG is less accurate: its pixels differ from Pillow's by up to twenty
    levels, with this method by none.
    """
    # Despite its name, the operation decodes PNG, too.
    return tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE")


def decode_record(features: tfds.features.FeaturesDict, record: tf.Tensor) -> dict[str, tf.Tensor]:
    """Decodes a serialized record.

    Args:
        features: features of the record.
        record: string scalar.

    Returns:
        'image', uint8 (height, width, 3); 'label', uint8 (height, width, 1); 'id' and 'group',
        strings.
    """
    example: dict[str, tf.Tensor] = features.deserialize_example(
        record, decoders={"image": tfds.decode.SkipDecoding()}
    )
    return {**example, "image": decode_image(example["image"])}
