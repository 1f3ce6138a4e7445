"""Encodes samples as the records of shards."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from roadshift.datasets.exif import exif_of
from roadshift.datasets.images import opened, read_image
from roadshift.datasets.samples import Sample
from roadshift.errors import RoadshiftError
from roadshift.records.decoding import decode_image
from roadshift.records.shard_file import Entry
from roadshift.taxonomy import IGNORE_ID, Taxonomy

ScaleDown = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Maps an image, uint8 (H, W, 3), and its label, uint8 (H, W), to those that are stored."""
PNG_DEPTH = 24
"""Place of the byte with a PNG's bits a channel."""


def features_of(taxonomy: Taxonomy) -> tfds.features.FeaturesDict:
    """Returns the features of a record: an image, its label in the taxonomy's ids, id, group."""
    return tfds.features.FeaturesDict(
        {
            # TFDS reads any format; this one is for images that are encoded anew.
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "label": tfds.features.LabeledImage(
                labels=list(taxonomy.class_names), shape=(None, None, 1), encoding_format="png"
            ),
            "id": tfds.features.Text(),
            "group": tfds.features.Text(),
        }
    )


class SampleEncoder:
    """Reads images and labels and encodes them as records.

    Args:
        images: the folder of the publisher's images.
        labels: the folder of remapped labels.
        taxonomy: the taxonomy of the labels' ids.
        scale_down: scales images and labels; None to keep their size.
    """

    def __init__(
        self,
        *,
        images: Path,
        labels: Path,
        taxonomy: Taxonomy,
        scale_down: ScaleDown | None = None,
    ) -> None:
        self._images, self._labels, self._taxonomy = images, labels, taxonomy
        self._scale_down = scale_down
        self._features = features_of(taxonomy)
        self._serializer = ExampleSerializer(self._features.get_serialized_info())

    def __call__(self, sample: Sample) -> Entry:
        """Encodes a sample; its pixels are counted at the label's own size.

        Raises:
            RoadshiftError: image or label is missing or damaged, or differs from the manifest.
        """
        label = self._label(sample)
        encoded = _encoded_image(self._images / sample.image)
        size = encoded.pixels.shape[1::-1]
        if not size == (sample.width, sample.height) == label.shape[1::-1]:
            raise RoadshiftError(
                f"'{sample.id}': image {size}, label {label.shape[1::-1]} and manifest "
                f"({sample.width}, {sample.height}) differ in size; run the remap stage again"
            )
        pixels = np.bincount(label.ravel(), minlength=256)[: len(self._taxonomy.label_names)]
        content = encoded.content
        if self._scale_down:
            small, small_label = self._scale_down(encoded.pixels, label)
            if small_label.shape != label.shape:
                content, label = _as_png(small), small_label
        example = self._features.encode_example(
            {
                "image": io.BytesIO(content),
                "label": label[..., np.newaxis],
                "id": sample.id,
                "group": sample.group,
            }
        )
        # The protocol buffer's map has no order: without `deterministic` it differs between
        # processes.
        record = self._serializer.get_tf_example(example).SerializeToString(deterministic=True)
        return Entry(sample.id, pixels, record)

    def _label(self, sample: Sample) -> np.ndarray:
        with opened(self._labels / sample.label) as image:
            label = np.asarray(image)
        known = {*range(len(self._taxonomy.label_names)), IGNORE_ID}
        if bad := set(np.unique(label).tolist()) - known:
            raise RoadshiftError(
                f"{sample.label}: id {min(bad)} is not in taxonomy '{self._taxonomy.name}'; run "
                "remap again"
            )
        return label


@dataclass(frozen=True)
class EncodedImage:
    """An image as it is stored.

    Attributes:
        content: bytes of a PNG or JPEG, upright.
        pixels: uint8 (height, width, 3), what they decode to.
    """

    content: bytes
    pixels: np.ndarray


def _encoded_image(file: Path) -> EncodedImage:
    """Returns an image with the publisher's bytes where those hold its pixels and nothing else.

    These are 8-bit RGB PNGs, and JPEGs that TensorFlow decodes to the pixels that Pillow reads.
    """
    with opened(file) as stored:
        name = stored.format
        plain = name == "PNG" and stored.mode == "RGB" and not exif_of(stored, file)
    content = file.read_bytes()
    if plain and content[PNG_DEPTH] == 8:
        # TensorFlow is stricter than Pillow: a missing end, say, would fail in training.
        pixels = _decoded(content)
        if pixels is None:
            read_image(file)  # says what is wrong, if Pillow knows
            raise RoadshiftError(
                f"{file}: cannot be read (TensorFlow refuses its data); if the file is damaged, "
                "replace it, else save it as PNG"
            )
        return EncodedImage(content, pixels)
    image = read_image(file)
    seen = _decoded(content) if name == "JPEG" else None
    # A PNG of the same pixels has five times the size or more, and takes longer to decode.
    same = seen is not None and np.array_equal(seen, image)
    return EncodedImage(content if same else _as_png(image), image)


def _as_png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _decoded(content: bytes) -> np.ndarray | None:
    """Returns the pixels that a training will see, uint8 (height, width, 3); None if refused."""
    try:
        pixels: np.ndarray = decode_image(tf.constant(content)).numpy()
    except tf.errors.InvalidArgumentError:
        return None
    return pixels
