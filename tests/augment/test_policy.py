import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from roadshift.augment import registry
from roadshift.augment.keys import operation_key, sample_key
from roadshift.augment.policy import build_policy, weak_and_strong
from roadshift.augment.settings import AugmentSettings
from tests.augment.draws import assert_uniform, for_each_key

ALL_ON = {
    "random_scale": 1.0,
    "random_crop": 0.8,
    "class_crop": 0.5,
    "flip": 0.5,
    "colour_transfer": 1.0,
    "fda_beta": 0.1,
    "cutmix": 0.5,
    "classmix": 0.5,
    "fog": 2.0,
    "rain": 1.0,
    "dusk": 1.0,
    "gamma": 0.5,
    "brightness": 0.4,
    "contrast": 0.5,
    "saturation": 0.5,
    "hue": 0.2,
    "colour_cast": 0.3,
    "blur": 2.0,
    "noise": 0.1,
    "jpeg": 60.0,
    "random_erasing": 0.5,
}


def names(*kinds):
    return [each.name for each in registry.operations_of(*kinds)]


FAMILIES: dict[str, dict[str, Any]] = {
    "transfer_probability": names("transfer"),
    "weather_probability": names("weather"),
    "photometric_probability": names("photometric"),
}
IGNORE = 255
KEY = tf.constant([1, 2], tf.int64)


def sample(height=40, width=56, seed=0):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    label = generator.choice([0, 1, 5, 18, 255], (height, width)).astype(np.uint8)
    return image, label


def run(settings, key=KEY, size=(32, 32), seed=0):
    image, label = sample(seed=seed)
    policy = build_policy(AugmentSettings(**settings), *size)
    result = policy(tf.constant(image), tf.constant(label), key, partner)
    return result[0].numpy(), result[1].numpy()


def partner():
    image, label = sample(50, 44, seed=77)
    return tf.constant(image), tf.constant(np.where(label == 18, 9, label))


def keys(count):
    return [tf.constant([9, i], tf.int64) for i in range(count)]


def test_every_setting_is_an_operation_and_every_operation_a_setting():
    operations = names()
    assert sorted(operations) == sorted(ALL_ON)
    assert {*operations, *FAMILIES} == set(AugmentSettings.model_fields)


def test_settings_are_named_in_the_order_in_which_operations_run():
    operations = names()
    assert operations == [name for name in AugmentSettings.model_fields if name in operations]


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
        assert set(np.unique(label)) <= {0, 1, 5, 9, 18, IGNORE}
        changed |= not np.array_equal(image, plain[0])
        if any(name in kind for kind in FAMILIES.values()):
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
    geometry = {"random_scale": 1.0, "random_crop": 1.0, "class_crop": 0.5, "flip": 0.5}
    others = ALL_ON | geometry | {"cutmix": 0.0, "classmix": 0.0, "random_erasing": 0.0}
    for key in keys(6):
        assert np.array_equal(run(geometry, key)[1], run(others, key)[1])
    regions = geometry | {"cutmix": 1.0, "classmix": 1.0, "random_erasing": 1.0}
    for key in keys(6):
        assert np.array_equal(run(regions, key)[1], run(ALL_ON | regions, key)[1])
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


def test_image_and_label_stay_aligned_through_geometry_and_mixing():
    # The image shows the label.
    blocks = np.kron(np.random.default_rng(4).integers(0, 2, (8, 10)), np.ones((16, 16), np.int64))
    label = blocks.astype(np.uint8)
    image = np.repeat(label[..., None] * 255, 3, axis=-1).astype(np.uint8)
    other = (tf.constant(255 - image), tf.constant(1 - label))
    geometry = {"random_scale": 1.0, "random_crop": 1.0, "class_crop": 0.5, "flip": 0.5}
    regions = {"cutmix": 0.7, "classmix": 0.7, "random_erasing": 0.7}
    policy = build_policy(AugmentSettings(**geometry, **regions), 96, 96)
    for key in keys(20):
        result_image, result_label = (
            array.numpy()
            for array in policy(tf.constant(image), tf.constant(label), key, lambda: other)
        )
        seen = result_label != 255
        agree = (result_image[..., 0] > 127.5) == (result_label == 1)
        assert agree[seen].mean() > 0.97


