"""The state that an interrupted training resumes from."""

import hashlib
import json
import platform
import shutil
import sys
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from pydantic_core import from_json, to_json
from tqdm import tqdm

from roadshift.atomic import atomic_file
from roadshift.checksum import folder_digest
from roadshift.environment import arithmetic_settings
from roadshift.source_code import code_digest
from roadshift.training.history import Epoch, History

# Exceptions of NumPy, `zipfile` and its decompressor for a damaged file.
_UNREADABLE = (
    OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip

SHOWN = 40
"""Length of the longest value that a message shows itself."""


def fingerprint(params: Mapping[str, Any], data: Iterable[Path]) -> str:
    """Hashes everything that decides the result of a training, except its first weights.

    Args:
        params: the parameters that the training reads; values are settings or JSON.
        data: folders; the path and content of every file in them count.

    Returns:
        SHA-256, hexadecimal, of these; of the running program and every loaded module of roadshift,
        by `code_digest`; of the versions of Python, NumPy, Keras and TensorFlow; and of
        `arithmetic_settings`.
    """
    return hashlib.sha256(to_json(_made_from(params, data))).hexdigest()


def facts(params: Mapping[str, Any], data: Iterable[Path]) -> dict[str, str]:
    """Lists what `fingerprint` hashes, for machines that must have the same.

    Returns:
        Value by name: a parameter's, and of what is long the beginning of a hash.
    """
    found: dict[str, str] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                add(f"{name}.{key}" if name else key, part)
            return
        text = value if isinstance(value, str) else json.dumps(value)
        short = len(text) <= SHOWN
        found[name] = text if short else hashlib.sha256(text.encode()).hexdigest()[:12]

    content = from_json(to_json(_made_from(params, data)))
    add("", content.pop("params"))
    for kind, of in (("data", content.pop("data")), ("code", content.pop("code"))):
        for name, digest in of:
            add(f"{kind} {name}", digest)
    add("", content)
    return found


def _made_from(params: Mapping[str, Any], data: Iterable[Path]) -> dict[str, Any]:
    modules = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "roadshift"}
    sources = {name: getattr(module, "__file__", None) for name, module in modules.items()}
    # The running stage is not part of roadshift; its module is `__main__`.
    sources["__main__"] = getattr(sys.modules["__main__"], "__file__", None)
    return {
        "params": params,
        "data": [[folder.name, folder_digest(folder)] for folder in data],
        "code": [
            [name, code_digest(Path(file).read_text("utf-8"))]
            for name, file in sorted(sources.items())
            if file
        ],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        **arithmetic_settings(),
    }


@dataclass(frozen=True)
class TrainingState:
    """The state of a training other than its variables.

    Attributes:
        history: the finished epochs.
        selected_weights: the network's weights after the selected epoch, in the order of
            `get_weights`.
    """

    history: History
    selected_weights: list[np.ndarray]


class Checkpoint:
    """The state of a training after its last finished epoch, in a folder.

    `state.npz` holds the variables and the history, `selected-<epoch>.npz` the weights of the
    selected epoch, written when there is a new one. Both are written atomically, the weights first:
    at any moment the folder holds a complete state, or none.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Opens a checkpoint.

        Args:
            folder: folder of this training alone; it need not exist.
            fingerprint: result of the function of this name.
        """
        self._folder, self._fingerprint = folder, fingerprint

    def load(self, variables: Sequence[tf.Variable], name: str) -> TrainingState | None:
        """Sets a training's variables to the saved ones, and prints a line about it.

        A checkpoint that is damaged, or from a training with another fingerprint or other first
        values, is removed, and no variable changes.

        Args:
            variables: the training's variables, as they are before its first step.
            name: name of the training, for the line.

        Returns:
            The rest of the state; None if there is none to resume from.
        """
        # The first weights count by their values, whatever file they come from.
        first = hashlib.sha256(self._fingerprint.encode())
        for variable in variables:
            first.update(np.ascontiguousarray(variable.numpy()).data)
        self._fingerprint = first.hexdigest()
        state = self._folder / "state.npz"
        if not state.exists():
            self.discard()
            return None
        try:
            metadata, values = _read(state)
            if metadata["fingerprint"] != self._fingerprint:
                tqdm.write(
                    f"{name}: the checkpoint is from other parameters, data, code, libraries, "
                    "threads or environment variables; starting again"
                )
                self.discard()
                return None
            epochs = [Epoch(**epoch) for epoch in metadata["epochs"]]
            history = History(metadata["rule"], epochs)
            _, selected_weights = _read(self._selected(history))
            for variable, value in zip(variables, values, strict=True):
                if value.shape != tuple(variable.shape):
                    raise ValueError(f"{value.shape} is not {variable.shape}")
        except _UNREADABLE:
            tqdm.write(f"{name}: the checkpoint is damaged; starting again")
            self.discard()
            return None
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        tqdm.write(f"{name}: resuming from epoch {len(history.epochs)}, the last that finished")
        return TrainingState(history, selected_weights)

    def save(self, variables: Sequence[tf.Variable], reached: TrainingState) -> None:
        """Saves the state after an epoch, in place of the previous one.

        Args:
            variables: the training's variables.
            reached: the rest of the state.
        """
        selected = self._selected(reached.history)
        if not selected.exists():
            _write(selected, {}, reached.selected_weights)
        content = reached.history.as_json()
        metadata = {
            "fingerprint": self._fingerprint,
            "rule": content["rule"],
            "epochs": content["epochs"],
        }
        _write(self._folder / "state.npz", metadata, [v.numpy() for v in variables])
        for file in set(self._folder.glob("selected-*.npz")) - {selected}:
            file.unlink()

    def discard(self) -> None:
        """Removes the checkpoint, if there is one."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _selected(self, history: History) -> Path:
        return self._folder / f"selected-{history.selected.number}.npz"


def _write(file: Path, metadata: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> None:
    named = {f"{index:05}": array for index, array in enumerate(arrays)}
    with atomic_file(file) as partial, partial.open("wb") as sink:
        np.savez(sink, allow_pickle=False, metadata=np.array(json.dumps(metadata)), **named)


def _read(file: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    # Reading an array checks its CRC.
    with file.open("rb") as source, np.load(source, allow_pickle=False) as content:
        metadata = json.loads(str(content["metadata"]))
        return metadata, [content[name] for name in sorted(content) if name != "metadata"]
