import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.networks.batch_norm import ConvBatchNorm
from roadshift.training.checkpoint import Checkpoint, facts, fingerprint
from roadshift.training.ema import ExponentialMovingAverage
from roadshift.training.history import Validation
from roadshift.training.loop import build_step, train
from roadshift.training.settings import RegSettings, TrainSettings

SCHEDULE = TrainSettings(
    epochs=4, steps_per_epoch=3, batch_size=2, crop_height=32, crop_width=32, learning_rate=0.02,
    encoder_lr_factor=0.5, class_weight_exponent=0.0, warmup_epochs=1.0, clip_norm=1.0,
    precise_bn_batches=2, selected_epoch="one_standard_error",
)  # fmt: skip
REG = RegSettings(
    dropout=0.3, l1=0.0, l2=0.0, weight_decay=0.01, label_smoothing=0.0, ema_decay=0.9
)  # fmt: skip
SCORES = (0.2, 0.6, 0.4, 0.5)
"""Val scores of the epochs; the second is the best, and no other is within its standard error."""


class Killed(BaseException):
    pass


class Training:
    """A training with everything that has a state: dropout, batch norm, two rates, an average."""

    def __init__(self, folder, key="one", seed=0, batches=40, scale=255):
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((None, None, 3))
        self.features = ConvBatchNorm(4, 1, seed=seed)
        features = self.features(keras.layers.Rescaling(1 / 255)(inputs))
        features = keras.layers.Dropout(REG.dropout, seed=3)(features)
        kernel = keras.initializers.GlorotUniform(seed=2)
        logits = keras.layers.Conv2D(2, 1, kernel_initializer=kernel)(features)
        self.network = keras.Model(inputs, logits)
        self.checkpoint = Checkpoint(folder, key)
        self.batches, self.scale = batches, scale
        self.told = []

    def batches_from(self, epoch, share):
        generator = np.random.default_rng(0)
        light = generator.integers(0, 2, (40, 2, 32, 32)).astype(np.uint8)
        images = np.repeat(light[..., np.newaxis] * self.scale, 3, -1).astype(np.float32)
        data = tf.data.Dataset.from_tensor_slices((images, light))
        return data.skip(epoch * SCHEDULE.steps_per_epoch).take(self.batches)

    def run(self, killed_in=None):
        """Trains to the end, or until the training is killed in an epoch."""

        def validate():
            if len(self.told) + 1 == killed_in:
                raise Killed
            return {"a": Validation(SCORES[len(self.told)], 0.05)}

        pretrained = self.features.trainable_variables
        return train(
            self.network,
            batches_from=self.batches_from,
            validate=validate,
            settings=SCHEDULE,
            reg=REG,
            pretrained=pretrained,
            class_weights=None,
            on_epoch=self.told.append,
            name="test",
            checkpoint=self.checkpoint,
        )

    def values(self):
        return [np.asarray(variable) for variable in self.network.variables]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    training = Training(tmp_path_factory.mktemp("whole"))
    training.run()
    return training


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    with pytest.raises(Killed):
        Training(folder).run(killed_in=3)
    return folder


@pytest.fixture
def interrupted(killed, tmp_path):
    """The folder of a training that was killed in its third epoch."""
    return shutil.copytree(killed, tmp_path / "interrupted")


@pytest.mark.parametrize("epochs", [(1,), (3, 4), (2, 3, 3)])
@pytest.mark.slow
def test_an_interrupted_training_ends_in_the_same_bits(whole, tmp_path, epochs, capsys):
    for epoch in epochs:
        with pytest.raises(Killed):
            Training(tmp_path).run(killed_in=epoch)
    training = Training(tmp_path)
    history = training.run()
    assert history.selected.number == 2
    assert training.told == whole.told == history.epochs
    assert same(training.values(), whole.values())
    resumes = f"test: resuming from epoch {epochs[-1] - 1}" in capsys.readouterr().out
    assert resumes == (epochs != (1,))


def test_a_training_killed_after_its_last_epoch_is_not_repeated(whole, tmp_path):
    Training(tmp_path).run()
    # There is no batch for a step, only those for the statistics.
    training = Training(tmp_path, batches=SCHEDULE.precise_bn_batches)
    training.run()
    assert same(training.values(), whole.values())


def test_what_is_kept_is_two_files_and_discarded_without_a_trace(interrupted):
    assert sorted(p.name for p in interrupted.iterdir()) == ["selected-2.npz", "state.npz"]
    Checkpoint(interrupted, "one").discard()
    assert not interrupted.exists()


def begins_anew(training):
    """Returns whether a training finds nothing to resume from, and changes no variable."""
    step = build_step(
        training.network,
        settings=SCHEDULE,
        reg=REG,
        pretrained=training.features.trainable_variables,
        class_weights=None,
        average=ExponentialMovingAverage(training.network, REG.ema_decay),
    )
    before = [v.numpy() for v in step.variables]
    reached = training.checkpoint.load(step.variables, "test")
    return reached is None and same(before, [v.numpy() for v in step.variables])


