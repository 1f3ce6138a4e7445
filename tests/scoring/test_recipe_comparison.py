from functools import partial

import numpy as np
import pytest

from roadshift.scoring.bootstrap import paired_bootstrap
from roadshift.scoring.metrics import class_iou
from roadshift.scoring.recipe_comparison import compare_recipes, comparison_json
from roadshift.scoring.recipes import group_runs
from tests.recipes import CLASSES, SETTINGS, scored_run


def runs(name, hits, recipe, spread=0.0):
    """Three seeds of a recipe."""
    return [
        scored_run(
            f"{name}{seed}",
            [share + spread * (seed - 1) for share in hits],
            params={"seed": seed, "aug.x": recipe},
        )
        for seed in range(3)
    ]


@pytest.fixture(scope="module")
def comparison():
    main = runs("main", (0.8, 0.6, 0.5), 0)
    car = runs("car", (0.8, 0.75, 0.5), 1)
    return compare_recipes("ab", group_runs([*main, *car]), settings=SETTINGS)


def test_a_gain_over_images_and_seeds_is_better(comparison):
    (domain,) = comparison.domains
    assert (domain.domain, domain.data_set, domain.images) == ("target", "dusk", 6)
    base, row = domain.rows
    assert (base.score.verdict, base.sentence, base.outlook) == ("", "", None)
    assert row.score.verdict == "better"
    assert row.sentence.startswith("On target, car0 is better than main0: +")


def iou_of(class_id, matrices):
    return class_iou(matrices)[:, class_id]


def test_the_class_that_changed_most_comes_first_with_its_own_interval(comparison):
    row = comparison.domains[0].rows[1]
    assert row.classes[0].name == "car"
    assert {change.name for change in row.classes} == {*CLASSES}
    stacks = [
        np.stack([run.matrices.domains["target"].matrices for run in recipe.runs])
        for recipe in comparison.recipes
    ]
    for change in row.classes:
        class_id = CLASSES.index(change.name)
        base, other = (class_iou(m.sum(axis=1))[:, class_id].mean() for m in stacks)
        assert (change.base, change.other) == (pytest.approx(base), pytest.approx(other))
        # The same bootstrap, of whole matrices.
        whole = paired_bootstrap(*stacks, samples=200, score=partial(iou_of, class_id))
        assert change.difference == pytest.approx(whole)
    assert row.classes[0].difference.low > 0


def test_the_image_that_changed_most_comes_first():
    main, other = scored_run("main"), scored_run("other")
    found = other.matrices.domains["target"]
    # All pixels of one image are right.
    found.matrices[4] = np.diag(found.matrices[4].sum(axis=1))
    other = scored_run("other", matrices={"target": found})
    compared = compare_recipes("ab", group_runs([main, other]), settings=SETTINGS)
    images = compared.domains[0].rows[1].images
    assert (images[0].name, images[0].other) == ("img4", 1.0)
    assert [image.difference for image in images[1:]] == [0.0] * 5


def test_seeds_that_lie_apart_tell_how_many_more_it_takes():
    main = runs("main", (0.8, 0.6, 0.5), 0, spread=0.03)
    more = runs("more", (0.84, 0.64, 0.54), 1, spread=0.03)
    compared = compare_recipes("ab", group_runs([*main, *more]), settings=SETTINGS)
    row = compared.domains[0].rows[1]
    assert row.score.verdict == "not told apart"
    assert row.outlook is not None
    assert row.outlook.needs == "seeds"
    assert f"{row.outlook.seeds} seeds of each would tell" in row.sentence


def test_null_recipes_are_not_told_apart():
    """Two times three seeds of one recipe, in at least 18 of 20 draws of images."""
    told = 0
    for draw in range(20):
        generator = np.random.default_rng(draw)
        both = []
        for name in ("x", "y"):
            for seed in range(3):
                found = scored_run("").matrices.domains["target"]
                shares = np.clip(
                    0.6 + generator.normal(0, 0.02) + generator.normal(0, 0.05, (6, 3)), 0, 1
                )
                for image, image_shares in enumerate(shares):
                    for k, share in enumerate(image_shares):
                        found.matrices[image, k] = 0
                        found.matrices[image, k, k] = hits = round(1000 * share)
                        found.matrices[image, k, (k + 1) % 3] = 1000 - hits
                both.append(
                    scored_run(
                        f"{name}{seed}",
                        params={"seed": seed, "aug.x": name},
                        matrices={"target": found},
                    )
                )
        compared = compare_recipes("ab", group_runs(both), settings=SETTINGS, seed=draw)
        told += compared.domains[0].rows[1].score.verdict != "not told apart"
    assert told <= 2


def test_classes_that_are_scored_as_one_are_listed_once():
    main, other = scored_run("main"), scored_run("other", (0.7, 0.6, 0.5))
    for run in (main, other):
        run.scores.domains["target"].joined["road + car"] = 0.5
    compared = compare_recipes("ab", group_runs([main, other]), settings=SETTINGS)
    names = {change.name for change in compared.domains[0].rows[1].classes}
    assert names == {"road + car", "person"}


def test_the_json_has_every_class_and_image(comparison):
    content = comparison_json(comparison)
    assert [recipe["changed"] for recipe in content["recipes"]] == ["", "aug.x 0 → 1"]
    assert content["recipes"][1]["runs"][2] == {"name": "car2", "seed": 2}
    base, car = content["domains"]["target"]["recipes"].values()
    assert {*base} == {"miou", "by_seed"}
    assert len(car["by_seed"]) == 3
    assert (car["verdict"], car["needs"]) == ("better", "nothing")
    assert len(car["classes"]) == 3
    assert len(car["images"]) == 6
    assert car["difference"] == pytest.approx(car["miou"] - base["miou"], abs=2e-6)
