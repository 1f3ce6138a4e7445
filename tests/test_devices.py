import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from roadshift.devices import Devices, gathered, open_devices, replicas, summed
from roadshift.errors import RoadshiftError


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def test_one_device_is_used_as_without_any_of_this():
    with open_devices() as devices:
        assert devices.strategy is tf.distribute.get_strategy()
        assert (devices.count, devices.here, devices.first) == (1, range(1), True)
        assert str(devices) == "1 device (CPU) of one machine"
        batch = tf.constant([1, 2]), tf.constant([3])
        assert devices.batch_of(lambda: batch) is batch
    value = tf.constant([1.0, 2.0])
    assert replicas() == 1
    assert summed(value) is value
    assert gathered(value) is value


def test_an_error_passes_through_where_there_is_one_machine():
    with pytest.raises(RoadshiftError, match=r"^damaged$"), open_devices():
        raise RoadshiftError("damaged")


def test_one_device_leaves_the_seeds_of_random_layers_as_they_are():
    import keras

    layer = keras.layers.Dropout(0.5, seed=7)
    network = keras.Sequential([keras.Input((4,)), layer])
    before = [v.numpy().tolist() for v in network.variables]
    Devices(tf.distribute.get_strategy()).spread_seeds(network)
    assert [v.numpy().tolist() for v in network.variables] == before


def test_a_gpu_that_tensorflow_cannot_use_is_one_line(monkeypatch):
    """TensorFlow's error on a GPU that is newer than its kernels; no such GPU is here."""

    def fail(kind):
        raise tf.errors.InternalError(None, None, "PTX version 8.5 does not\nsupport sm_120")

    monkeypatch.setattr(tf.config, "list_logical_devices", fail)
    with pytest.raises(RoadshiftError) as caught, open_devices():
        pass
    message = str(caught.value)
    assert message.startswith("TensorFlow cannot use this machine's GPU (PTX version 8.5 does not ")
    assert message.endswith("or set CUDA_VISIBLE_DEVICES=-1 for the processor")
    assert "\n" not in message


def test_a_tf_config_of_one_machine_opens_no_connection(monkeypatch):
    monkeypatch.setenv(
        "TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}'
    )
    before = signal.getsignal(signal.SIGURG)
    with open_devices() as devices:
        assert devices.machines is None
    assert signal.getsignal(signal.SIGURG) is before


DEAF = """
import ctypes, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # here, so that all threads inherit it
import tensorflow as tf
from roadshift.devices import _of_machines
# A call of C that keeps Python's lock, so that no other thread of Python runs.
tf.distribute.MultiWorkerMirroredStrategy = lambda: ctypes.PyDLL(None).sleep(900)
print("waits", file=sys.stderr, flush=True)
_of_machines(None, None)
"""


def test_a_machine_that_hangs_in_tensorflow_ends_after_the_time_to_wait_whatever_it_is_deaf_to():
    """A container's first process, as in Kubernetes, gets no alarm."""
    done = subprocess.run(
        [sys.executable, "-c", DEAF], cwd=Path(__file__).parents[1], check=False, text=True,
        capture_output=True, timeout=300, env={**os.environ, "ROADSHIFT_WAIT_SECONDS": "2"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith("waits\n")
