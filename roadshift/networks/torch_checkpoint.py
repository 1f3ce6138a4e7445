"""Reads the tensors of a PyTorch checkpoint in the legacy (non-zip) format, without PyTorch.

The file is a sequence of pickles (a magic number, the protocol, facts about the writing system,
the state dict, the list of storage keys), then for each key an int64 element count and the raw
little-endian elements. A tensor in the state dict is a strided view of a storage; many are not
contiguous, so their strides matter.

A pickle can run any code. The unpickler here allows only `OrderedDict`, the function that makes
a view, and the names of the storages.
"""

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from roadshift.errors import RoadshiftError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _View:
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def of(self, data: np.ndarray) -> np.ndarray:
        """Copies the view out of its storage's data.

        `as_strided` does not check bounds; they are checked here, since they come from the file.
        """
        if len(self.size) != len(self.stride) or min((self.offset, *self.size, *self.stride)) < 0:
            raise ValueError(f"a tensor of size {self.size} and stride {self.stride}")
        if 0 in self.size:
            return np.zeros(self.size, data.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        if last >= len(data):
            raise ValueError(
                f"a tensor needs element {last} of a storage with {len(data)} elements"
            )
        strides = tuple(s * data.itemsize for s in self.stride)
        return np.lib.stride_tricks.as_strided(data[self.offset :], self.size, strides).copy()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view_maker()
        if module == "torch" and name in _DTYPES:
            return name
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage, key, _, count, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"persistent id {pid!r}")
        return _Storage(str(key), _DTYPES[storage], int(count))


def _view_maker() -> Callable[..., _View]:
    def make(storage: _Storage, offset: int, size: Any, stride: Any, *_: object) -> _View:
        if not isinstance(storage, _Storage):
            raise pickle.UnpicklingError("a tensor without a storage")
        return _View(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))

    return make


def read_torch_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Reads a state dict.

    Args:
        path: a file that `torch.save(module.state_dict(), ...)` wrote in the legacy format, the
            default before PyTorch 1.6.

    Returns:
        The tensors by name, in the file's order: contiguous arrays of the file's dtypes.

    Raises:
        RoadshiftError: the file is missing, cut short, of another format, or asks for anything
            but tensors.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise RoadshiftError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # a damaged pickle raises nearly any exception
        reason = str(error) or type(error).__name__
        raise RoadshiftError(
            f"{path}: not a whole PyTorch checkpoint in the legacy format ({reason}); "
            "get the file again"
        ) from error


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    magic, protocol, _ = (_Unpickler(file).load() for _ in range(3))
    if (magic, protocol) != (_MAGIC, _PROTOCOL):
        raise ValueError("its first bytes are not those of the format")
    state = _Unpickler(file).load()
    keys = _Unpickler(file).load()
    if not isinstance(state, Mapping):
        raise ValueError("it holds no state dict")
    views = {name: view for name, view in state.items() if isinstance(view, _View)}
    storages = {view.storage.key: view.storage for view in views.values()}
    data = {key: _read_storage(file, storages[key]) for key in keys}
    return {str(name): view.of(data[view.storage.key]) for name, view in views.items()}


def _read_storage(file: BinaryIO, storage: _Storage) -> np.ndarray:
    (count,) = struct.unpack("<q", file.read(8))
    if count != storage.count:
        raise ValueError(f"storage {storage.key} has {count} elements, not {storage.count}")
    raw = file.read(count * storage.dtype.itemsize)
    return np.frombuffer(raw, storage.dtype, count)
