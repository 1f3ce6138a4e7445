import keras
import numpy as np
import pytest
import tensorflow as tf

from roadshift.errors import RoadshiftError
from roadshift.input_pipeline.batches import PSEUDO_LABEL_ID
from roadshift.networks.batch_norm import ConvBatchNorm, batch_norms
from roadshift.training.adapt_settings import SelfTrainingSettings
from roadshift.training.history import Epoch, Validation
from roadshift.training.loop import build_optimizer, build_step, train
from roadshift.training.losses import cross_entropy, lovasz_softmax, soft_dice
from roadshift.training.self_training import SelfTraining, UnlabelledBatch
from roadshift.training.settings import RegSettings, TrainSettings

NO_REG = {"dropout": 0.0, "l1": 0.0, "l2": 0.0, "weight_decay": 0.0, "label_smoothing": 0.0}
SCHEDULE = {
    "epochs": 4, "steps_per_epoch": 5, "batch_size": 2, "crop_height": 32, "crop_width": 32,
    "learning_rate": 0.05, "encoder_lr_factor": 1.0, "class_weight_exponent": 0.0,
    "warmup_epochs": 1.0, "clip_norm": 1.0,
}  # fmt: skip


def settings(**changes):
    return TrainSettings(**{**SCHEDULE, **changes})


def pixel_network():
    """A classifier of single pixels that trains in a second."""
    inputs = keras.Input((None, None, 3))
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    kernel = keras.initializers.GlorotUniform(seed=1)
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, kernel_initializer=kernel)(scaled))


def light_or_dark(epochs=0, steps_per_epoch=5):
    """Endless batches of images whose light pixels are of class 1, the dark ones of class 0."""
    generator = np.random.default_rng(0)
    light = generator.integers(0, 2, (8, 2, 32, 32)).astype(np.uint8)
    images = np.repeat(light[..., np.newaxis] * 255, 3, -1).astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices((images, light)).repeat()
    return batches.skip(epochs * steps_per_epoch)


def norm_network():
    """A pixel classifier with batch normalization, whose statistics change in training."""
    inputs = keras.Input((None, None, 3))
    features = ConvBatchNorm(4, 1, seed=1)(keras.layers.Rescaling(1 / 255)(inputs))
    kernel = keras.initializers.GlorotUniform(seed=2)
    return keras.Model(inputs, keras.layers.Conv2D(2, 1, kernel_initializer=kernel)(features))


def run(network, validate, reg=NO_REG, batches=light_or_dark, self_training=None, **changes):
    seen: list[Epoch] = []
    history = train(
        network,
        batches_from=lambda done, share: batches(done),
        validate=lambda: {role: Validation(miou, 0.0) for role, miou in validate().items()},
        settings=settings(**changes),
        reg=RegSettings(**reg),
        pretrained=(),
        class_weights=None,
        on_epoch=seen.append,
        name="test",
        self_training=self_training,
    )
    assert seen == history.epochs
    return history


def test_loss_falls_and_every_epoch_is_told():
    history = run(pixel_network(), lambda: {"a": 0.5}, epochs=6)
    losses = [epoch.loss for epoch in history.epochs]
    assert [epoch.number for epoch in history.epochs] == [1, 2, 3, 4, 5, 6]
    assert losses[-1] < losses[0] / 2


def test_every_epoch_prints_a_line_with_its_loss_and_the_val_miou_of_each_source(capsys):
    scores = iter([{"a": 0.1, "b": 0.3}, {"a": 0.6, "b": 0.25}, {"a": 0.4, "b": 0.4}])
    history = run(pixel_network(), lambda: next(scores), epochs=3)
    first, second, third = (f"{epoch.loss:.3f}" for epoch in history.epochs)
    assert capsys.readouterr().out.splitlines() == [
        f"test: epoch 1 of 3: loss {first}, val mIoU 20.0 % (a 10.0, b 30.0), the best so far",
        f"test: epoch 2 of 3: loss {second}, val mIoU 42.5 % (a 60.0, b 25.0), the best so far",
        f"test: epoch 3 of 3: loss {third}, val mIoU 40.0 % (a 40.0, b 40.0)",
    ]


def test_one_source_has_no_mean(capsys):
    run(pixel_network(), lambda: {"a": 0.5}, epochs=1, warmup_epochs=0.0)
    assert capsys.readouterr().out.endswith(", val mIoU 50.0 % (a), the best so far\n")


