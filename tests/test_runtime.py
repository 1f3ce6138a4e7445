"""What a user's environment does to results and to what is printed; each case is a process."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roadshift import runtime
from roadshift.errors import RoadshiftError

PROJECT = Path(__file__).parents[1]
OWN = ("KERAS_", "TF_", "CUDA_", "ROADSHIFT_", "PYTHONIOENCODING")
STAGE = ("-m", "stages.train", "nothing")
STAGE_SAYS = "error: 'nothing' is no key of mixes in params.yaml"
COMMAND = ("-m", "roadshift", "evaluate", "none.keras", ".", "--card", "camvid")
COMMAND_SAYS = "Error: none.keras: there is no such file"


def run(*arguments, cwd=PROJECT, **variables):
    """A run of this Python as a user would have it, without the settings of these tests."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(OWN)}
    path = os.pathsep.join([*variables.pop("path", ()), str(PROJECT)])
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, check=False, capture_output=True, text=True,
        env={**environment, "PYTHONPATH": path, **variables},
    )  # fmt: skip


@pytest.fixture(
    params=[
        {"floatx": "float16", "image_data_format": "channels_first", "backend": "jax",
         "epsilon": 0.5, "nnx_enabled": True},
        {"floatx": "bfloat16", "epsilon": 1},
    ]
)  # fmt: skip
def hostile(request, tmp_path):
    """Variables of a user who has configured Keras for another purpose, or wrongly."""
    (tmp_path / "keras.json").write_text(json.dumps(request.param))
    return {
        "KERAS_HOME": str(tmp_path),
        "KERAS_BACKEND": "torch",
        "KERAS_MAX_EPOCHS": "many",
        "KERAS_NNX_ENABLED": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
    }


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "says"), [(STAGE, STAGE_SAYS), (COMMAND, COMMAND_SAYS)])
def test_the_user_s_keras_configuration_breaks_no_stage_and_no_command(hostile, arguments, says):
    done = run(*arguments, **hostile)
    assert done.returncode == 1
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1


START = """
import gc, sys
import stages.train
assert "sklearn" not in sys.modules and "matplotlib" not in sys.modules
assert gc.isenabled() and gc.get_freeze_count() > 100_000
import matplotlib.pyplot, sklearn.base
"""


@pytest.mark.slow
def test_a_stage_starts_without_what_keras_alone_would_import():
    done = run("-c", START)
    assert done.returncode == 0, done.stderr


KERAS = """
import json, keras, tensorflow, os
from pathlib import Path
print(json.dumps([
    keras.config.backend(), keras.config.floatx(), keras.config.image_data_format(),
    keras.config.epsilon(), keras.config.max_epochs(), keras.layers.Dense(1).dtype,
    keras.layers.Conv2D(1, 1)(tensorflow.zeros((1, 5, 7, 3))).shape.as_list(),
    str(Path(keras.utils.get_file(origin=Path("params.yaml").absolute().as_uri())).parents[1]),
]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "first", ["import stages", "import roadshift.determinism", "import stages, tensorflow"]
)
def test_keras_computes_the_same_whatever_the_user_has_configured(hostile, first):
    done = run("-c", first + KERAS, **hostile)
    assert done.returncode == 0, done.stderr
    expected = ["tensorflow", "float32", "channels_last", 1e-7, None, "float32", [1, 5, 7, 1]]
    # Downloaded weights stay where the user has them.
    assert json.loads(done.stdout.splitlines()[-1]) == [*expected, hostile["KERAS_HOME"]]


TRAIN = """
import stages
from roadshift.determinism import enable_determinism
enable_determinism(0)
import hashlib, keras, tensorflow as tf
network = keras.Sequential([
    keras.layers.Conv2D(24, 3, strides=2, activation="relu"), keras.layers.Conv2D(40, 3),
    keras.layers.DepthwiseConv2D(3), keras.layers.Dense(11),
])
images = tf.random.stateless_uniform((3, 67, 93, 3), (1, 2))
optimizer = keras.optimizers.Adam(0.01)
for _ in range(3):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(images) ** 2)
    weights = network.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
