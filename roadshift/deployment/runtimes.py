"""Runs what `formats` wrote, each format in its own runtime."""

import json
import os
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

Run = Callable[[np.ndarray], np.ndarray]
"""From pictures, float32 (1, H, W, 3) in 0..255, to logits, float32 (1, H, W, classes)."""


def open_exported(path: Path, form: str) -> tuple[Run, dict[str, Any]]:
    """Opens an exported network.

    Args:
        path: the file, or a SavedModel's folder.
        form: one of `FORMATS`.

    Returns:
        What runs it, on all of this machine's processors, and its description.

    Raises:
        RoadshiftError: onnxruntime is needed and not installed.
    """
    if form == "savedmodel":
        return _savedmodel(path)
    return _onnx(path) if form == "onnx" else _tflite(path)


def _savedmodel(folder: Path) -> tuple[Run, dict[str, Any]]:
    loaded = tf.saved_model.load(folder)

    def run(pictures: np.ndarray) -> np.ndarray:
        # The signature alone would not keep the variables of its model alive.
        serve = loaded.signatures["serving_default"]
        return serve(**{INPUT: tf.constant(pictures)})[OUTPUT].numpy()

    text = (folder / "assets.extra" / DESCRIPTION).read_text("utf-8")
    return run, json.loads(text)


def _tflite(file: Path) -> tuple[Run, dict[str, Any]]:
    content = file.read_bytes()
    with warnings.catch_warnings():
        # It is to move to another package in a later TensorFlow, which users need not know.
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_content=content, num_threads=os.cpu_count())
    runner = interpreter.get_signature_runner()
    given, result = runner.get_input_details()[INPUT], runner.get_output_details()[OUTPUT]

    def run(pictures: np.ndarray) -> np.ndarray:
        logits = runner(**{INPUT: _quantized(pictures, given)})[OUTPUT]
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


def _onnx(file: Path) -> tuple[Run, dict[str, Any]]:
    try:
        import onnxruntime
    except ImportError:
        raise RoadshiftError(
            f"{file}: is written but not checked: pip install onnxruntime"
        ) from None
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    description = session.get_modelmeta().custom_metadata_map[DESCRIPTION]
    return lambda pictures: session.run([OUTPUT], {INPUT: pictures})[0], json.loads(description)


class TimedNetwork:
    """Makes what runs elsewhere a network for a `Segmenter`, and times it.

    Attributes:
        milliseconds: what each picture took.
    """

    def __init__(self, run: Run, size: Size | None = None) -> None:
        """Wraps a run.

        Args:
            run: what runs it.
            size: of the pictures it takes; smaller ones have their right and bottom edges
                repeated up to it. None for any size.
        """
        self.milliseconds: list[float] = []
        self._run, self._size = run, size

    def __call__(self, pictures: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits of pictures, as a Keras network gives them."""
        logits = tf.numpy_function(self._timed, [pictures], tf.float32)
        return tf.ensure_shape(logits, (None, None, None, None))

    def _timed(self, pictures: np.ndarray) -> np.ndarray:
        height, width = pictures.shape[1:3]
        if self._size:
            missing = self._size[0] - height, self._size[1] - width
            pictures = np.pad(pictures, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), "edge")
        if not self.milliseconds:
            self._run(pictures)  # The first run of a runtime plans and allocates.
        start = time.perf_counter()
        logits = self._run(pictures)
        self.milliseconds.append(1000 * (time.perf_counter() - start))
        return logits[:, :height, :width]
