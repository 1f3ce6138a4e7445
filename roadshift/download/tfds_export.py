"""Export of a TensorFlow Datasets (TFDS) set as PNG files.

No other module of this package imports TensorFlow.
"""

import re
from collections.abc import Collection
from pathlib import Path

import requests
import tensorflow as tf
import tensorflow_datasets as tfds

from roadshift.datasets.card import TfdsSource
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar
from roadshift.settings import suggestion

FAILURES = (
    tfds.download.DownloadError,
    tfds.core.download.download_manager.NonMatchingChecksumError,
    requests.RequestException,
    tf.errors.OpError,
    OSError,
)
"""Errors of TFDS that the network, the publisher or the disk causes."""


def export_set(source: TfdsSource, splits: Collection[str] | None, folder: Path) -> None:
    """Lets TFDS download and prepare a set, and writes the images and labels as PNG.

    TFDS keeps the prepared set in its data_dir (`TFDS_DATA_DIR`, by default in the home folder).

    Args:
        source: the set and its features.
        splits: TFDS's names of the wanted splits; None for all.
        folder: an existing folder; gets `images/<split>/<id>.png` and `labels/<split>/<id>.png`,
            with TFDS's bit depth.

    Raises:
        RoadshiftError: TFDS does not know the set or cannot get it (if files have to be fetched by
            hand, the message names them); the set has no such feature or split; a feature is not
            an image; or an id is not usable as a file name or occurs twice.
    """
    builder = _prepared(source)
    for split in sorted(splits or builder.info.splits):
        if split not in builder.info.splits:
            known = suggestion(split, builder.info.splits)
            raise RoadshiftError(f"TFDS set '{source.name}' has no split '{split}'{known}")
        _export_split(builder, source, split=split, folder=folder)


def _prepared(source: TfdsSource) -> tfds.core.DatasetBuilder:
    try:
        builder = tfds.builder(source.name)
        builder.download_and_prepare()
    except tfds.core.DatasetNotFoundError:
        raise RoadshiftError(
            f"TFDS has no set '{source.name}', and none is prepared in its data_dir "
            f"{tfds.core.constants.DATA_DIR}; correct tfds.name in the card, or set TFDS_DATA_DIR"
        ) from None
    except AssertionError as error:
        # TFDS and its builders raise this if a person has to fetch files.
        if "manual" not in str(error).lower():
            raise
        raise RoadshiftError(_by_hand(source, builder)) from None
    except ValueError as error:
        raise RoadshiftError(f"TFDS set '{source.name}': {' '.join(str(error).split())}") from None
    except FAILURES as error:
        reason = " ".join(str(error).split())
        raise RoadshiftError(
            f"TFDS could not prepare '{source.name}' ({type(error).__name__}: {reason[:300]}); "
            "run the stage again, or prepare the set with TFDS on a machine with a network and set "
            "TFDS_DATA_DIR"
        ) from None
    for feature in filter(None, (source.image, source.label, source.id)):
        if feature not in builder.info.features:
            known = suggestion(feature, builder.info.features)
            raise RoadshiftError(f"TFDS set '{source.name}' has no feature '{feature}'{known}")
    return builder


def _by_hand(source: TfdsSource, builder: tfds.core.DatasetBuilder) -> str:
    """Explains in three lines which files a person has to fetch, and where to put them."""
    return (
        f"TFDS cannot download '{source.name}' automatically.\n"
        f"  get: {' '.join(str(builder.MANUAL_DOWNLOAD_INSTRUCTIONS).split())}\n"
        f"  put into: {Path(builder.data_dir_root) / 'downloads' / 'manual'} (under "
        "TFDS_DATA_DIR), and run the stage again"
    )


def _export_split(
    builder: tfds.core.DatasetBuilder, source: TfdsSource, *, split: str, folder: Path
) -> None:
    images, labels = folder / "images" / split, folder / "labels" / split
    for place in (images, labels):
        place.mkdir(parents=True)
    wanted = {name: True for name in (source.image, source.label, source.id) if name}
    examples = builder.as_dataset(
        split=split,
        decoders=tfds.decode.PartialDecoding(wanted),
        # Files are read one by one, so that images without an id always get the same numbers.
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
    )
    for feature, depths in ((source.image, (tf.uint8,)), (source.label, (tf.uint8, tf.uint16))):
        spec = examples.element_spec[feature]
        if len(spec.shape) != 3 or spec.shape[2] not in (1, 3) or spec.dtype not in depths:
            raise RoadshiftError(
                f"TFDS set '{source.name}': feature '{feature}' has shape {spec.shape} of "
                f"{spec.dtype.name}; expected (height, width, 1 or 3) of "
                f"{' or '.join(depth.name for depth in depths)}"
            )

    def encode(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        name = tf.strings.as_string(example[source.id]) if source.id else tf.constant("")
        return (
            name,
            tf.io.encode_png(example[source.image]),
            tf.io.encode_png(example[source.label]),
        )

    encoded = examples.map(encode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    total = builder.info.splits[split].num_examples
    with progress_bar(f"export {split}", "image", total) as progress:
        for number, (given, image, label) in enumerate(encoded.as_numpy_iterator()):
            name = given.decode() or f"{split}_{number:06}"
            if not re.fullmatch(r"\w[\w.-]*", name):
                raise RoadshiftError(
                    f"TFDS set '{source.name}': '{name}' is not usable as a file name; remove "
                    "tfds.id from the card to number the images"
                )
            if (images / f"{name}.png").exists():
                raise RoadshiftError(f"TFDS set '{source.name}': two images have the id '{name}'")
            (images / f"{name}.png").write_bytes(image)
            (labels / f"{name}.png").write_bytes(label)
            progress.update()
