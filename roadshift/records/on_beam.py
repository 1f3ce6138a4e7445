"""Writes shards on Apache Beam, by any of its runners: one element a shard.

Apache Beam wants other versions of some packages, so it has an environment of its own
(`requirements-beam.lock`). All workers must see the folder of the shards under the same path.
"""

import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from roadshift.errors import RoadshiftError
from roadshift.records.shard_file import Written
from roadshift.records.writer import Shard

OPTIONS_VARIABLE = "ROADSHIFT_BEAM"
"""Names Beam's options, such as '--runner=FlinkRunner'; where it is set, Beam writes the shards."""
SCRATCH = ".beam"


def beam_options() -> list[str]:
    """Returns Beam's options; none where Beam is not to write the shards.

    Raises:
        RoadshiftError: the environment variable cannot be divided into options.
    """
    given = os.environ.get(OPTIONS_VARIABLE, "")
    try:
        return shlex.split(given)
    except ValueError as error:
        raise RoadshiftError(
            f"{OPTIONS_VARIABLE}: {given!r} are no options ({error}); correct the environment "
            "variable, or unset it"
        ) from None


@contextmanager
def over_shards_on_beam(
    function: Callable[[Shard], Written], shards: Sequence[Shard], *, options: Sequence[str]
) -> Iterator[Iterator[Written]]:
    """Context manager: yields the results of a function that writes shards, from Beam's workers.

    A shard that Beam tries twice, as it may, is written twice, and put in place whole.

    Args:
        function: function that writes one shard; it can be pickled.
        shards: the shards, in one folder, which all workers see.
        options: Beam's options, such as '--runner=FlinkRunner'.

    Raises:
        RoadshiftError: Beam is not installed, refuses the options or fails; or the error of the
            first shard that could not be written.
    """
    if not shards:
        yield iter(())
        return
    scratch = shards[0].file.parent / SCRATCH
    scratch.mkdir()
    try:
        _run(function, shards, scratch=scratch, options=options)
        yield (_result(scratch, number) for number in range(len(shards)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(
    function: Callable[[Shard], Written],
    shards: Sequence[Shard],
    *,
    scratch: Path,
    options: Sequence[str],
) -> None:
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError:
        raise RoadshiftError(
            f"{OPTIONS_VARIABLE} is set, but this environment has no apache-beam; run it in the "
            "environment that `make beam` creates, or unset the variable"
        ) from None
    try:
        with beam.Pipeline(options=PipelineOptions(list(options))) as pipeline:
            (
                pipeline
                | "Shards" >> beam.Create(list(enumerate(shards)))
                # Else a runner may fuse creating and writing, and one worker would write them all.
                | "Reshuffle" >> beam.Reshuffle()
                | "Write" >> beam.Map(_write, function, scratch)
            )
    except SystemExit:
        raise RoadshiftError(
            f"{OPTIONS_VARIABLE}={' '.join(options)}: Apache Beam refuses an option and says above "
            "which; correct the variable"
        ) from None
    except Exception as error:  # each runner raises errors of its own library
        text = " ".join(str(error).split()) or type(error).__name__
        reason = text if len(text) < 300 else f"{text[:150]} … {text[-150:]}"
        raise RoadshiftError(
            f"Apache Beam failed with {OPTIONS_VARIABLE}={' '.join(options)}: {reason}"
        ) from None


def _write(numbered: tuple[int, Shard], function: Callable[[Shard], Written], scratch: Path) -> int:
    """Writes a shard beside its place, puts it there, and leaves its result in a file."""
    number, shard = numbered
    beside = scratch / f"{uuid4().hex}.tfrecord"
    outcome: dict[str, Any]
    try:
        written = function(replace(shard, file=beside))
        os.replace(beside, shard.file)
        outcome = {**written._asdict(), "pixels": written.pixels.tolist()}
    # Beam would add pages of its own to an error.
    except RoadshiftError as error:
        outcome = {"error": [str(error)]}
    except OSError as error:
        outcome = {"error": [error.errno, error.strerror, error.filename]}
    partial = beside.with_suffix(".result")
    partial.write_text(json.dumps(outcome), "utf-8")
    os.replace(partial, scratch / str(number))
    return number


def _result(scratch: Path, number: int) -> Written:
    outcome = json.loads((scratch / str(number)).read_text("utf-8"))
    if error := outcome.get("error"):
        raise RoadshiftError(*error) if len(error) == 1 else OSError(*error)
    return Written(tuple(outcome["ids"]), np.array(outcome["pixels"], np.int64), outcome["size"])
