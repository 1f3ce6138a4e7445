"""Writes a shard: a TFRecord file with a part of a split."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Entry(NamedTuple):
    """A sample as it is written.

    Attributes:
        id: id of the sample.
        pixels: int64 (labels,), number of pixels of each class, then of each partial label.
        record: the serialized record.
    """

    id: str
    pixels: np.ndarray
    record: bytes


class Written(NamedTuple):
    """Content of a shard.

    Attributes:
        ids: ids of its samples, in their order.
        pixels: int64 (samples, labels), number of pixels of each class, then of each partial label.
        size: number of bytes of its records.
    """

    ids: tuple[str, ...]
    pixels: np.ndarray
    size: int


def write_shard_file(file: Path, entries: Iterable[Entry]) -> Written:
    """Writes samples, at least one, to a TFRecord file.

    Raises:
        OSError: the file cannot be written.
    """
    ids, pixels, size = [], [], 0
    with _record_writer(file) as sink:
        for entry in entries:
            sink.write(entry.record)
            ids.append(entry.id)
            pixels.append(entry.pixels)
            size += len(entry.record)
    return Written(tuple(ids), np.array(pixels, np.int64), size)


@contextmanager
def _record_writer(file: Path) -> Iterator[tf.io.TFRecordWriter]:
    """Context manager: a TFRecord writer that raises Python's own `OSError` for a full disk."""
    try:
        with tf.io.TFRecordWriter(str(file)) as sink:
            yield sink
    except (tf.errors.ResourceExhaustedError, tf.errors.OutOfRangeError):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file)) from None
