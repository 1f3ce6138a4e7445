"""What is learned from the sources, and from nothing else."""

from functools import partial
from itertools import chain

import numpy as np
import pytest

import roadshift.estimation.sources as learning
from roadshift.datasets.samples import Sample
from roadshift.errors import RoadshiftError
from roadshift.estimation.camera import Range
from roadshift.estimation.estimates import ESTIMATORS, HEADLINE
from roadshift.estimation.expected import expect
from roadshift.estimation.images import SetEstimate, region_means
from roadshift.estimation.source_profile import SourceProfile, error_bar, profile_file
from roadshift.estimation.sources import learn_from_sources, try_on
from roadshift.inference.trained_network import load_trained_network
from roadshift.input_pipeline.stored_size import scale_down
from roadshift.records.reader import examples, open_shards
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy


@pytest.fixture(scope="module")
def sources(block_shards):
    return {
        "a": block_shards("bright", {"train": range(4), "val": range(4, 7)}),
        "b": block_shards("dark", {"train": range(10, 13), "val": range(13, 14)}, darker=60),
    }


@pytest.fixture(scope="module")
def profile(block_network, sources):
    return learn_from_sources(block_network, sources, mix="a", own=["a"])


def test_calibration_is_of_own_val_and_cells_are_of_held_out_sources(
    profile, sources, colour_network
):
    network = load_trained_network(colour_network).network
    right = pixels = 0
    for example in examples(sources["a"], "val"):
        logits = network(example.image[np.newaxis].astype(np.float32))[0].numpy()
        right += int((logits.argmax(-1) == example.label).sum())
        pixels += example.label.size
    assert profile.calibration.pixels == pixels
    assert profile.calibration.accuracy == pytest.approx(right / pixels, abs=2e-3)
    (cell,) = profile.cells
    assert (cell.mix, cell.role, cell.data_set, cell.images) == ("a", "b", "dark", 4)
    assert {*cell.expected_accuracy} == {*ESTIMATORS}
    assert profile.sources == ["bright"]
    assert "b (dark), held out: expected pixel accuracy" in cell.sentence


def test_labels_of_held_out_sources_change_no_estimate(block_network, block_shards, sources):
    """They change what is true alone."""
    splits = {"train": range(10, 13), "val": range(13, 14)}
    wrong = block_shards("wrong", splits, darker=60, relabel=lambda label: (label + 1) % 11)
    others = {"a": sources["a"], "b": wrong}
    found = learn_from_sources(block_network, others, mix="a", own=["a"])
    known = learn_from_sources(block_network, sources, mix="a", own=["a"])
    assert found.calibration == known.calibration
    assert found.look == known.look
    assert found.cells[0].expected_accuracy == known.cells[0].expected_accuracy
    assert found.cells[0].accuracy < 0.2 < known.cells[0].accuracy


def test_a_source_without_labelled_val_images_is_named(block_network, block_shards):
    nothing = block_shards("unlabelled", {"val": range(2)}, relabel=lambda label: label * 0 + 255)
    with pytest.raises(RoadshiftError, match="no val image of unlabelled has a labelled pixel"):
        learn_from_sources(block_network, {"a": nothing}, mix="a", own=["a"])


def test_a_held_out_source_without_labels_is_no_cell(block_network, block_shards, sources):
    nothing = block_shards("blank", {"train": range(2)}, relabel=lambda label: label * 0 + 255)
    found = learn_from_sources(block_network, {"a": sources["a"], "b": nothing}, mix="a", own=["a"])
    assert found.cells == []
    assert found.accuracy_bar(HEADLINE) is None


def test_the_profile_is_the_same_after_writing(profile, tmp_path):
    file = profile_file(tmp_path / "ab.keras")
    assert file == tmp_path / "ab.estimate.json"
    profile.save(file)
    assert SourceProfile.load(file) == profile
    file.write_text(file.read_text("utf-8").replace('"temperature"', '"heat"'), "utf-8")
    with pytest.raises(RoadshiftError, match=r"ab\.estimate\.json: not the profile of a network's"):
        SourceProfile.load(file)
    with pytest.raises(RoadshiftError, match=r"b\.estimate\.json: missing; it holds what"):
        SourceProfile.load(tmp_path / "b.estimate.json")


def bar_of(misses):
    bar = error_bar(misses)
    assert bar is not None
    return bar


def test_error_bars_by_hand():
    """Two misses of 1 and 3 points; t of 90 % with two degrees of freedom is 2.92."""
    bar = bar_of([-0.01, 0.03])
    assert (bar.cells, bar.mean, bar.largest) == (2, 0.02, 0.03)
    assert bar.half_width == pytest.approx(2.92 * np.sqrt((1 + 9) / 2) / 100, rel=1e-3)
    assert error_bar([]) is None
    # Many misses: 1.645 standard deviations.
    many = np.random.default_rng(0).normal(0, 0.02, 5000)
    assert bar_of(many.tolist()).half_width == pytest.approx(1.645 * 0.02, rel=0.03)


def test_error_bars_cover_what_they_say():
    """Misses of three held-out sources, and that of a fourth domain, are alike."""
    generator = np.random.default_rng(1)
    draws = generator.normal(0, 0.02, (2000, 4))
    held = [abs(d[3]) <= bar_of(d[:3].tolist()).half_width for d in draws]
    assert np.mean(held) == pytest.approx(0.9, abs=0.025)


@pytest.fixture
def estimated(profile, block_network, sources):
    found = SetEstimate(profile.model_copy(deep=True), block_network.taxonomy.class_names)
    for example in examples(sources["b"], "train"):
        found.add(example.id, example.image, block_network)
    return found


