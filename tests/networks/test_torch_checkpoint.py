import io
import os
import pickle
import struct
from collections import OrderedDict
from typing import Any, ClassVar

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.networks.torch_checkpoint import read_torch_checkpoint

# The C pickler imports the globals that it writes.
PurePickler: Any = pickle._Pickler


class Global:
    """Pickled as a reference to a name of a module that need not exist."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Storage:
    def __init__(self, kind, key, values):
        self.kind, self.key, self.values = kind, key, values


class Tensor:
    def __init__(self, storage, offset, size, stride):
        self.arguments: tuple = (storage, offset, size, stride, False, OrderedDict())


class Pickler(PurePickler):
    dispatch: ClassVar[dict] = dict(PurePickler.dispatch)

    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            kind = Global("torch", obj.kind)
            return ("storage", kind, obj.key, "cpu", len(obj.values), None)
        return None

    def save_marker(self, obj):
        self.write(f"c{obj.module}\n{obj.name}\n".encode())

    def save_tensor(self, obj):
        self.save_marker(Global("torch._utils", "_rebuild_tensor_v2"))
        self.save(obj.arguments)
        self.write(pickle.REDUCE)

    dispatch[Global] = save_marker
    dispatch[Tensor] = save_tensor


def checkpoint(state, *storages):
    file = io.BytesIO()
    pickle.dump(0x1950A86A20F9469CFC6C, file, 2)
    pickle.dump(1001, file, 2)
    pickle.dump({"little_endian": True}, file, 2)
    Pickler(file, 2).dump(state)
    pickle.dump([storage.key for storage in storages], file, 2)
    for storage in storages:
        file.write(struct.pack("<q", len(storage.values)) + storage.values.tobytes())
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pth"


def test_strides_and_offsets_are_honoured(path):
    storage = Storage("FloatStorage", "7", np.arange(8, dtype="<f4"))
    state = OrderedDict(
        rows=Tensor(storage, 0, (2, 3), (3, 1)),
        columns=Tensor(storage, 1, (3, 2), (1, 3)),
        scalar=Tensor(storage, 5, (), ()),
        repeated=Tensor(storage, 2, (2, 2), (0, 1)),
    )
    path.write_bytes(checkpoint(state, storage))
    tensors = read_torch_checkpoint(path)
    assert list(tensors) == ["rows", "columns", "scalar", "repeated"]
    assert tensors["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["columns"].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert tensors["columns"].flags["C_CONTIGUOUS"]
    assert tensors["scalar"] == 5
    assert tensors["repeated"].tolist() == [[2, 3], [2, 3]]


def test_storages_keep_their_types_and_their_order(path):
    counts = Storage("LongStorage", "a", np.array([2**40], "<i8"))
    weights = Storage("DoubleStorage", "b", np.array([0.5, 0.25], "<f8"))
    state = OrderedDict(w=Tensor(weights, 0, (2,), (1,)), n=Tensor(counts, 0, (), ()))
    path.write_bytes(checkpoint(state, counts, weights))
    tensors = read_torch_checkpoint(path)
    assert tensors["n"] == 2**40
    assert tensors["w"].dtype == np.float64
    assert tensors["w"].tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (3, 3), (3, 1)), (6, (1, 3), (3, 1)), (-1, (2,), (1,)), (3, (2,), (-1,))],
)
def test_a_view_out_of_its_storage_is_refused(path, offset, size, stride):
    storage = Storage("FloatStorage", "0", np.arange(8, dtype="<f4"))
    path.write_bytes(checkpoint({"w": Tensor(storage, offset, size, stride)}, storage))
    with pytest.raises(RoadshiftError, match=r"checkpoint\.pth"):
        read_torch_checkpoint(path)


class Hostile:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        function, *arguments = self.call
        return function, tuple(arguments)


@pytest.mark.parametrize("place", ["first pickle", "state dict"])
def test_code_is_refused_and_not_run(path, tmp_path, place):
    victim = tmp_path / "victim"
    attack = Hostile(os.system, f"touch {victim}")
    data = pickle.dumps(attack, 2) if place == "first pickle" else checkpoint({"w": attack})
    path.write_bytes(data)
    with pytest.raises(RoadshiftError, match=r"asks for .*\.system, which is not allowed"):
        read_torch_checkpoint(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [("builtins", "eval"), ("torch", "load"), ("torch._utils", "_rebuild_qtensor")],
)
def test_other_names_are_refused(path, module, name):
    path.write_bytes(checkpoint({"w": Global(module, name)}))
    with pytest.raises(RoadshiftError, match=rf"{module}\.{name}"):
        read_torch_checkpoint(path)


def test_a_file_cut_short_anywhere_is_refused(path):
    storage = Storage("FloatStorage", "0", np.arange(4, dtype="<f4"))
    whole = checkpoint({"w": Tensor(storage, 0, (4,), (1,))}, storage)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(RoadshiftError, match="get the file again"):
            read_torch_checkpoint(path)


def test_another_format_is_refused(path):
    path.write_bytes(pickle.dumps(1) * 3)
    with pytest.raises(RoadshiftError, match="first bytes"):
        read_torch_checkpoint(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(RoadshiftError, match=r"checkpoint\.pth: cannot be read"):
        read_torch_checkpoint(path)
