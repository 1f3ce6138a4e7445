"""The devices that a training is spread over: one, several of a machine, those of several machines.

Every device holds the whole network and takes its share of each batch. What depends on the whole
batch is added up over the devices, so that their number changes a training by rounding alone. The
same number of devices of one kind gives the same bytes, on however many machines they are.
"""

import faulthandler
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.interruption import end_at_once, raise_on_signals
from roadshift.machines import (
    AGAIN,
    Cluster,
    MachineLostError,
    Machines,
    read_cluster,
    wait_seconds,
)

SUM = tf.distribute.ReduceOp.SUM
SEED_STEP = 1_000_003
"""Distance between the seeds of a layer's random numbers on one device and on the next."""


@dataclass(frozen=True)
class Devices:
    """The devices of a training, as one of its machines sees them.

    Attributes:
        strategy: the strategy of `tf.distribute` that spreads a step over them.
        machines: the other machines; None without any.
        kind: what all devices are, 'CPU' or a GPU's name.
    """

    strategy: tf.distribute.Strategy
    machines: Machines | None = None
    kind: str = "CPU"

    @property
    def count(self) -> int:
        """Number of devices, of all machines together."""
        return self.strategy.num_replicas_in_sync

    @property
    def here(self) -> range:
        """The devices of this machine, by their place among all."""
        number = len(self.strategy.extended.worker_devices) if self.count > 1 else 1
        first = self.machines.index * number if self.machines else 0
        return range(first, first + number)

    @property
    def first(self) -> bool:
        """Whether this machine validates, selects and writes; one of several does."""
        return self.machines is None or self.machines.first

    def __str__(self) -> str:
        """Says on what a training runs."""
        machines = self.machines.count if self.machines else 1
        of = f"{machines} machines" if machines > 1 else "one machine"
        some = f"{self.count} device{'s' if self.count > 1 else ''}"
        return f"{some} ({self.kind}) of {of}"

    def run(self, function: Callable[..., tf.Tensor], batch: Sequence[Any]) -> tf.Tensor:
        """Runs a function that has the same result on each device; inside a `tf.function`."""
        results = self.strategy.run(function, batch)
        return self.strategy.experimental_local_results(results)[0]

    def batch_of(self, next_batch: Callable[[], tuple[tf.Tensor, ...]]) -> tuple[Any, ...]:
        """Returns a step's batch: the next one of each device of this machine, in their order."""
        if self.count == 1:
            return next_batch()
        return self.strategy.experimental_distribute_values_from_function(lambda _: next_batch())

    def agree(self, facts: Mapping[str, object]) -> None:
        """Checks that facts are the same on all machines (see `Machines.agree`)."""
        if self.machines:
            self.machines.agree(facts)

    def share_state(self, done: int, variables: Sequence[tf.Variable]) -> int:
        """Gives all machines the state of the first, which alone has read a checkpoint.

        Args:
            done: number of finished epochs; that of the first machine counts.
            variables: all variables of the training, which get the first machine's values.

        Returns:
            The number of finished epochs.
        """
        if self.machines is None:
            return done
        content = io.BytesIO()
        if self.first:
            values = {f"{k:05}": variable.numpy() for k, variable in enumerate(variables)}
            np.savez(content, allow_pickle=False, done=np.array(done), **values)
        sent = self.machines.share(content.getvalue() if self.first else None)
        if self.first:
            return done
        with np.load(io.BytesIO(sent), allow_pickle=False) as state:
            for k, variable in enumerate(variables):
                variable.assign(state[f"{k:05}"])
            return int(state["done"])

    def spread_seeds(self, network: keras.Model) -> None:
        """Gives a network's random layers other random numbers on each device.

        Call it once in a process, after the variables have their values: device 0 keeps its own.
        """
        states = [v for v in network.variables if v.path.endswith("seed_generator_state")]
        if self.count == 1 or not states:
            return

        @tf.function
        def spread() -> None:
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            for state in states:
                offset = tf.cast(tf.stack([SEED_STEP * number, 0]), state.dtype)
                state.assign(state + offset)

        self.strategy.run(spread)


