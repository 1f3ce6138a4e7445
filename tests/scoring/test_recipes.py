from dataclasses import replace

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.scoring.recipes import Recipe, check_comparable, group_runs
from roadshift.scoring.results import ImageMatrices
from tests.recipes import image_matrices, scored_run

MAIN = {"seed": 0, "aug.brightness": 0.4, "aug.flip": 0, "evaluate.tta_flip": False}


def run(name, inputs=None, **params):
    changed = {**MAIN, **{key.replace("__", "."): value for key, value in params.items()}}
    return scored_run(name, params=changed, inputs=inputs or {"data/code/train.json": "1"})


def grouped(*runs):
    return [[run.name for run in recipe.runs] for recipe in group_runs(runs)]


def test_runs_that_differ_in_the_seed_alone_are_one_recipe():
    a, b = run("main"), run("s1", seed=1)
    dark = run("dark", aug__brightness=0.3)
    assert grouped(a, dark, b) == [["main", "s1"], ["dark"]]
    assert [recipe.seeds for recipe in group_runs([a, dark, b])] == [(0, 1), (0,)]


def test_a_recipe_has_the_name_of_its_first_run_and_says_what_it_changed():
    dark = run("dark", aug__brightness=0.3, evaluate__tta_flip=True)
    first, other = group_runs([run("main"), dark])
    assert (first.name, first.changed, first.title) == ("main", "", "main")
    assert other.name == "dark"
    assert other.changed == "aug.brightness 0.4 → 0.3, evaluate.tta_flip false → true"
    assert other.title == f"dark ({other.changed})"


def test_a_parameter_that_one_of_them_lacks_is_said():
    other = group_runs([run("main"), run("new", reg__l1=0.1)])[1]
    assert other.changed == "reg.l1 none → 0.1"


def test_many_changes_are_counted():
    many = {f"aug__x{number}": number for number in range(6)}
    changed = group_runs([run("main"), run("new", **many)])[1].changed
    assert changed.endswith("aug.x3 none → 3 and 2 more")


def test_other_code_is_another_recipe():
    other = run("branch", {"data/code/train.json": "2"}, seed=1)
    assert grouped(run("main"), other) == [["main"], ["branch"]]
    assert group_runs([run("main"), other])[1].changed == "another data/code/train.json"


def test_the_same_results_are_no_second_seed():
    assert grouped(run("main"), run("workspace")) == [["main"]]


def test_a_seed_that_came_out_differently_is_a_second_run():
    """As on another machine."""
    assert grouped(run("main"), replace(run("there", seed=1), params=MAIN)) == [["main", "there"]]


def test_runs_of_unknown_parameters_are_recipes_of_their_own():
    files = [scored_run("x"), scored_run("y")]
    assert grouped(*files) == [["x"], ["y"]]
    recipes = group_runs([run("main"), *files])
    assert [recipe.changed for recipe in recipes] == ["", "", ""]
    assert recipes[1].seeds == (None,)


def test_metrics_and_matrices_of_one_run_agree():
    scored_run("main").check()


def test_metrics_of_another_run_than_the_matrices_are_found():
    stale = replace(scored_run("main"), scores=scored_run("x", (0.9, 0.6, 0.5)).scores)
    with pytest.raises(RoadshiftError) as error:
        stale.check()
    assert str(error.value) == (
        "main: mix 'ab' on target: the metrics and the confusion matrices are of two runs; run "
        "dvc repro, or dvc checkout"
    )


def refused(first, second):
    with pytest.raises(RoadshiftError) as error:
        check_comparable([Recipe("main", (first,)), Recipe("other", (second,))])
    return str(error.value)


def test_what_differs_in_the_scored_images_is_named():
    main = scored_run("main")
    assert refused(main, scored_run("other", taxonomy="four")) == (
        "main and other have different taxonomies, 'three' and 'four'; set data.taxonomy alike, "
        "and run again"
    )
    assert refused(main, scored_run("other", data_set="noon")) == (
        "main and other were scored on different data sets: target is 'dusk' and 'noon'; set "
        "domains.target alike, and run again"
    )
    fewer = scored_run("other", matrices={"target": image_matrices((1, 1, 1), images=4)})
    assert refused(main, fewer) == (
        "main and other were scored on different images of target; in one of them only: img4, "
        "img5; set data.split alike, and run again"
    )
    elsewhere = scored_run("other", matrices={"a": image_matrices((1, 1, 1))})
    assert refused(main, elsewhere) == "main and other were scored on no common domain"


def test_labels_that_differ_are_named_by_their_image():
    main = scored_run("main")
    found = main.matrices.domains["target"]
    changed = found.matrices.copy()
    changed[2, 0, 0] += 1
    other = scored_run("other", matrices={"target": ImageMatrices(found.ids, changed)})
    assert refused(main, other) == (
        "main and other were scored on different labels of target: img2; score both on the same "
        "data"
    )


def test_the_order_of_the_images_does_not_matter_and_further_domains_are_left_out():
    main = scored_run("main")
    found = main.matrices.domains["target"]
    turned = ImageMatrices(found.ids[::-1], np.ascontiguousarray(found.matrices[::-1]))
    other = scored_run("other", matrices={"more": found, "target": turned})
    pair = [Recipe("main", (main,)), Recipe("other", (other,))]
    assert check_comparable(pair) == ["target"]
    assert main.same_results(scored_run("again", matrices={"target": turned}))