@pytest.mark.slow
def test_static_shapes_for_images_of_any_size():
    policy = build_policy(AugmentSettings(**ALL_ON), 24, 36)
    signature = (
        tf.TensorSpec((None, None, 3), tf.uint8),
        tf.TensorSpec((None, None), tf.uint8),
        tf.TensorSpec((2,), tf.int64),
    )
    traced = tf.function(
        lambda image, label, key: policy(image, label, key, partner), input_signature=signature
    )
    image, label = traced.get_concrete_function().output_shapes
    assert image == (24, 36, 3)
    assert label == (24, 36)
    for size in ((1, 1), (24, 36), (90, 11)):
        result = traced(*map(tf.constant, sample(*size)), KEY)
        assert np.isfinite(result[0]).all()


@pytest.mark.slow
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
                *policy(
                    image,
                    label,
                    sample_key(
                        seed=7, epoch=tf.constant(3, tf.int64), dataset="city", sample_id=name
                    ),
                    partner,
                ),
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
    result = collect(range(11, -1, -1), 3, 5)
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
    key = sample_key(
        seed=0, epoch=tf.constant(1, tf.int64), dataset="city", sample_id=tf.constant("a/b")
    )
    assert key.dtype == tf.int64
    assert key.numpy().tolist() == [529258355022343904, 2914883081985494652]


def test_sample_keys_differ_by_seed_epoch_data_set_and_sample():
    made = {
        tuple(
            sample_key(
                seed=seed, epoch=tf.constant(epoch), dataset=dataset, sample_id=tf.constant(name)
            ).numpy()
        )
        for seed in (0, 1, 10)
        for epoch in (0, 1, 10)
        for dataset in ("camvid", "kitti")
        for name in ("1", "0/1", "a", "")
    }
    assert len(made) == 72


def test_operation_keys_differ_by_name_and_sample():
    made = {
        tuple(operation_key(key, name).numpy()) for key in keys(4) for name in ("flip", "hue", "")
    }
    assert len(made) == 12


@pytest.mark.parametrize(
    "values", [{"flip": 1.1}, {"hue": 0.6}, {"blur": -1.0}, {"random_scale": 3.5}, {"hail": 0.1}]
)
def test_settings_refuse_what_is_out_of_range_or_unknown(values):
    with pytest.raises(ValidationError):
        AugmentSettings(**values)


def test_all_operations_are_off_by_default():
    assert not any(getattr(AugmentSettings(), name) for name in ALL_ON)


def traced_kinds(settings):
    image, label = map(tf.constant, sample())
    policy = build_policy(AugmentSettings(**settings), 32, 32)
    graph = tf.function(lambda key: policy(image, label, key, partner)).get_concrete_function(KEY)
    return {node.type for node in graph.graph.get_operations()}


@pytest.mark.parametrize("probability", sorted(FAMILIES))
def test_a_probability_of_one_leaves_the_graph_as_it_is(probability):
    settings = {name: ALL_ON[name] for name in FAMILIES[probability]}
    assert not {"If", "StatelessIf"} & traced_kinds(settings)
    for key in keys(3):
        always, sure = run(settings, key), run(settings | {probability: 1.0}, key)
        assert np.array_equal(always[0], sure[0])


@pytest.mark.parametrize(
    ("probability", "name"), [(p, name) for p, kind in FAMILIES.items() for name in sorted(kind)]
)
def test_a_probability_leaves_its_share_of_the_samples_alone(probability, name):
    settings = {name: ALL_ON[name]}
    plain = run({})[0]
    changed = 0
    for key in keys(30):
        applied = run(settings | {probability: 0.4}, key)[0]
        if np.array_equal(applied, plain):
            continue
        # Applied, it is what it is at a probability of one.
        assert np.array_equal(applied, run(settings, key)[0])
        changed += 1
    assert changed / 30 == pytest.approx(0.4, abs=0.25)


def test_being_applied_does_not_choose_the_strength():
    image, label = tf.fill([1, 1, 3], tf.constant(100, tf.uint8)), tf.zeros([1, 1], tf.uint8)
    settings = AugmentSettings(brightness=0.1, photometric_probability=0.5)
    policy = build_policy(settings, 1, 1)
    values = for_each_key(lambda key: policy(image, label, key)[0][0, 0, 0], count=400)
    applied = values[values != 100]
    assert len(applied) / 400 == pytest.approx(0.5, abs=0.1)
    assert_uniform(applied, 100 - 25.5, 100 + 25.5)


def test_a_transfer_has_the_strength_of_its_setting():
    own, other = (tf.fill([4, 4, 3], tf.constant(value, tf.uint8)) for value in (50, 120))
    label = tf.zeros([4, 4], tf.uint8)
    policy = build_policy(AugmentSettings(colour_transfer=0.8), 4, 4)
    values = for_each_key(lambda key: policy(own, label, key, lambda: (other, label))[0][0, 0, 0])
    # The mean of the logarithms moves by a share of the way to the partner's.
    assert_uniform(np.log(values / 50) / np.log(120 / 50), 0, 0.8)


