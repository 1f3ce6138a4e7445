"""Apache Beam's part that needs no Beam; `make beam` runs the rest in Beam's own environment."""

import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.records import on_beam
from roadshift.records.on_beam import beam_options, over_shards_on_beam
from roadshift.records.shard_file import Written
from roadshift.records.writer import Shard

WRITTEN = Written(("a",), np.ones((1, 3), np.int64), 4)


@pytest.fixture
def shard(tmp_path):
    (tmp_path / ".beam").mkdir()
    return Shard(tmp_path / "s.tfrecord", "train", ())


def write(shard):
    shard.file.write_bytes(b"whole")
    return WRITTEN


def test_without_beam_the_error_says_where_it_is_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    shards = [Shard(tmp_path / "s.tfrecord", "train", ())]
    with (
        pytest.raises(RoadshiftError, match=r"ROADSHIFT_BEAM is set, but .* `make beam`"),
        over_shards_on_beam(write, shards, options=["--runner=DirectRunner"]),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_options_that_no_shell_would_take_are_one_line(monkeypatch):
    monkeypatch.setenv("ROADSHIFT_BEAM", "--runner='DirectRunner")
    with pytest.raises(RoadshiftError) as caught:
        beam_options()
    assert str(caught.value) == (
        'ROADSHIFT_BEAM: "--runner=\'DirectRunner" are no options (No closing quotation); correct '
        "the environment variable, or unset it"
    )
    monkeypatch.setenv("ROADSHIFT_BEAM", "--runner=DirectRunner --name='a b'")
    assert beam_options() == ["--runner=DirectRunner", "--name=a b"]
    monkeypatch.delenv("ROADSHIFT_BEAM")
    assert beam_options() == []


class RefusedError(Exception):
    """As those of gRPC, which Beam lets through."""


@pytest.mark.parametrize(
    "error",
    [
        ImportError("runner not available,\nplease install apache_beam[gcp]"),
        RefusedError(),
    ],
)
def test_what_a_runner_says_is_one_line(tmp_path, monkeypatch, error):
    beam = mock.MagicMock()
    beam.Pipeline.side_effect = error
    options = "apache_beam.options"
    for name in ("apache_beam", options, f"{options}.pipeline_options"):
        monkeypatch.setitem(sys.modules, name, beam)
    shards = [Shard(tmp_path / "s.tfrecord", "train", ())]
    with (
        pytest.raises(RoadshiftError) as caught,
        over_shards_on_beam(write, shards, options=["--runner=DataflowRunner"]),
    ):
        pass
    reason = "runner not available, please install apache_beam[gcp]"
    assert str(caught.value) == (
        "Apache Beam failed with ROADSHIFT_BEAM=--runner=DataflowRunner: "
        + (reason if str(error) else "RefusedError")
    )
    assert list(tmp_path.iterdir()) == []


def test_no_shards_need_no_beam(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with over_shards_on_beam(write, [], options=["--runner=DirectRunner"]) as results:
        assert list(results) == []


def test_a_shard_that_is_tried_twice_is_put_in_place_whole(shard):
    scratch = shard.file.parent / ".beam"
    for _ in range(2):
        assert on_beam._write((7, shard), write, scratch) == 7
    assert shard.file.read_bytes() == b"whole"
    assert [file.name for file in scratch.iterdir()] == ["7"]
    result = on_beam._result(scratch, 7)
    assert (result.ids, result.pixels.tolist(), result.size) == (("a",), [[1, 1, 1]], 4)


@pytest.mark.parametrize("error", [RoadshiftError("i.png: damaged"), OSError(28, "full", "f")])
def test_an_error_of_a_worker_is_raised_as_it_was(shard, error):
    scratch = shard.file.parent / ".beam"

    def fail(moved):
        Path(moved.file).write_bytes(b"ha")
        raise error

    on_beam._write((0, shard), fail, scratch)
    assert not shard.file.exists()
    with pytest.raises(type(error)) as caught:
        on_beam._result(scratch, 0)
    assert str(caught.value) == str(error)
