import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from roadshift.augment import registry
from roadshift.augment.keys import operation_key, sample_key
from roadshift.augment.policy import build_policy
from roadshift.augment.settings import AugmentSettings

ALL_ON = {
    "scale": 1.0,
    "crop": 0.8,
    "flip": 0.5,
    "gamma": 0.5,
    "brightness": 0.4,
    "contrast": 0.5,
    "saturation": 0.5,
    "hue": 0.2,
    "blur": 2.0,
    "noise": 0.1,
}
KEY = tf.constant([1, 2], tf.int64)


def sample(height=40, width=56, seed=0):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    label = generator.choice([0, 1, 5, 18, 255], (height, width)).astype(np.uint8)
    return image, label


def run(settings, key=KEY, size=(32, 32), seed=0):
    image, label = sample(seed=seed)
    policy = build_policy(AugmentSettings(**settings), *size)
    result = policy(tf.constant(image), tf.constant(label), key)
    return result[0].numpy(), result[1].numpy()


def keys(count):
    return [tf.constant([9, i], tf.int64) for i in range(count)]


def test_every_setting_is_an_operation_and_every_operation_a_setting():
    operations = {*registry.FRAME_OPS, *registry.PAIR_OPS, *registry.IMAGE_OPS}
    assert operations == set(AugmentSettings.model_fields) == set(ALL_ON)


def test_everything_off_changes_no_bit():
    image, label = sample()
    result_image, result_label = run({}, size=(40, 56))
    assert result_image.dtype == np.float32
    assert np.array_equal(result_image, image.astype(np.float32))
    assert np.array_equal(result_label, label)


def test_everything_off_leaves_no_random_operation_in_the_graph():
    image, label = sample()
    graph = tf.function(build_policy(AugmentSettings(), 32, 32)).get_concrete_function(
        tf.constant(image), tf.constant(label), KEY
    )
    kinds = {node.type for node in graph.graph.get_operations()}
    assert not [kind for kind in kinds if "Random" in kind or "Resize" in kind or "Scale" in kind]


@pytest.mark.parametrize("name", sorted(ALL_ON))
def test_each_operation_alone_acts_and_stays_in_range(name):
    plain = run({})
    changed = False
    for key in keys(8):
        image, label = run({name: AugmentSettings.model_fields[name].metadata[1].le}, key)
        assert image.shape == (32, 32, 3)
        assert label.shape == (32, 32)
        assert np.isfinite(image).all()
        assert image.min() >= 0
        assert image.max() <= 255
        assert set(np.unique(label)) <= {0, 1, 5, 18, 255}
        changed |= not np.array_equal(image, plain[0])
        if name in registry.IMAGE_OPS:
            assert np.array_equal(label, plain[1])
    assert changed


def test_same_key_same_sample_and_other_key_another():
    first, again, other = run(ALL_ON), run(ALL_ON), run(ALL_ON, tf.constant([1, 3], tf.int64))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_int32_key_is_the_int64_key():
    as_int32, as_int64 = run(ALL_ON, tf.constant([1, 2], tf.int32)), run(ALL_ON)
    assert np.array_equal(as_int32[0], as_int64[0])


def test_switching_one_operation_on_leaves_the_draws_of_another():
    geometry = {"scale": 1.0, "crop": 1.0, "flip": 0.5}
    for key in keys(6):
        assert np.array_equal(run(geometry, key)[1], run(ALL_ON | geometry, key)[1])
    # Brightness last of all: the shift it adds is the same with and without the flip.
    for key in keys(6):
        plain = run({"flip": 0.5}, key)[0]
        lit = run({"flip": 0.5, "brightness": 0.01}, key)[0]
        alone = run({"brightness": 0.01}, key)[0] - run({})[0]
        inside = (plain > 5) & (plain < 250)
        shift = np.median(alone)
        assert (lit - plain)[inside] == pytest.approx(np.full(inside.sum(), shift), abs=1e-3)


def test_clipping_is_left_to_the_end():
    # Darkened by more than half its range, then stretched about its mean: were it clipped in
    # between, the dark half would have lost its steps.
    image = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], 3, axis=-1)
    label = np.zeros(image.shape[:2], np.uint8)
    policy = build_policy(AugmentSettings(brightness=1.0, contrast=1.0), 1, 64)
    for key in keys(20):
        result = policy(tf.constant(image), tf.constant(label), key)[0].numpy()[0, :, 0]
        steps = np.diff(result)
        # Linear between the two ends of the range.
        inside = (result[:-1] > 0) & (result[1:] < 255)
        assert np.ptp(steps[inside]) < 1e-3 if inside.any() else True


