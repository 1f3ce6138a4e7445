import json
from dataclasses import replace

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.scoring.bootstrap import bootstrap_miou
from roadshift.scoring.recipe_result import Provenance, RecipeResult, recipe_result
from roadshift.scoring.recipe_tables import recipe_page, recipe_table
from roadshift.scoring.recipes import Recipe
from roadshift.scoring.results import ImageMatrices
from roadshift.scoring.settings import EvaluateSettings
from tests.recipes import CLASSES, SETTINGS, image_matrices, scored_run

PROVENANCE = Provenance(
    recipe="experiments/roads.txt",
    chosen_by="Roads.\n\nChosen on val.",
    overrides=["aug.flip=0.5"],
    seeds=[0, 1, 2],
    params_sha256="f" * 64,
    revision="0123456789abcdef" * 2,
    date="2026-01-31",
)


def roads(hits, pixels=(100, 100), ids=None):
    """Images of road alone, of which a number of pixels is recognized."""
    matrices = np.zeros((len(hits), len(CLASSES), len(CLASSES)), np.int64)
    matrices[:, 0, 0] = hits
    matrices[:, 0, 1] = np.array(pixels) - hits
    return ImageMatrices(tuple(ids or (f"img{k}" for k in range(len(hits)))), matrices)


def recipe(*runs, domain="b"):
    """A recipe with a run a seed, each of its images' matrices."""
    return Recipe(
        "roads",
        tuple(
            scored_run(f"roads-s{seed}", params={"seed": seed}, matrices={domain: found})
            for seed, found in enumerate(runs)
        ),
    )


@pytest.fixture
def three():
    """Three seeds on two like images: the mIoU is 0.60, 0.62 and 0.64."""
    return recipe(*(roads([hits, hits]) for hits in (60, 62, 64)))


def cell(found, mix="ab", domain="b"):
    return found.mixes[mix].domains[domain]


def test_mean_spread_and_interval_over_seeds_by_hand(three):
    found = cell(recipe_result({"ab": three}, settings=SETTINGS))
    assert found.by_seed == [0.6, 0.62, 0.64]
    assert (found.miou, found.spread) == (0.62, 0.02)
    # The images are alike, so the seeds' part is all: t(2 degrees of freedom, 97.5 %) · 0.02 / √3.
    half = 4.302653 * 0.02 / 3**0.5
    assert found.miou_low == pytest.approx(0.62 - half, abs=1e-5)
    assert found.miou_high == pytest.approx(0.62 + half, abs=1e-5)
    assert (found.data_set, found.images, found.joined) == ("dusk", 2, [])


def test_the_interval_is_the_bootstraps_over_seeds_and_images():
    """In the order of the ids, as the runs need not have scored the images in one order."""
    runs = [image_matrices((0.8, 0.6, 0.5), seed=seed) for seed in range(3)]
    turned = ImageMatrices(runs[1].ids[::-1], runs[1].matrices[::-1])
    settings = EvaluateSettings(bootstrap_samples=100, confidence_level=0.9)
    # All images have as many pixels of each class, so that the labels are the same.
    found = cell(recipe_result({"ab": recipe(runs[0], turned, runs[2])}, settings=settings, seed=7))
    expected = bootstrap_miou(
        np.stack([run.matrices for run in runs]), samples=100, seed=7, level=0.9
    )
    assert found.interval == pytest.approx(expected, abs=1e-6)
    alone = bootstrap_miou(runs[0].matrices, samples=100, seed=7, level=0.9)
    assert found.interval != pytest.approx(alone, abs=1e-3)


def test_one_seed_has_no_spread(three):
    one = replace(three, runs=three.runs[:1])
    result = recipe_result({"ab": one}, settings=SETTINGS)
    assert cell(result).spread is None
    assert "| ab | 60.0 (60.0 to 60.0) |" in recipe_table(result)


