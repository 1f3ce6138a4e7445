"""Writes networks in the formats of other runtimes, each with its taxonomy inside.

All take RGB images, `images`, and give `logits`, one channel a class, at the images' size.
SavedModel and ONNX take any number of images of any size whose sides are multiples of 32.
TensorFlow Lite takes one image of one size, as accelerators and their compilers require.

The taxonomy is the JSON document from `describe`, named `taxonomy.json`: it lies in a SavedModel's
`assets.extra`, in a TensorFlow Lite file's metadata, and in ONNX's `metadata_props`.
"""

import json
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from roadshift import __version__
from roadshift.atomic import atomic_file, atomic_folder
from roadshift.errors import RoadshiftError
from roadshift.networks.settings import STRIDE
from roadshift.taxonomy import Taxonomy
from roadshift.tensorflow_log import quiet_stderr

DESCRIPTION = "taxonomy.json"
"""Name of the description in an exported network."""
OPSET = 17
"""ONNX operator set of 2022: it has all operations of the networks, and most runtimes know it."""
INPUT, OUTPUT = "images", "logits"

Size = tuple[int, int]
"""Height and width in pixels."""


def describe(taxonomy: Taxonomy, size: Size | None) -> dict[str, Any]:
    """Describes an exported network: its classes, its input and its output.

    Args:
        taxonomy: taxonomy of the network's classes.
        size: height and width of its images in pixels; None for any.
    """
    return {
        "taxonomy": taxonomy.name,
        "classes": taxonomy.class_list,
        INPUT: {
            "layout": "NHWC",
            "colour": "RGB",
            "range": [0, 255],
            "size": list(size) if size else None,
            "sides_multiple_of": STRIDE,
        },
        OUTPUT: {"layout": "NHWC", "channels": "class ids"},
        "made_by": f"roadshift {__version__}",
    }


def write_savedmodel(network: keras.Model, description: dict[str, Any], folder: Path) -> None:
    """Writes a SavedModel with the signature `serving_default`, or replaces one.

    Args:
        network: maps images, float32 (N, H, W, 3) in 0..255, to logits (N, H, W, classes).
        description: description from `describe`.
        folder: folder to write.

    Raises:
        RoadshiftError: `folder` exists and is not a SavedModel; it is not overwritten.
    """
    if folder.exists() and not (folder / "saved_model.pb").is_file():
        raise RoadshiftError(f"{folder}: exists and is not a SavedModel; name another with --out")
    with atomic_folder(folder) as partial:
        _save(network, (None, None, None, 3), partial)
        extra = partial / "assets.extra"
        extra.mkdir()
        (extra / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", "utf-8")


def _save(network: keras.Model, shape: tuple[int | None, ...], folder: Path) -> None:
    # Keras's own export would write every variable twice.
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name=INPUT)])
    def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: network(images, training=False)}

    module = tf.Module()
    module.weights = [variable.value for variable in network.variables]
    tf.saved_model.save(module, folder, signatures={"serving_default": serve})


def write_tflite(
    network: keras.Model,
    description: dict[str, Any],
    file: Path,
    *,
    size: Size,
    calibration: Iterable[np.ndarray] = (),
) -> None:
    """Writes a TensorFlow Lite file: in 8-bit integers with calibration images, else in floats.

    With integers, images go in as bytes, unchanged, and logits come out as bytes, whose scale does
    not matter for which one is the largest.

    Args:
        network: maps images, float32 (N, H, W, 3) in 0..255, to logits (N, H, W, classes).
        description: description from `describe`.
        file: file to write.
        size: height and width of its images in pixels, multiples of 32.
        calibration: images, float32 (1, H, W, 3) in 0..255 of that size, from which the ranges of
            features are measured; none, the default, for floats.
    """
    with tempfile.TemporaryDirectory() as folder:
        _save(network, (1, *size, 3), Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        images = iter(calibration)
        first = next(images, None)
        if first is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _full_range(first, images)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8
        with quiet_stderr(), warnings.catch_warnings():
            # It warns that the ranges of quantized inputs are not given; they are measured.
            warnings.simplefilter("ignore", UserWarning)
            converted = converter.convert()
    with atomic_file(file) as partial:
        partial.write_bytes(_with_description(converted, description))


def _full_range(first: np.ndarray, others: Iterator[np.ndarray]) -> Iterator[list[np.ndarray]]:
    # A black and a white pixel make the scale of the images 1 and their zero point 0: bytes.
    first = first.copy()
    first[0, 0, 0], first[0, 0, 1] = 0, 255
    yield [first]
    for image in others:
        yield [image]


def _with_description(content: bytes, description: dict[str, Any]) -> bytes:
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(description).encode(), np.uint8)
    entry.name, entry.buffer = DESCRIPTION, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def write_onnx(network: keras.Model, description: dict[str, Any], file: Path) -> None:
    """Writes an ONNX file.

    Args:
        network: maps images, float32 (N, H, W, 3) in 0..255, to logits (N, H, W, classes).
        description: description from `describe`.
        file: file to write.

    Raises:
        RoadshiftError: tf2onnx is not installed.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError:
        raise RoadshiftError(
            "ONNX needs packages that are not installed: pip install 'tf2onnx>=1.17' onnxruntime"
        ) from None
    specification = [tf.TensorSpec((None, None, None, 3), tf.float32, name=INPUT)]
    model, _ = tf2onnx.convert.from_function(
        tf.function(
            lambda images: {OUTPUT: network(images, training=False)},
            input_signature=specification,
        ),
        input_signature=specification,
        opset=OPSET,
    )
    for value in (*model.graph.input, *model.graph.output):
        for axis, name in enumerate(("images", "height", "width")):
            value.type.tensor_type.shape.dim[axis].dim_param = name
    onnx.helper.set_model_props(model, {DESCRIPTION: json.dumps(description)})
    onnx.checker.check_model(model)
    with atomic_file(file) as partial:
        partial.write_bytes(model.SerializeToString())
