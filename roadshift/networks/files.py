"""Writes and reads networks as `.keras` files."""

import json
import re
import tempfile
import zipfile
from pathlib import Path

import keras
from pydantic import ValidationError

from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.networks.decoder import Classifier
from roadshift.networks.settings import InferenceSettings
from roadshift.settings import format_validation_error

_EPOCH = (1980, 1, 1, 0, 0, 0)
_METADATA = "metadata.json"
_INFERENCE = "inference"
"""The key of a `.keras` file's metadata that holds its `InferenceSettings`; Keras ignores it.

A member of their own would have Keras unpack the whole file to the disk whenever it is loaded.
"""


def save_network(network: keras.Model, path: Path, inference: InferenceSettings) -> None:
    """Writes a network to a `.keras` file, atomically; the same network gives the same bytes.

    Keras's own files hold the time of writing and memory addresses; here the time is constant and
    the addresses are left out.

    Args:
        network: a network that `build_network` made.
        path: the file to write, with suffix `.keras`.
        inference: settings for the use of the network on whole images.

    Raises:
        RoadshiftError: the file cannot be written.
    """
    path = Path(path)
    try:
        # The unfinished file lies beside `path`, so that a full disk is that of the named file.
        with (
            atomic_file(path) as file,
            tempfile.TemporaryDirectory(".partial", ".", path.parent) as folder,
        ):
            dated = Path(folder) / "dated.keras"
            network.save(dated)
            _undate(dated, file, inference)
    except OSError as error:
        raise RoadshiftError(f"{path}: cannot be written ({error.strerror})") from error


def _undate(source: Path, target: Path, inference: InferenceSettings) -> None:
    with zipfile.ZipFile(source) as dated, zipfile.ZipFile(target, "w") as undated:
        for name in sorted(dated.namelist()):
            content = dated.read(name)
            if name == _METADATA:
                metadata = json.loads(content) | {"date_saved": "1980-01-01@00:00:00"}
                content = _with_inference(json.dumps(metadata), inference)
            elif name == "config.json":
                # The memory address of an object that layers share, their dtype policy.
                content = re.sub(rb', "shared_object_id": \d+', b"", content)
            undated.writestr(zipfile.ZipInfo(name, _EPOCH), content)


def _with_inference(metadata: bytes | str, inference: InferenceSettings) -> bytes:
    changed = json.loads(metadata) | {_INFERENCE: inference.model_dump(mode="json")}
    return json.dumps(changed, sort_keys=True).encode()


def copy_network(source: Path, target: Path, inference: InferenceSettings) -> None:
    """Copies a network's file with other inference settings, atomically.

    Args:
        source: a file that `save_network` wrote.
        target: the file to write.
        inference: settings for the use of the copy on whole images.
    """
    with (
        atomic_file(target) as partial,
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(partial, "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == _METADATA:
                content = _with_inference(content, inference)
            new.writestr(zipfile.ZipInfo(name, _EPOCH), content)


def read_inference_settings(path: Path) -> InferenceSettings | None:
    """Reads the settings for the use of a network on whole images.

    Args:
        path: a file that `load_network` has read.

    Returns:
        The settings; None if the file holds none.

    Raises:
        RoadshiftError: the file's settings are invalid.
    """
    with zipfile.ZipFile(path) as file:
        content = file.read(_METADATA) if _METADATA in file.namelist() else b"{}"
    try:
        metadata = json.loads(content)
        if _INFERENCE not in metadata:
            return None
        return InferenceSettings.model_validate_json(json.dumps(metadata[_INFERENCE]))
    except ValidationError as error:
        reason = format_validation_error(error, InferenceSettings)
    except (ValueError, TypeError) as error:
        reason = f"invalid JSON: {error}"
    raise RoadshiftError(
        f"{path}: its inference settings are damaged ({reason}); get it anew, or train it again"
    )


def load_network(path: Path) -> keras.Model:
    """Reads a network that `save_network` wrote. No code in the file is run.

    Raises:
        RoadshiftError: the file is missing, damaged, or not written by roadshift.
    """
    path = Path(path)
    if not path.is_file():
        raise RoadshiftError(f"{path}: there is no such file: train the network first")
    try:
        # Keras itself ignores the checksums, and loads what is left of damaged weights.
        with zipfile.ZipFile(path) as file:
            if damaged := file.testzip():
                raise zipfile.BadZipFile(f"{damaged} is damaged")
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras, h5py, json and zipfile each raise their own
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
        if "NormalizedConvolution" in reason or "InstanceBatchConvolution" in reason:
            raise RoadshiftError(
                f"{path}: written by roadshift 0.1, whose layers had other names; train it again"
            ) from None
        if "safe_mode" in reason:
            raise RoadshiftError(
                f"{path}: holds code, which is not run; use a network that roadshift wrote"
            ) from None
        raise RoadshiftError(
            f"{path}: not a whole .keras file ({reason}); get it anew, or train it again"
        ) from error
    if not any(isinstance(layer, Classifier) for layer in network.layers):
        raise RoadshiftError(f"{path}: a Keras model, but not one that roadshift wrote")
    return network
