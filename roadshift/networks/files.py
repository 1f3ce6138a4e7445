"""Writes and reads networks as `.keras` files."""

import json
import re
import tempfile
import zipfile
from pathlib import Path

import keras

from roadshift.errors import RoadshiftError
from roadshift.networks.decoder import Classifier
from roadshift.outputs import whole_file

_EPOCH = (1980, 1, 1, 0, 0, 0)


def save_network(network: keras.Model, path: Path) -> None:
    """Writes a network to a `.keras` file: the same network, the same bytes.

    Keras's own file holds the time of writing and addresses in memory; here they are constant.
    `path` never holds half a network.

    Args:
        network: Made by `build_network`.
        path: The file, with suffix `.keras`.

    Raises:
        RoadshiftError: If the file cannot be written.
    """
    path = Path(path)
    try:
        # The unfinished one beside it, so that a full disk is that of the file which is named.
        with (
            whole_file(path) as file,
            tempfile.TemporaryDirectory(".partial", ".", path.parent) as folder,
        ):
            dated = Path(folder) / "dated.keras"
            network.save(dated)
            _undate(dated, file)
    except OSError as error:
        raise RoadshiftError(f"{path}: cannot be written ({error.strerror})") from error


def _undate(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as dated, zipfile.ZipFile(target, "w") as undated:
        for name in sorted(dated.namelist()):
            content = dated.read(name)
            if name == "metadata.json":
                metadata = json.loads(content) | {"date_saved": "1980-01-01@00:00:00"}
                content = json.dumps(metadata, sort_keys=True).encode()
            elif name == "config.json":
                # Where in memory Keras found an object that layers share, their dtype policy.
                content = re.sub(rb', "shared_object_id": \d+', b"", content)
            undated.writestr(zipfile.ZipInfo(name, _EPOCH), content)


def load_network(path: Path) -> keras.Model:
    """Reads a network that `save_network` wrote. Nothing in the file is run as code.

    Raises:
        RoadshiftError: If the file is missing, damaged, or not written by roadshift.
    """
    path = Path(path)
    if not path.is_file():
        raise RoadshiftError(f"{path}: there is no such file: train the network first")
    try:
        # Keras itself passes over the checksums, and loads the weights that are left of the file.
        with zipfile.ZipFile(path) as file:
            if damaged := file.testzip():
                raise zipfile.BadZipFile(f"{damaged} is damaged")
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras, h5py, json and zipfile raise their own
        reason = (str(error) or type(error).__name__).strip().splitlines()[0]
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