@pytest.mark.parametrize(("rule", "number"), [("last", 4), ("one_standard_error", 3)])
def test_the_weights_of_the_selected_epoch_are_kept(rule, number):
    network, kept = pixel_network(), []
    # The means are 0.2, 0.4, 0.4 and 0.35; without a standard error only the best count.
    scores = iter([{"a": 0.1, "b": 0.3}, {"a": 0.6, "b": 0.2}, {"a": 0.4, "b": 0.4}, {"a": 0.9,
                   "b": -0.2}])  # fmt: skip

    def validate():
        kept.append(network.get_weights())
        return next(scores)

    history = run(network, validate, selected_epoch=rule)
    assert history.selected.number == number
    for ours, expected in zip(network.get_weights(), kept[number - 1], strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_the_same_training_gives_the_same_bits():
    results = []
    for _ in range(2):
        network = pixel_network()
        run(network, lambda: {"a": 0.5})
        results.append(network.get_weights())
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_learning_rate_warms_up_and_decays_to_zero():
    rate = build_optimizer(settings(), weight_decay=0.0)._learning_rate
    assert float(rate(0)) == 0
    assert float(rate(5)) == pytest.approx(0.05)
    assert float(rate(12)) == pytest.approx(0.025 * (1 + np.cos(np.pi * 7 / 15)), rel=1e-5)
    assert float(rate(20)) == pytest.approx(0, abs=1e-9)


def test_without_warm_up_the_learning_rate_begins_at_its_peak():
    assert float(
        build_optimizer(settings(warmup_epochs=0.0), weight_decay=0.0)._learning_rate(0)
    ) == (pytest.approx(0.05))


def test_weight_decay_is_decoupled_and_spares_biases():
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    layer.set_weights([np.array([[2.0]]), np.array([2.0])])
    optimizer = build_optimizer(settings(warmup_epochs=0.0, clip_norm=0.0), weight_decay=0.1)
    variables = layer.trainable_variables
    optimizer.build(variables)
    optimizer.apply([tf.zeros_like(v) for v in variables], variables)
    kernel, bias = layer.get_weights()
    # With a gradient of zero only the decay acts: w - rate * decay * w.
    assert kernel[0, 0] == pytest.approx(2 - 0.05 * 0.1 * 2)
    assert bias[0] == 2


def step_of(
    network, reg=NO_REG, pretrained=(), class_weights=None, self_training=None, partial_labels=(),
    **changes,
):  # fmt: skip
    return build_step(
        network,
        settings=settings(**{"warmup_epochs": 0.0, "clip_norm": 0.0, **changes}),
        reg=RegSettings(**{**NO_REG, **reg}),
        pretrained=pretrained,
        class_weights=class_weights,
        average=None,
        self_training=self_training,
        partial_labels=partial_labels,
    )


def random_batch(seed=0):
    """Two images of noise and labels that have nothing to do with them, some pixels ignored."""
    generator = np.random.default_rng(seed)
    images = generator.uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    labels = generator.choice([0, 1, 255], (2, 32, 32), p=[0.6, 0.3, 0.1]).astype(np.uint8)
    return tf.constant(images), tf.constant(labels)


def test_weight_decay_shrinks_the_kernels_alone():
    network = norm_network()
    for variable in network.trainable_variables:
        variable.assign(tf.fill(variable.shape, 2.0))
    first = network.trainable_variables[0]
    step = step_of(
        network, {"weight_decay": 0.1}, pretrained=[first], encoder_lr_factor=0.5, clip_norm=1.0
    )
    # Without a labelled pixel the gradient is zero: only the decay acts, w - rate * decay * w.
    step(random_batch()[0], tf.fill([2, 32, 32], tf.constant(255, tf.uint8)))
    shrunk = 2 - 0.05 * 0.1 * 2
    for variable in network.trainable_variables:
        expected = (2 + shrunk) / 2 if variable is first else shrunk
        if variable.name != "kernel":
            assert variable.name in ("gamma", "beta", "bias")
            expected = 2
        np.testing.assert_allclose(variable, expected, rtol=1e-6)
    assert {v.name for v in network.trainable_variables} == {"kernel", "gamma", "beta", "bias"}


def momentums(step):
    """The first moments of the gradients after a step, which are a tenth of the gradients."""
    return [
        v.numpy() for v in step.optimizer.variables if v.path.endswith(("_momentum", "/momentum"))
    ]


def test_gradients_are_clipped_by_the_norm_of_all_together():
    def gradients_of(clip_norm):
        step = step_of(norm_network(), clip_norm=clip_norm)
        step(*random_batch())
        return [10 * moment for moment in momentums(step)]

    free = gradients_of(0.0)
    assert len(free) == 5
    norm = np.sqrt(sum((gradient**2).sum() for gradient in free))
    for clip_norm, factor in ((norm / 2, 0.5), (2 * norm, 1.0)):
        for found, gradient in zip(gradients_of(clip_norm), free, strict=True):
            np.testing.assert_allclose(found, factor * gradient, rtol=1e-3, atol=1e-8)


def test_pretrained_variables_learn_by_their_factor_of_the_rate():
    network = pixel_network()
    kernel, bias = network.trainable_variables
    before = network.get_weights()
    step_of(network, pretrained=[kernel], encoder_lr_factor=0.2)(*random_batch())
    # The first step of Adam is as long as the rate, whatever the gradient.
    np.testing.assert_allclose(np.abs(kernel - before[0]), 0.2 * 0.05, rtol=1e-3)
    np.testing.assert_allclose(np.abs(bias - before[1]), 0.05, rtol=1e-3)


@pytest.mark.parametrize("plain", [{"label_smoothing": 0.2}, {"focal_gamma": 2.0}])
def test_the_loss_of_a_step_is_the_sum_of_its_terms_each_with_its_weight(plain):
    network, weights = pixel_network(), np.array([0.5, 2.0], np.float32)
    images, labels = random_batch()
    logits = network(images)
    # The fourth pixel of every six, in both directions.
    grid = labels[:, 3::6, 3::6], logits[:, 3::6, 3::6]
    kernel = network.get_weights()[0]
    terms = [
        cross_entropy(labels, logits, class_weights=weights, **plain),
        0.3 * soft_dice(*grid),
        0.7 * lovasz_softmax(*grid),
        0.01 * np.abs(kernel).sum(),
        0.05 * (kernel**2).sum(),
    ]
    reg = {"l1": 0.01, "l2": 0.05}
    changes = {"dice_weight": 0.3, "lovasz_weight": 0.7}
    (reg if "label_smoothing" in plain else changes).update(plain)
    step = step_of(network, reg, class_weights=weights, **changes)
    assert float(step(images, labels)) == pytest.approx(float(sum(terms)), rel=1e-5)


def test_the_loss_of_pseudo_labels_has_its_weight_their_confidence_and_the_class_weights():
    network, weights = pixel_network(), np.array([0.5, 2.0], np.float32)
    teacher = SelfTraining(
        network, pixel_network(), SelfTrainingSettings(weight=0.3, threshold=0.6)
    )
    images, labels = random_batch()
    weak, mixed = (random_batch(seed)[0] for seed in (1, 2))
    # One image more than of the sources.
    weak, mixed = (tf.concat([each, each[:1] / 2], 0) for each in (weak, mixed))
    unlabelled = UnlabelledBatch(
        weak,
        tf.ones(weak.shape[:3], tf.bool),
        mixed,
        tf.constant(np.random.default_rng(3).choice([0, 1, PSEUDO_LABEL_ID], weak.shape[:3])),
    )
    unlabelled = unlabelled._replace(labels=tf.cast(unlabelled.labels, tf.uint8))
    pseudo = teacher.label(unlabelled)
    assert 0.1 < tf.reduce_min(pseudo.confidence) < 0.9
    expected = cross_entropy(labels, network(images), class_weights=weights) + 0.3 * cross_entropy(
        pseudo.labels, network(mixed), class_weights=weights, confidence=pseudo.confidence
    )
    step = step_of(network, class_weights=weights, self_training=teacher)
    assert float(step(images, labels, *unlabelled)) == pytest.approx(float(expected), rel=1e-5)


def test_pseudo_labels_begin_with_the_first_step_after_the_warm_up():
    (images, labels), (others, _) = random_batch(0), random_batch(1)
    unlabelled = UnlabelledBatch(
        others,
        tf.ones(labels.shape, tf.bool),
        others,
        tf.fill(labels.shape, tf.constant(PSEUDO_LABEL_ID, tf.uint8)),
    )

    def losses_of(weight):
        network = pixel_network()
        options = SelfTrainingSettings(weight=weight, threshold=0.5, warmup_epochs=2.0)
        history = run(
            network,
            lambda: {"a": 0.5},
            batches=lambda done: tf.data.Dataset.from_tensors(
                (images, labels, *unlabelled)
            ).repeat(),
            self_training=SelfTraining(network, pixel_network(), options),
            epochs=3,
            steps_per_epoch=1,
            warmup_epochs=0.0,
        )
        return [epoch.loss for epoch in history.epochs]

    plain, adapted = losses_of(0.0), losses_of(1.0)
    assert adapted[:2] == pytest.approx(plain[:2], rel=1e-6)
    assert adapted[2] > 1.1 * plain[2]


def test_the_loss_of_an_epoch_is_the_mean_of_its_steps():
    network = pixel_network()
    losses = [cross_entropy(labels, network(images)) for images, labels in light_or_dark().take(3)]
    # So low a rate that the weights stay.
    history = run(network, lambda: {"a": 0.5}, epochs=2, steps_per_epoch=3, learning_rate=1e-9)
    assert history.epochs[0].loss == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_loss_that_is_no_number_is_an_error_with_a_way_out():
    with pytest.raises(
        RoadshiftError, match=r"loss is nan in epoch \d.*lower train\.learning_rate"
    ):
        run(pixel_network(), lambda: {"a": 0.5}, reg={**NO_REG, "l2": 3e38})


def test_a_warm_up_as_long_as_the_schedule_is_refused():
    with pytest.raises(RoadshiftError, match=r"train\.warmup_epochs is 4\.0, train\.epochs 4"):
        settings(warmup_epochs=4.0)


def test_the_average_is_validated_and_kept_and_the_optimizer_goes_on_from_its_own_weights():
    def weights_at_validation(**reg):
        network, seen = norm_network(), []

        def validate():
            seen.append(network.get_weights())
            return {"a": len(seen) / 10}

        run(
            network,
            validate,
            reg={**NO_REG, **reg},
            epochs=3,
            steps_per_epoch=1,
            warmup_epochs=0.0,
        )
        return seen, network.get_weights()

    begin = norm_network().get_weights()
    raw, _ = weights_at_validation()
    averaged, kept = weights_at_validation(ema_decay=0.25)
    expected = begin
    # min(0.25, 2 / 11), then 3 / 12, then 0.25 instead of 4 / 13
    for own, found, decay in zip(raw, averaged, (2 / 11, 0.25, 0.25), strict=True):
        expected = [decay * a + (1 - decay) * w for a, w in zip(expected, own, strict=True)]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert not np.allclose(averaged[-1][0], raw[-1][0])
    for one, other in zip(kept, averaged[-1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_precise_statistics_are_those_of_the_batches_that_follow():
    plain, precise = norm_network(), norm_network()
    for network, batches in ((plain, 0), (precise, 3)):
        run(network, lambda: {"a": 0.5}, precise_bn_batches=batches, epochs=1, warmup_epochs=0.5)
    changed = [
        v.path
        for v, w in zip(plain.weights, precise.weights, strict=True)
        if not np.array_equal(v, w)
    ]
    assert {path.split("/")[-1] for path in changed} == {"moving_mean", "moving_variance"}
    images = np.concatenate([p for p, _ in light_or_dark().skip(5).take(3).as_numpy_iterator()])
    features = (images.astype(np.float64) / 255) @ precise.get_weights()[0][0, 0]
    (norm,) = batch_norms(precise)
    np.testing.assert_allclose(norm.moving_mean, features.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, features.var((0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize(
    "change", [{"focal_gamma": 2.0}, {"dice_weight": 1.0}, {"lovasz_weight": 1.0}]
)
def test_every_loss_is_learnt_from(change):
    losses = [epoch.loss for epoch in run(pixel_network(), lambda: {"a": 0.5}, **change).epochs]
    plain = [epoch.loss for epoch in run(pixel_network(), lambda: {"a": 0.5}).epochs]
    assert losses[-1] < 0.8 * losses[0]
    assert losses != plain
