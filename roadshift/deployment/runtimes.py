"""Runs exported networks, each format in its own runtime."""

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from roadshift.deployment.formats import DESCRIPTION, INPUT, OUTPUT, Size
from roadshift.errors import RoadshiftError
from roadshift.tensorflow_log import quiet_stderr
from roadshift.workers import usable_cores

RunNetwork = Callable[[np.ndarray], np.ndarray]
"""A function from images, float32 (1, H, W, 3) in 0..255, to logits, float32 (1, H, W, classes)."""


def open_exported(path: Path, format_name: str) -> tuple[RunNetwork, dict[str, Any]]:
    """Opens an exported network.

    Args:
        path: file, or folder of a SavedModel.
        format_name: 'savedmodel', 'tflite', 'tflite-int8' or 'onnx'.

    Returns:
        A function that runs the network, a SavedModel on TensorFlow's own threads and any other
        format on all cores that this process may use; and its description.

    Raises:
        RoadshiftError: onnxruntime is needed and not installed.
    """
    if format_name == "savedmodel":
        return _savedmodel(path)
    return _onnx(path) if format_name == "onnx" else _tflite(path)


def _savedmodel(folder: Path) -> tuple[RunNetwork, dict[str, Any]]:
    loaded = tf.saved_model.load(folder)

    def run(images: np.ndarray) -> np.ndarray:
        # The signature alone does not keep the variables of its model alive.
        serve = loaded.signatures["serving_default"]
        return serve(**{INPUT: tf.constant(images)})[OUTPUT].numpy()

    text = (folder / "assets.extra" / DESCRIPTION).read_text("utf-8")
    return run, json.loads(text)


def _tflite(file: Path) -> tuple[RunNetwork, dict[str, Any]]:
    content = file.read_bytes()
    with quiet_stderr(), warnings.catch_warnings():
        # It warns that it moves to another package, which does not concern users.
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_content=content, num_threads=usable_cores())
        interpreter.allocate_tensors()  # prints when it is first done
        runner = interpreter.get_signature_runner()
    given, result = runner.get_input_details()[INPUT], runner.get_output_details()[OUTPUT]

    def run(images: np.ndarray) -> np.ndarray:
        logits = runner(**{INPUT: _quantized(images, given)})[OUTPUT]
        return _dequantized(logits, result)

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    (entry,) = (e for e in model.metadata if e.name == DESCRIPTION.encode())
    return run, json.loads(bytes(model.buffers[entry.buffer].data))


def _quantized(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero = details["quantization"]
    if not scale:
        return values
    return np.clip(np.rint(values / scale + zero), 0, 255).astype(details["dtype"])


def _dequantized(values: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero = details["quantization"]
    return (values.astype(np.float32) - zero) * np.float32(scale) if scale else values


def _onnx(file: Path) -> tuple[RunNetwork, dict[str, Any]]:
    try:
        import onnxruntime
    except ImportError:
        raise RoadshiftError(
            f"{file}: is written but not checked, since a package is not installed: pip install "
            "onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    description = session.get_modelmeta().custom_metadata_map[DESCRIPTION]
    return lambda images: session.run([OUTPUT], {INPUT: images})[0], json.loads(description)


class TimedNetwork:
    """Wraps an exported network for a `Segmenter`, and times it.

    Attributes:
        milliseconds: time of each image.
    """

    def __init__(self, run: RunNetwork, size: Size | None = None) -> None:
        """Wraps a network.

        Args:
            run: function that runs the network.
            size: height and width of its images in pixels; smaller images are padded to it by
                repeating their right and bottom edges. None, the default, for any size.
        """
        self.milliseconds: list[float] = []
        self._run, self._size = run, size

    def __call__(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the logits of images, as a Keras network does."""
        logits = tf.numpy_function(self._timed, [images], tf.float32)
        return tf.ensure_shape(logits, (None, None, None, None))

    def _timed(self, images: np.ndarray) -> np.ndarray:
        height, width = images.shape[1:3]
        if self._size:
            missing = self._size[0] - height, self._size[1] - width
            images = np.pad(images, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), "edge")
        if not self.milliseconds:
            self._run(images)  # The first run plans and allocates, so it is not timed.
        start = time.perf_counter()
        logits = self._run(images)
        self.milliseconds.append(1000 * (time.perf_counter() - start))
        return logits[:, :height, :width]