@contextmanager
def open_devices() -> Iterator[Devices]:
    """Context manager: the GPUs of this machine, and of the others that `TF_CONFIG` names.

    Several logical CPUs are used as several GPUs would be, if there is no GPU. No TensorFlow
    operation may have run before. The context ends when all machines have come to its end.

    Raises:
        RoadshiftError: TF_CONFIG is wrong, a machine did not come or has ended, or TensorFlow
            cannot use a GPU.
    """
    cluster = read_cluster()
    if cluster is None:
        yield _of_this_machine()
        return
    machines = Machines(cluster)
    message = ""
    try:
        try:
            yield _of_machines(cluster, machines)
            machines.end()
            return
        except RoadshiftError as error:
            # All machines may have it at once.
            message = str(error)
            machines.stop_watching()
        except Exception as error:
            # An exception in the midst of TensorFlow's own may come out as any other.
            message = machines.lost()
            if not message and not isinstance(error, _LOST):
                raise
            reason = " ".join(str(error).split())[-200:]
            message = message or f"another machine cannot be reached ({reason}); {AGAIN}"
    except MachineLostError as lost:
        message = message or str(lost)
    print(f"error: {message}", file=sys.stderr)
    # TensorFlow would wait for the other machines when its objects are freed.
    end_at_once(1)


_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
"""Exceptions that TensorFlow raises where another machine cannot be reached."""


def _of_this_machine() -> Devices:
    gpus = _usable_gpus()
    cpus = tf.config.list_logical_devices("CPU")
    devices = gpus or cpus
    strategy = tf.distribute.get_strategy()
    if len(devices) > 1:
        strategy = tf.distribute.MirroredStrategy(devices)
    return Devices(strategy, kind=_kind(gpus))


def _of_machines(cluster: Cluster, machines: Machines) -> Devices:
    # TensorFlow takes SIGTERM for itself: what comes meanwhile waits for our own handler. If a
    # machine ends in this moment, TensorFlow waits for it without a limit, and keeps Python's lock:
    # no thread of Python could end this process. `faulthandler` has one that can; an alarm would
    # not reach a container's first process.
    deferred = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, deferred)
    try:
        with open(os.devnull, "w") as nowhere:
            faulthandler.dump_traceback_later(wait_seconds(), exit=True, file=nowhere)
            try:
                strategy = tf.distribute.MultiWorkerMirroredStrategy()
            finally:
                faulthandler.cancel_dump_traceback_later()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RoadshiftError(
            f"TF_CONFIG: TensorFlow cannot use this machine's port or GPU ({reason}); end the "
            "process that has it, or choose another"
        ) from None
    finally:
        raise_on_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, deferred)
    devices = Devices(strategy, machines, _kind(tf.config.list_logical_devices("GPU")))
    machines.agree({"devices": f"{len(devices.here)} {devices.kind}"})
    return devices


def _usable_gpus() -> Sequence[tf.config.LogicalDevice]:
    try:
        gpus = tf.config.list_logical_devices("GPU")
        for gpu in gpus:
            with tf.device(gpu.name):
                tf.reduce_sum(tf.ones([2, 2])).numpy()
    except (RuntimeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RoadshiftError(
            f"TensorFlow cannot use this machine's GPU ({reason}); see "
            "https://www.tensorflow.org/install/pip, or set CUDA_VISIBLE_DEVICES=-1 for the "
            "processor"
        ) from None
    return gpus


def _kind(gpus: Sequence[tf.config.LogicalDevice]) -> str:
    if not gpus:
        return "CPU"
    physical = tf.config.list_physical_devices("GPU")
    names = [
        tf.config.experimental.get_device_details(each).get("device_name") for each in physical
    ]
    return " and ".join(sorted({name or "GPU" for name in names}))


def replicas() -> int:
    """Returns the number of devices that a step is spread over; 1 outside a step."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def summed(values: Any) -> Any:
    """Returns the sum over all devices of what each has; inside a step alone.

    Args:
        values: a tensor, or a list of tensors.
    """
    if replicas() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(SUM, values)


def gathered(value: tf.Tensor) -> tf.Tensor:
    """Returns what all devices have, one after the other along the first axis; inside a step alone.

    Args:
        value: a tensor with the same shape on all devices.

    Returns:
        The tensor; from several devices int32 in place of uint8.
    """
    if replicas() == 1:
        return value
    if value.dtype == tf.uint8:  # which TensorFlow does not gather
        value = tf.cast(value, tf.int32)
    together = tf.distribute.get_replica_context().all_gather(value, 0)
    # The static shape is lost.
    return tf.ensure_shape(together, [replicas() * value.shape[0], *value.shape[1:]])