def test_image_and_label_stay_aligned_through_all_geometry():
    # The image is the label, in another coat.
    blocks = np.kron(np.random.default_rng(4).integers(0, 2, (8, 10)), np.ones((16, 16), np.int64))
    label = blocks.astype(np.uint8)
    image = np.repeat(label[..., None] * 255, 3, axis=-1).astype(np.uint8)
    policy = build_policy(AugmentSettings(scale=1.0, crop=1.0, flip=0.5), 96, 96)
    for key in keys(20):
        result_image, result_label = (
            array.numpy() for array in policy(tf.constant(image), tf.constant(label), key)
        )
        seen = result_label != 255
        agree = (result_image[..., 0] > 127.5) == (result_label == 1)
        assert agree[seen].mean() > 0.97


def test_static_shapes_for_pictures_of_any_size():
    policy = build_policy(AugmentSettings(**ALL_ON), 24, 36)
    signature = (
        tf.TensorSpec((None, None, 3), tf.uint8),
        tf.TensorSpec((None, None), tf.uint8),
        tf.TensorSpec((2,), tf.int64),
    )
    traced = tf.function(policy, input_signature=signature)
    image, label = traced.get_concrete_function().output_shapes
    assert image == (24, 36, 3)
    assert label == (24, 36)
    for size in ((1, 1), (24, 36), (90, 11)):
        result = traced(*map(tf.constant, sample(*size)), KEY)
        assert np.isfinite(result[0]).all()


def test_parallel_map_and_order_give_every_sample_the_same():
    ids = [f"camera/{i}" for i in range(12)]
    images, labels = zip(*(sample(seed=i) for i in range(12)), strict=True)
    policy = build_policy(AugmentSettings(**ALL_ON), 32, 32)

    def collect(order, calls, batch):
        dataset = tf.data.Dataset.from_tensor_slices(
            (
                [ids[i] for i in order],
                np.stack([images[i] for i in order]),
                np.stack([labels[i] for i in order]),
            )
        ).map(
            lambda name, image, label: (
                name,
                *policy(image, label, sample_key(7, tf.constant(3, tf.int64), name)),
            ),
            num_parallel_calls=calls,
            deterministic=False if calls else None,
        )
        return {
            name: (image, label)
            for names, many, more in dataset.batch(batch).as_numpy_iterator()
            for name, image, label in zip(names, many, more, strict=True)
        }

    expected = collect(range(12), None, 1)
    for order, calls, batch in ((range(12), 4, 5), (range(11, -1, -1), 3, 12)):
        result = collect(order, calls, batch)
        assert result.keys() == expected.keys()
        for name, (image, label) in result.items():
            assert np.array_equal(image, expected[name][0])
            assert np.array_equal(label, expected[name][1])


def test_image_and_label_of_different_size_are_refused():
    policy = build_policy(AugmentSettings(), 8, 8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ in size"):
        policy(tf.zeros([9, 9, 3], tf.uint8), tf.zeros([9, 8], tf.uint8), KEY)


def test_empty_crop_is_refused():
    with pytest.raises(ValueError, match="0×8"):
        build_policy(AugmentSettings(), 0, 8)


def test_sample_key_is_fixed_forever():
    # A change of these numbers changes every result ever published with a seed.
    key = sample_key(0, tf.constant(1, tf.int64), tf.constant("a/b"))
    assert key.dtype == tf.int64
    assert key.numpy().tolist() == [8621833440673279407, 6611854719613518709]


def test_sample_keys_differ_by_seed_epoch_and_sample():
    made = {
        tuple(sample_key(seed, tf.constant(epoch), tf.constant(name)).numpy())
        for seed in (0, 1, 10)
        for epoch in (0, 1, 10)
        for name in ("1", "0/1", "a", "")
    }
    assert len(made) == 36


def test_operation_keys_differ_by_name_and_sample():
    made = {
        tuple(operation_key(key, name).numpy()) for key in keys(4) for name in ("flip", "hue", "")
    }
    assert len(made) == 12


@pytest.mark.parametrize(
    "values", [{"flip": 1.1}, {"hue": 0.6}, {"blur": -1.0}, {"scale": 3.5}, {"rain": 0.1}]
)
def test_settings_refuse_what_is_out_of_range_or_unknown(values):
    with pytest.raises(ValidationError):
        AugmentSettings(**values)


def test_all_settings_are_off_by_default():
    assert not any(AugmentSettings().model_dump().values())


def test_an_operation_cannot_be_registered_twice():
    def flip(image, key, strength):
        return image

    with pytest.raises(ValueError, match="flip"):
        registry.image_op(flip)


def test_settings_do_not_import_tensorflow():
    program = "import sys, roadshift.augment.settings; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
