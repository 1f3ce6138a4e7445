"""What a training goes on from after an interruption."""

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
from pydantic_core import to_json
from tqdm import tqdm

from roadshift.checksum import sha256_of
from roadshift.outputs import whole_file
from roadshift.training.history import Epoch, History

# What NumPy, `zipfile` and the decompressor behind them raise at bytes that are not a whole file.
_UNREADABLE = (
    OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip


def fingerprint(params: Mapping[str, Any], data: Iterable[Path]) -> str:
    """A hash of all that decides how a training comes out, but for the first weights.

    Args:
        params: what the training reads of them; values are settings or what JSON can hold.
        data: folders, all of whose files count, under their names.

    Returns:
        A hash of these, of the source of every module of roadshift that is loaded, and of the
        versions of Python, NumPy, Keras and TensorFlow.
    """
    modules = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "roadshift"}
    sources = {name: getattr(module, "__file__", None) for name, module in modules.items()}
    # The stage itself is not of roadshift, and has no name of its own while it runs.
    sources["__main__"] = getattr(sys.modules["__main__"], "__file__", None)
    content = {
        "params": params,
        "data": [
            [f.relative_to(folder).as_posix(), sha256_of(f)]
            for folder in data
            for f in sorted(folder.rglob("*"))
            if f.is_file()
        ],
        "code": [[n, sha256_of(Path(file))] for n, file in sorted(sources.items()) if file],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }
    return hashlib.sha256(to_json(content)).hexdigest()


@dataclass(frozen=True)
class Standing:
    """How far a training has come, beside its variables."""

    history: History
    best_weights: list[np.ndarray]
    """Of the network, as `get_weights` gives them, after the best epoch."""


class Checkpoint:
    """The state of a training after its last finished epoch, in a folder.

    `state.npz` holds the variables and the history; `best-<epoch>.npz` the weights of the best
    epoch, written when there is a new one. Each is put in place whole, the weights first: at any
    moment a state lies there with all that belongs to it, or none.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Opens the folder, which need not exist.

        Args:
            folder: of this training alone.
            fingerprint: as of the function of this name.
        """
        self._folder, self._fingerprint = folder, fingerprint

    def load(self, variables: Sequence[tf.Variable], what: str) -> Standing | None:
        """Sets a training's variables to those that were saved, and says so in a line.

        What is damaged, or of a training with another fingerprint or other first values, is
        removed, and nothing is changed.

        Args:
            variables: as they are before the first step.
            what: a name for the training.

        Returns:
            How far it has come; None where it begins.
        """
        # So that the weights which a training begins with count by their values, whatever file
        # they come from.
        first = hashlib.sha256(self._fingerprint.encode())
        for variable in variables:
            first.update(np.ascontiguousarray(variable.numpy()).data)
        self._fingerprint = first.hexdigest()
        state = self._folder / "state.npz"
        if not state.exists():
            self.discard()
            return None
        try:
            account, values = _read(state)
            if account["fingerprint"] != self._fingerprint:
                tqdm.write(
                    f"{what}: what an interrupted training left is of other parameters, data, code "
                    "or libraries, and is thrown away"
                )
                self.discard()
                return None
            history = History([Epoch(**epoch) for epoch in account["epochs"]])
            _, best_weights = _read(self._best(history))
            for variable, value in zip(variables, values, strict=True):
                if value.shape != tuple(variable.shape):
                    raise ValueError(f"{value.shape} is not {variable.shape}")
        except _UNREADABLE:
            tqdm.write(f"{what}: what an interrupted training left is damaged, and is thrown away")
            self.discard()
            return None
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        tqdm.write(f"{what}: going on from epoch {len(history.epochs)}, the last that was finished")
        return Standing(history, best_weights)

    def save(self, variables: Sequence[tf.Variable], reached: Standing) -> None:
        """Writes where the training stands after an epoch, in place of what was saved before."""
        best = self._best(reached.history)
        if not best.exists():
            _write(best, {}, reached.best_weights)
        account = {
            "fingerprint": self._fingerprint,
            "epochs": reached.history.as_json()["epochs"],
        }
        _write(self._folder / "state.npz", account, [v.numpy() for v in variables])
        for file in set(self._folder.glob("best-*.npz")) - {best}:
            file.unlink()

    def discard(self) -> None:
        """Removes what was saved, if anything was."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _best(self, history: History) -> Path:
        return self._folder / f"best-{history.best.number}.npz"


def _write(file: Path, account: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> None:
    named = {f"{place:05}": array for place, array in enumerate(arrays)}
    with whole_file(file) as partial, partial.open("wb") as sink:
        np.savez(sink, allow_pickle=False, account=np.array(json.dumps(account)), **named)


def _read(file: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    # Every array is checked by its CRC as it is read.
    with file.open("rb") as source, np.load(source, allow_pickle=False) as content:
        account = json.loads(str(content["account"]))
        return account, [content[name] for name in sorted(content) if name != "account"]
