"""Writes a network in the formats of other runtimes, each with its taxonomy inside.

All take RGB pictures, `pictures`, and give `logits`, a channel a class, at the pictures' size.
SavedModel and ONNX take any number of pictures of any size whose sides are multiples of 32.
TensorFlow Lite takes one picture of one size, which accelerators and compilers for them ask for.

The taxonomy is a JSON document, `describe`'s, under the name `taxonomy.json`: in a SavedModel's
`assets.extra`, among a TensorFlow Lite file's metadata, and in ONNX's `metadata_props`.
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
from roadshift.errors import RoadshiftError
from roadshift.networks.settings import STRIDE
from roadshift.outputs import whole_file, whole_folder
from roadshift.prediction.network import class_list
from roadshift.taxonomy import Taxonomy

FORMATS = ("savedmodel", "tflite", "tflite-int8", "onnx")
DESCRIPTION = "taxonomy.json"
"""The name under which a file holds its description."""
OPSET = 17
"""Of ONNX, of 2022: new enough for all that networks here need, old enough for most runtimes."""
INPUT, OUTPUT = "pictures", "logits"

Size = tuple[int, int]
"""Height and width in pixels."""


def describe(taxonomy: Taxonomy, size: Size | None) -> dict[str, Any]:
    """What travels with a network: its classes, and what goes in and comes out.

    Args:
        taxonomy: the network's.
        size: of the pictures it takes; None for any.
    """
    return {
        "taxonomy": taxonomy.name,
        "classes": class_list(taxonomy),
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
    """Writes a SavedModel with the signature `serving_default`; what was there is replaced.

    Raises:
        RoadshiftError: `folder` is something else than a SavedModel, which is not overwritten.
    """
    if folder.exists() and not (folder / "saved_model.pb").is_file():
        raise RoadshiftError(f"{folder}: exists and is no SavedModel; name another with --out")
    with whole_folder(folder) as partial:
        _save(network, (None, None, None, 3), partial)
        extra = partial / "assets.extra"
        extra.mkdir()
        (extra / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", "utf-8")


def _save(network: keras.Model, shape: tuple[int | None, ...], folder: Path) -> None:
    # Not Keras's own export, which writes every variable twice.
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name=INPUT)])
    def serve(pictures: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: network(pictures, training=False)}

    module = tf.Module()
    module.weights = [variable.value for variable in network.variables]
    tf.saved_model.save(module, folder, signatures={"serving_default": serve})


def write_tflite(
    network: keras.Model,
    description: dict[str, Any],
    size: Size,
    file: Path,
    calibration: Iterable[np.ndarray] = (),
) -> None:
    """Writes a TensorFlow Lite file; of 8-bit integers only where there are pictures for it.

    With integers, pictures go in as the bytes that they are, and logits come out as bytes, whose
    scale does not matter to which one is the largest.

    Args:
        network: pictures float32 (N, H, W, 3) in 0..255 to logits.
        description: `describe`'s.
        size: of the pictures that it takes, multiples of 32.
        file: where to write.
        calibration: float32 (1, H, W, 3) in 0..255 of that size, from which the ranges of
            features are learned; none for floats.
    """
    with tempfile.TemporaryDirectory() as folder:
        _save(network, (1, *size, 3), Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        pictures = iter(calibration)
        first = next(pictures, None)
        if first is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _full_range(first, pictures)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8
        with warnings.catch_warnings():
            # That ranges of quantized inputs were not stated: they are learned.
            warnings.simplefilter("ignore", UserWarning)
            converted = converter.convert()
    with whole_file(file) as partial:
        partial.write_bytes(_with_description(converted, description))


def _full_range(first: np.ndarray, others: Iterator[np.ndarray]) -> Iterator[list[np.ndarray]]:
    # A black and a white pixel make the scale of the pictures 1 and their zero 0: bytes.
    first = first.copy()
    first[0, 0, 0], first[0, 0, 1] = 0, 255
    yield [first]
    for picture in others:
        yield [picture]


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
            lambda pictures: {OUTPUT: network(pictures, training=False)},
            input_signature=specification,
        ),
        input_signature=specification,
        opset=OPSET,
    )
    for value in (*model.graph.input, *model.graph.output):
        for axis, name in enumerate(("pictures", "height", "width")):
            value.type.tensor_type.shape.dim[axis].dim_param = name
    onnx.helper.set_model_props(model, {DESCRIPTION: json.dumps(description)})
    onnx.checker.check_model(model)
    with whole_file(file) as partial:
        partial.write_bytes(model.SerializeToString())