def test_a_group_is_scored_on_its_images_together():
    ids = ("north_1", "north_2", "south_1", "else")
    runs = [
        roads([90, 30, 10, 5], pixels=(100, 200, 100, 10), ids=ids),
        roads([60, 30, 20, 5], pixels=(100, 200, 100, 10), ids=ids),
    ]
    groups = {"north_1": "north", "north_2": "north", "south_1": "south", "else": "", "train": "x"}
    result = recipe_result({"ab": recipe(*runs)}, settings=SETTINGS, groups={"b": groups})
    found = cell(result).groups
    assert [*found] == ["no group", "north", "south"]
    assert found["north"].images == 2
    # 120 and 90 of 300 pixels, 10 and 20 of 100.
    assert (found["north"].by_seed, found["north"].miou) == ([0.4, 0.3], 0.35)
    assert found["north"].spread == pytest.approx(0.1 / 2**0.5, abs=1e-6)
    assert found["south"].by_seed == [0.1, 0.2]
    page = recipe_page(result, "roads")
    assert "## b, by group" in page
    assert "| group | images | ab |\n|---|---|---|\n| no group | 1 | 50.0 ± 0.0 |\n" in page
    assert "| north | 2 | 35.0 ± 7.1 |\n| south | 1 | 15.0 ± 7.1 |\n" in page


def test_a_class_has_its_pixels_and_the_iou_of_each_seed():
    """Three seeds find 60, 62 and 64 of a hundred pixels of road on two images, and no car."""
    matrices = np.zeros((3, 2, 3, 3), np.int64)
    matrices[..., 0, 0] = np.array([60, 62, 64])[:, None]
    matrices[..., 0, 1] = 100 - matrices[..., 0, 0]
    matrices[..., 1, 0] = 7
    runs = [ImageMatrices(("one", "two"), found) for found in matrices]
    result = recipe_result({"ab": recipe(*runs)}, settings=SETTINGS)
    found = cell(result).classes
    assert [*found] == ["road", "car", "person"]
    assert found["road"].pixels == 200
    assert found["road"].by_seed == pytest.approx([60 / 107, 62 / 107, 64 / 107], abs=1e-6)
    assert found["road"].iou == pytest.approx(62 / 107, abs=1e-6)
    assert found["road"].spread == pytest.approx(2 / 107, abs=1e-6)
    assert (found["car"].pixels, found["car"].by_seed) == (14, [0.0, 0.0, 0.0])
    assert (found["person"].pixels, found["person"].iou, found["person"].spread) == (0, None, None)
    assert recipe_page(result, "roads").count("## b, by class") == 1
    assert (
        "| class | pixels | ab |\n|---|---|---|\n"
        "| road | 200 | 57.9 ± 1.9 |\n| car | 14 | 0.0 ± 0.0 |\n| person | 0 | – |\n"
    ) in recipe_page(result, "roads")


def test_classes_that_the_labels_do_not_tell_apart_are_one():
    matrices = np.zeros((1, 3, 3), np.int64)
    matrices[0, 0, 0], matrices[0, 1, 1], matrices[0, 1, 0] = 10, 30, 10
    run = scored_run("roads-s0", matrices={"b": ImageMatrices(("one",), matrices)})
    domains = run.scores.domains
    score = domains["b"].model_copy(update={"joined": {"car + person": 0.6}})
    scores = run.scores.model_copy(update={"domains": {"b": score}})
    joined = Recipe("roads", (replace(run, scores=scores),))
    found = cell(recipe_result({"ab": joined}, settings=SETTINGS)).classes
    assert {name: (each.pixels, each.iou) for name, each in found.items()} == {
        "road": (10, 0.5),
        "car + person": (40, 0.75),
    }