def test_a_set_is_the_mean_of_its_images(estimated):
    expected = estimated.expected
    mean = np.mean([image.accuracy for image in estimated.images])
    assert expected.pixel_accuracy == pytest.approx(mean, abs=1e-5)
    assert expected.images == 3
    assert expected.miou <= 1
    assert estimated.regions.mean() == pytest.approx(1 - mean, abs=0.02)
    assert sum(each.share for each in estimated.classes) == pytest.approx(1)


def test_dark_images_are_told_from_bright_ones(estimated):
    by_name = {shift.name: shift for shift in estimated.shifts}
    assert by_name["brightness"].outside == 1
    assert by_name["brightness"].is_different
    assert by_name["brightness"].here.high < by_name["brightness"].sources.low
    assert not by_name["aspect"].is_different
    assert all("brightness" in image.odd for image in estimated.images)
    assert all(image.distance > 1 for image in estimated.images)


def test_a_trait_that_few_images_have_does_not_make_the_camera_different(estimated):
    """One image of three has it: a third of the images is out of the range, not all."""
    range_of = estimated.profile.look.traits
    number = len(estimated.images)
    for image in estimated.images:
        image.traits.pop("scale", None)
    estimated.images[0].traits["scale"] = 9.0
    for known in ({"scale": Range(low=0.1, median=0.2, high=0.3)}, {}):
        range_of.pop("scale", None)
        range_of |= known
        (shift,) = (each for each in estimated.shifts if each.name == "scale")
        assert shift.outside == pytest.approx(1 / number)
        assert (shift.here.low, shift.here.high) == (9, 9)


def test_the_mean_iou_is_a_figure_only_where_its_miss_is_known_to_be_small(estimated, profile):
    def known(*misses):
        cell = profile.cells[0]
        cells = [
            cell.model_copy(update={"expected_miou": 0.5 + miss, "miou": 0.5}) for miss in misses
        ]
        changed = profile.model_copy(update={"cells": cells})
        return expect(estimated.sums, changed, images=3, class_names=estimated.class_names)

    assert known(0.01, -0.02).miou_is_known
    assert not known(0.05, -0.04).miou_is_known
    alone = known()
    assert not alone.miou_is_known
    assert (alone.miou_interval, alone.accuracy_interval) == (None, None)
    assert alone.miou_upper_bound >= alone.miou


@pytest.mark.parametrize("shape", [(6, 10), (60, 100), (61, 37), (1, 1), (3, 200)])
def test_regions_hold_their_means(shape):
    values = np.arange(shape[0])[:, np.newaxis] * np.ones(shape[1])
    found = region_means(values)
    assert found.shape == (6, 10)
    assert (np.diff(found, axis=0) >= 0).all()
    if shape == (60, 100):
        np.testing.assert_allclose(found[:, 0], [4.5, 14.5, 24.5, 34.5, 44.5, 54.5])


@pytest.fixture
def write_set(tmp_path, draw_blocks, save_image):
    """(rows of split, height, width and shift of the labels, scale_down) -> their shards."""

    def write(rows, scale_down=None):
        samples = []
        for seed, (split, height, width, shift) in enumerate(rows):
            image, label = draw_blocks(seed, height, width)
            name = f"{seed}.png"
            save_image(tmp_path / "images" / name, image)
            save_image(tmp_path / "labels" / name, (label + shift) % 11)
            samples.append(Sample(str(seed), split, "", name, name, width, height))
        (tmp_path / "shards").mkdir()
        write_shards(
            samples, ("train", "val"), images=tmp_path / "images", labels=tmp_path / "labels",
            taxonomy=load_taxonomy("driving11"), dataset="mixed", shard_megabytes=1,
            folder=tmp_path / "shards", scale_down=scale_down,
        )  # fmt: skip
        return open_shards(tmp_path / "shards")

    return write


def test_the_truth_weighs_images_by_their_pixels_as_the_estimate_does(
    profile, block_network, write_set
):
    """The small image is all wrong; a hundredth of the pixels is its own."""
    mixed = write_set([("train", 600, 900, 0), ("train", 64, 96, 1)])
    cell = try_on(block_network, mixed, profile.calibration, mix="a", role="b")
    assert cell is not None
    right = pixels = 0
    for example in examples(mixed, "train"):
        grid = block_network.grid(example.image, example.label.size)
        right += int((grid.ids == example.label).sum())
        pixels += example.label.size
    assert cell.accuracy == pytest.approx(right / pixels, abs=0.005)


def test_the_look_is_of_a_limited_number_of_images(block_network, sources, monkeypatch):
    """Every second of the four of train, and of the three of val."""
    monkeypatch.setattr(learning, "LOOK_IMAGES", {"train": 2, "val": 2})
    found = learn_from_sources(block_network, sources, mix="a", own=["a"]).look
    assert found.images == 4
    seen = [[*examples(sources["a"], split)][::2] for split in ("train", "val")]
    brightness = [
        block_network.traits(example.image, block_network.grid(example.image))["brightness"]
        for example in chain.from_iterable(seen)
    ]
    assert found.traits["brightness"].median == pytest.approx(np.median(brightness), abs=1e-6)


def test_the_look_of_sources_is_of_images_as_the_camera_gave_them(block_network, write_set):
    """Train images that are stored at half their height tell nothing of the camera's height."""
    rows = [(split, 128, 192, 0) for split in ("train", "train", "val", "val")]
    shards = write_set(rows, {"train": partial(scale_down, height=64)})
    assert {example.image.shape[0] for example in examples(shards, "train")} == {64}
    found = learn_from_sources(
        block_network, {"a": shards}, mix="a", own=["a"], looked_at=("val",)
    ).look
    assert found.images == 2
    assert (found.traits["height"].low, found.traits["height"].high) == (128, 128)