def test_the_weak_policy_crops_and_flips_and_the_strong_one_always_mixes_by_class():
    geometry = {name: ALL_ON[name] for name in names("crop", "geometric") if name != "class_crop"}
    off = [*names("transfer"), "cutmix", "class_crop"]
    strong_ones = ALL_ON | dict.fromkeys(off, 0.0) | {"classmix": 1.0}
    weak, strong = weak_and_strong(AugmentSettings(**ALL_ON), 32, 32)
    image, label = map(tf.constant, sample())
    assert not weak.takes_partners
    for key in keys(2):
        for policy, expected in ((weak, geometry), (strong, strong_ones)):
            for found, other in zip(
                policy(image, label, key, partner), run(expected, key), strict=True
            ):
                assert np.array_equal(found, other)


@pytest.mark.slow
def test_no_condition_keeps_a_deterministic_map_from_running_in_parallel():
    probabilities = dict.fromkeys(FAMILIES, 0.5)
    policy = build_policy(AugmentSettings(**ALL_ON, **probabilities), 32, 32)
    image, label = map(tf.constant, sample())
    traced = tf.function(lambda key: policy(image, label, key, partner)).get_concrete_function(KEY)
    definition = traced.graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    kinds = {node.op for node in nodes}
    # `If`, unlike `StatelessIf`, is what holds a stateful operation, and counts as one.
    assert "StatelessIf" in kinds
    assert "If" not in kinds


def test_a_family_s_operations_are_drawn_each_on_its_own():
    policy = build_policy(
        AugmentSettings(colour_transfer=1.0, fda_beta=0.1, cutmix=0.5, transfer_probability=0.5),
        32,
        32,
    )
    drawn = np.array([[bool(c) for c in policy._chances(key).values()] for key in keys(200)])
    assert drawn.mean(axis=0) == pytest.approx(0.5, abs=0.12)
    assert np.abs(np.corrcoef(drawn.T)[[0, 0, 1], [1, 2, 2]]).max() < 0.2


def test_a_partner_is_fetched_only_where_it_is_wanted():
    image, label = map(tf.constant, sample())
    policy = build_policy(AugmentSettings(cutmix=0.3, classmix=0.3), 32, 32)
    plain = run({})

    def missing():
        with tf.control_dependencies([tf.debugging.Assert(False, ["fetched"])]):
            return tf.identity(image), label

    augment = tf.function(lambda key: policy(image, label, key, missing))
    wanted = 0
    for key in keys(60):
        if bool(policy.draw_partner(key)[0]):
            wanted += 1
            with pytest.raises(tf.errors.InvalidArgumentError, match="fetched"):
                augment(key)
        else:
            assert np.array_equal(augment(key)[0], plain[0])
    # One less than 0.7 · 0.7 of the samples.
    assert wanted / 60 == pytest.approx(0.51, abs=0.18)


def test_partners_are_drawn_evenly():
    policy = build_policy(AugmentSettings(cutmix=0.5), 32, 32)
    draw = tf.function(lambda key: policy.draw_partner(key)[1])
    places = np.array([float(draw(key)) for key in keys(300)])
    assert np.histogram(places, 4, (0, 1))[0] / 300 == pytest.approx(0.25, abs=0.08)


def test_a_policy_that_mixes_needs_a_partner():
    image, label = map(tf.constant, sample())
    with pytest.raises(ValueError, match="needs a partner"):
        build_policy(AugmentSettings(fda_beta=0.1), 32, 32)(image, label, KEY)


def test_a_partner_is_cropped_by_draws_of_its_own():
    # The sample is its own partner: mirrored apart, halves of it would show through otherwise.
    image, label = map(tf.constant, sample())
    policy = build_policy(AugmentSettings(flip=0.5, random_crop=1.0, cutmix=1.0), 32, 32)
    alone = build_policy(AugmentSettings(flip=0.5, random_crop=1.0), 32, 32)
    differ = [
        not np.array_equal(
            policy(image, label, key, lambda: (image, label))[0], alone(image, label, key)[0]
        )
        for key in keys(10)
    ]
    assert sum(differ) >= 8


def test_an_operation_cannot_be_registered_twice():
    def flip(image, key, strength):
        return image

    with pytest.raises(ValueError, match="flip"):
        registry.operation("photometric")(flip)


def test_settings_do_not_import_tensorflow():
    program = "import sys, roadshift.augment.settings; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