@pytest.mark.parametrize("how", [{"key": "two"}, {"seed": 1}])
def test_another_training_begins_anew_and_says_so(interrupted, capsys, how):
    assert begins_anew(Training(interrupted, **how))
    printed = capsys.readouterr().out
    assert (
        "is from other parameters, data, code, libraries, threads or environment variables; "
        in printed
    )
    assert "starting again" in printed
    assert not interrupted.exists()


@pytest.mark.parametrize("name", ["state.npz", "selected-2.npz"])
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "gone"])
def test_a_damaged_checkpoint_begins_anew(interrupted, capsys, name, damage):
    file = interrupted / name
    content = bytearray(file.read_bytes())
    # The last byte of a variable: what follows is the table of what is in the file.
    content[content.index(b"PK\x01\x02") - 1] ^= 1
    if damage == "gone":
        file.unlink()
    else:
        size = len(content) // 2
        file.write_bytes({"cut": content[:size], "empty": b"", "flipped": content}[damage])
    assert begins_anew(Training(interrupted))
    told = "the checkpoint is damaged; starting again" in capsys.readouterr().out
    assert told == ((name, damage) != ("state.npz", "gone"))
    assert not interrupted.exists()


def test_a_loss_that_is_no_number_is_not_saved(tmp_path):
    with pytest.raises(RoadshiftError, match="the loss is nan in epoch 1"):
        Training(tmp_path, scale=np.nan).run()
    assert not tmp_path.exists()


def test_the_fingerprint_tells_params_and_data_apart(tmp_path):
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep/shard"
    file.write_bytes(b"one")

    def now(**params):
        return fingerprint({"reg": REG, **params}, [tmp_path])

    first = now()
    assert now() == first
    assert now(seed=1) != first
    assert fingerprint({"reg": REG.model_copy(update={"ema_decay": 0.5})}, [tmp_path]) != first
    file.write_bytes(b"two")
    assert now() != first
    file.write_bytes(b"one")
    assert now() == first
    file.rename(tmp_path / "deep/other")
    assert now() != first


def test_the_fingerprint_tells_code_and_libraries_apart(tmp_path, monkeypatch):
    first = fingerprint({}, [])
    monkeypatch.setattr(tf, "__version__", "0")
    assert fingerprint({}, []) != first
    monkeypatch.undo()
    other = tmp_path / "loop.py"
    other.write_text("")
    monkeypatch.setattr("roadshift.training.loop.__file__", str(other))
    assert fingerprint({}, []) != first


def test_the_facts_name_what_differs(tmp_path, monkeypatch):
    """Machines compare them, so each change has a name of its own, and a short value."""
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    data, code = tmp_path / "labelled", tmp_path / "loop.py"
    data.mkdir()
    code.write_text("")
    params = {"seed": 0, "reg": REG, "adapt": {"labelled": {"samples": 4}}}
    first = facts(params, [data])
    assert (first["reg.ema_decay"], first["adapt.labelled.samples"]) == ("0.9", "4")
    assert first["tensorflow"] == tf.__version__
    assert max(map(len, first.values())) <= 40

    def differing(params=params):
        now = facts(params, [data])
        return {name for name in {**first, **now} if first.get(name) != now.get(name)}

    assert differing() == set()
    assert differing({**params, "seed": 1}) == {"seed"}
    changed = {**params, "reg": REG.model_copy(update={"ema_decay": 0.5})}
    assert differing(changed) == {"reg.ema_decay"}
    monkeypatch.setattr(tf, "__version__", "0")
    assert differing() == {"tensorflow"}
    monkeypatch.undo()
    monkeypatch.setattr("roadshift.training.loop.__file__", str(code))
    assert differing() == {"code roadshift.training.loop"}
    monkeypatch.undo()
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert differing() == {"variables.TF_ENABLE_ONEDNN_OPTS"}
    monkeypatch.undo()
    (data / "shard").write_bytes(b"one")
    assert differing() == {"data labelled"}


@pytest.mark.parametrize(
    ("name", "value", "counts"),
    [
        ("ROADSHIFT_THREADS", "4", True),
        ("ROADSHIFT_THREADS", "2", False),  # what it is without the variable
        ("TF_ENABLE_ONEDNN_OPTS", "0", True),
        ("ONEDNN_MAX_CPU_ISA", "AVX2", True),
        ("NPY_DISABLE_CPU_FEATURES", "AVX2", True),
        ("OPENBLAS_CORETYPE", "Haswell", False),  # nothing is computed by it
        ("OMP_NUM_THREADS", "1", False),
        ("TF_CPP_MIN_LOG_LEVEL", "1", False),
        ("CUDA_VISIBLE_DEVICES", "1", False),
        ("NVIDIA_VISIBLE_DEVICES", "GPU-1", False),
        ("HOME", "/", False),
    ],
)
def test_the_fingerprint_tells_apart_what_changes_the_order_of_sums(
    monkeypatch, name, value, counts
):
    for each in ("ROADSHIFT_THREADS", name):
        monkeypatch.delenv(each, raising=False)
    first = fingerprint({}, [])
    monkeypatch.setenv(name, value)
    assert (fingerprint({}, []) != first) == counts