print(hashlib.sha256(b"".join(w.numpy().tobytes() for w in weights)).hexdigest())
"""
ONE_CORE = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])"


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores",
)
def test_fewer_cores_train_the_same_weights():
    all_cores, one_core, one_thread = (
        run("-c", TRAIN), run("-c", ONE_CORE + TRAIN), run("-c", TRAIN, ROADSHIFT_THREADS="1")
    )  # fmt: skip
    assert len(all_cores.stdout) == 65, all_cores.stderr
    assert one_core.stdout == all_cores.stdout
    assert one_thread.stdout != all_cores.stdout  # or this test would hold whatever is pinned


def test_the_number_of_threads_is_the_user_s_if_he_says_so(monkeypatch):
    monkeypatch.delenv("ROADSHIFT_THREADS", raising=False)
    assert runtime.threads() == 2
    monkeypatch.setenv("ROADSHIFT_THREADS", "")
    assert runtime.threads() == 2
    monkeypatch.setenv("ROADSHIFT_THREADS", " 12 ")
    assert runtime.threads() == 12


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "257", "²", "1" * 9999])
def test_a_wrong_number_of_threads_is_refused(monkeypatch, given):
    monkeypatch.setenv("ROADSHIFT_THREADS", given)
    with pytest.raises(RoadshiftError, match=r"ROADSHIFT_THREADS: .* from 1 to 256; correct the"):
        runtime.threads()


@pytest.mark.parametrize("arguments", [STAGE, COMMAND, ("-m", "roadshift", "datasets")])
def test_a_wrong_number_of_threads_is_one_line(arguments):
    done = run(*arguments, ROADSHIFT_THREADS="two")
    assert done.returncode == 1
    assert done.stderr.lower().startswith("error: roadshift_threads: 'two' is no whole number")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "says"), [(STAGE, STAGE_SAYS), (COMMAND, COMMAND_SAYS)])
def test_tensorflow_adds_nothing_to_what_a_stage_or_a_command_says(arguments, says):
    done = run(*arguments)
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_tensorflow_is_silent_when_it_computes():
    done = run("-c", "import stages, tensorflow as tf; print(int(tf.reduce_sum(tf.ones(3))))")
    assert (done.stdout, done.stderr) == ("3\n", "")


LINES = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795966110.124322     804 port.cc:153] oneDNN custom operations are on. You may",
    "I0000 00:00:1795966110.124639     804 cudart_stub.cc:31] Could not find cuda drivers on",
    "E0000 00:00:1795966115.582181     804 cuda_platform.cc:52] failed call to cuInit: INTERNAL:",
)
ERRORS = (
    "E0000 00:00:1795966115.582181     804 some.cc:52] something else is wrong",
    "F0000 00:00:1795966115.582181     804 some.cc:53] Check failed: the library is damaged",
    "libsomething.so.1: cannot open shared object file",
)


@pytest.fixture
def fake(tmp_path):
    """(code) -> variables under which TensorFlow prints all of `LINES` and `ERRORS`, and runs code.

    No test can make the real TensorFlow fail in these ways.
    """

    def write(code="", lines=(*LINES, *ERRORS), devices=()):
        printed = "".join(f"{line}\n" for line in lines)
        (tmp_path / "tensorflow.py").write_text(
            "import os, sys\n"
            f"{f'os.write(2, {printed!r}.encode())' if printed else ''}\n"
            f"class config:\n    list_physical_devices = staticmethod(lambda kind: {devices!r})\n"
            f"{code}\n"
        )
        return {"path": [str(tmp_path)]}

    return write


IMPORT = "import stages, tensorflow, sys; sys.stderr.write('after\\n')"


def test_what_is_not_known_to_be_harmless_is_printed(fake):
    done = run("-c", IMPORT, **fake())
    assert done.stderr.splitlines() == [*ERRORS, "after"]


def test_a_crash_in_tensorflow_s_import_hides_nothing(fake):
    done = run("-c", IMPORT, **fake("os.abort()"))
    assert done.returncode == -signal.SIGABRT
    assert done.stderr.splitlines() == [*ERRORS]


def test_an_exception_in_tensorflow_s_import_is_shown(fake):
    done = run("-c", IMPORT, **fake("raise ImportError('a library is missing')"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[:3] == [*ERRORS]
    assert done.stderr.endswith("ImportError: a library is missing\n")


def test_who_asks_for_tensorflow_s_log_gets_it(fake):
    done = run("-c", IMPORT, TF_CPP_MIN_LOG_LEVEL="0", **fake())
    assert done.stderr.splitlines() == [*LINES, *ERRORS, "after"]


def test_asking_whether_tensorflow_is_installed_does_not_end_the_silence(fake):
    asked = "import stages, importlib.util; assert importlib.util.find_spec('tensorflow')\n"
    assert run("-c", asked + IMPORT, **fake(lines=LINES)).stderr == "after\n"


def test_a_closed_stderr_does_no_harm(fake):
    program = f"import os; os.close(2)\n{IMPORT.partition(';')[0]}; print(tensorflow.__name__)"
    assert run("-c", program, **fake("os.dup(1)", lines=())).stdout == "tensorflow\n"


NOTE = "note: TensorFlow cannot use this machine's GPU"


@pytest.mark.parametrize(
    ("file", "devices", "variables", "noted"),
    [
        ("nvidia0", (), {}, True),
        ("nvidia0", ("GPU:0",), {}, False),
        ("nvidia0", (), {"CUDA_VISIBLE_DEVICES": "-1"}, False),
        (None, (), {}, False),
    ],
)
def test_one_line_says_so_where_tensorflow_cannot_use_the_gpu(
    fake, tmp_path, file, devices, variables, noted
):
    if file:
        (tmp_path / file).touch()
    files = (str(tmp_path / "nvidia[0-9]*"),)
    first = f"from roadshift import tensorflow_log; tensorflow_log.GPU_FILES = {files!r}\n"
    done = run("-c", first + IMPORT, **variables, **fake(lines=LINES, devices=devices))
    assert done.stderr.endswith("after\n")
    assert done.stderr.count("\n") == 1 + noted
    assert done.stderr.startswith(f"{NOTE} ({tmp_path / 'nvidia0'})") == noted


def test_a_stage_prints_in_any_encoding(tmp_path):
    shutil.copyfile(PROJECT / "params.yaml", tmp_path / "params.yaml")
    program = """
import sys
from stages.entry import run
def main(params):
    print('München')
    print('Straße', file=sys.stderr)
run(main)
"""
    done = run("-c", program, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "M\\xfcnchen\n")
    assert done.stderr == "Stra\\xdfe\n"