def test_a_result_of_before_has_no_classes(three, tmp_path):
    result = recipe_result({"ab": three}, settings=SETTINGS)
    content = result.model_dump(mode="json")
    del content["mixes"]["ab"]["domains"]["b"]["classes"]
    file = tmp_path / "seeds.json"
    file.write_text(json.dumps(content), "utf-8")
    assert "by class" not in recipe_page(RecipeResult.load(file), "roads")


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (None, None),
        ({"b": None}, None),
        ({"b": {"img0": "north"}}, None),  # a table that lacks an image is of other scores
        ({"b": {"img0": "", "img1": ""}}, {}),
    ],
)
def test_groups_that_are_not_known_are_not_none(three, groups, expected):
    result = recipe_result({"ab": three}, settings=SETTINGS, groups=groups)
    assert cell(result).groups == expected
    assert "by group" not in recipe_page(result, "roads")


def test_a_domain_without_a_labelled_pixel_has_a_dash():
    empty = recipe(*(roads([0, 0], pixels=(0, 0)) for _ in range(2)))
    result = recipe_result({"ab": empty}, settings=SETTINGS)
    found = cell(result)
    assert (found.miou, found.spread, found.interval) == (None, None, None)
    assert found.by_seed == [None, None]
    assert "| ab | – |" in recipe_table(result)


def test_the_table_has_a_row_for_each_mix_and_the_page_each_seed(three):
    lower = recipe(*(roads([hits, hits]) for hits in (50, 50)))
    result = recipe_result({"a": lower, "ab": three}, settings=SETTINGS, provenance=PROVENANCE)
    table = recipe_table(result)
    assert table == (
        "| trained on | b = dusk (2 images) |\n"
        "|---|---|\n"
        "| a | 50.0 ± 0.0 (50.0 to 50.0) |\n"
        "| ab | 62.0 ± 2.0 (57.0 to 67.0) |\n"
    )
    page = recipe_page(result, "roads by 3 seeds")
    assert page.startswith("# roads by 3 seeds\n\nmIoU in percent: the mean over the seeds ± ")
    assert table in page
    assert "| ab | 0, 1, 2 | 60.0, 62.0, 64.0 |" in page
    assert page.endswith(
        "`experiments/roads.txt` by seed 0, 1, 2, at revision `0123456789ab`, 2026-01-31. The head "
        "of that file says:\n\n> Roads.\n>\n> Chosen on val.\n"
    )


def test_adapted_networks_have_columns_of_their_own(three):
    runs = []
    for run in three.runs:
        matrices = replace(run.matrices, adapted={"adabn": {"b": roads([30, 30])}})
        score = run.scores.domains["b"]
        score = score.model_copy(update={"adapted": {"adabn": score}})
        scores = run.scores.model_copy(update={"domains": {"b": score}})
        runs.append(replace(run, matrices=matrices, scores=scores))
    result = recipe_result({"ab": replace(three, runs=tuple(runs))}, settings=SETTINGS)
    assert cell(result).adapted["adabn"].by_seed == [0.3] * 3
    assert recipe_table(result).splitlines()[::2] == [
        "| trained on | b = dusk (2 images) | b, adabn (transductive) |",
        "| ab | 62.0 ± 2.0 (57.0 to 67.0) | 30.0 ± 0.0 (30.0 to 30.0) |",
    ]


def test_the_file_gives_the_same_table(three, tmp_path):
    result = recipe_result({"ab": three}, settings=SETTINGS, provenance=PROVENANCE)
    file = tmp_path / "seeds.json"
    result.save(file)
    assert RecipeResult.load(file) == result
    content = json.loads(file.read_text("utf-8"))
    assert content["provenance"]["chosen_by"] == "Roads.\n\nChosen on val."
    file.write_text("{}", "utf-8")
    with pytest.raises(RoadshiftError, match=r"seeds\.json: not the result of a recipe \("):
        RecipeResult.load(file)
    file.unlink()
    with pytest.raises(
        RoadshiftError, match=r"seeds\.json: missing; run the recipe over its seeds"
    ):
        RecipeResult.load(file)


def test_seeds_that_were_scored_on_other_images_are_refused(three):
    other = recipe(roads([60, 60]), roads([60, 60], ids=("img0", "other")))
    with pytest.raises(RoadshiftError, match="were scored on different images of b"):
        recipe_result({"ab": other}, settings=SETTINGS)
