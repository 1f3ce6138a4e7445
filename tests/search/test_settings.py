"""The file of a search: what it refuses before the first run, and what it asks."""

from pathlib import Path

import pytest
import yaml

from roadshift.errors import RoadshiftError
from roadshift.scoring.recipes import shown_value
from search.settings import load_search, rounded

PROJECT = Path(__file__).parents[2]
PARAMS = PROJECT / "params.yaml"
SOUND = {
    "question": "which?",
    "mixes": ["a", "b"],
    "space": {"aug.hue": {"low": 0, "high": 0.1}},
    "trials": 8,
    "rungs": [{"overrides": ["train.epochs=2"], "keep": 4}, {}],
}


@pytest.fixture
def load(tmp_path):
    """(changed keys) -> the search."""

    def loaded(**changes):
        content = {**SOUND, **changes}
        file = tmp_path / "mine.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        return load_search(file, PARAMS)

    return loaded


def space(**values):
    return {"space": {"aug.hue": {"low": 0, "high": 0.1}, **values}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"trails": 3}, "trails: unknown key; did you mean 'trials'?"),
        ({"space": {}}, "space: "),
        (space(**{"aug.huge": {"low": 0, "high": 1}}),
         "space.aug.huge: aug.huge: unknown key; did you mean 'hue'?"),
        (space(**{"aug.scale": {"low": 0, "high": 1}}),
         "space.aug.scale: aug.scale: renamed to aug.random_scale"),
        (space(**{"aug.blur": {"low": 0, "high": 9}}), "space.aug.blur: aug.blur: "),
        (space(**{"model.encoder": {"choices": ["mobilenet_v2", "resnet"]}}),
         "space.model.encoder: model.encoder: 'resnet' is not known"),
        (space(**{"model.encoder": {"low": 0, "high": 1}}), "space.model.encoder: model.encoder"),
        (space(**{"train.batch_size": {"low": 2, "high": 4, "step": 0.5}}),
         "space.train.batch_size: takes whole numbers; give low, high and step as such"),
        (space(**{"evaluate.tta_flip": {"low": 0, "high": 1}}), "space.evaluate.tta_flip: "),
        (space(aug={"choices": [1, 2]}), "space.aug: "),
        (space(**{"aug.blur": {"low": 1, "high": 1}}),
         "space.aug.blur: low is 1, but high 1; low must be below high"),
        (space(**{"aug.blur": {"low": 0, "high": 1, "log": True}}),
         "space.aug.blur: log needs low above 0, and goes without step"),
        (space(**{"aug.blur": {"low": 0, "high": 1, "step": 0.3}}),
         "space.aug.blur: step is 0.3, which does not lead from low to high"),
        (space(**{"aug.blur": {"low": 0}}), "space.aug.blur: give low and high, or choices"),
        (space(**{"aug.blur": {"choices": [0, 1], "low": 0}}),
         "space.aug.blur: choices stand alone; leave low, high, log and step out"),
        (space(**{"aug.blur": {"choices": [0, 0]}}),
         "space.aug.blur: a choice comes twice; leave one out"),
        (space(seed={"choices": [0, 1]}), "space.seed: candidates are compared on the same"),
        (space(**{"data.split.seed": {"choices": [0, 1]}}), "space.data.split.seed: candidates"),
        (space(**{"adapt.self_training.weight": {"low": 0, "high": 1}}),
         "space.adapt.self_training.weight: a search never reads the target; leave it out"),
        ({"overrides": ["adapt.labelled.samples=2"]},
         "adapt.labelled.samples, adapt.self_training.weight: a search never reads the target"),
        ({"mixes": ["c"]}, "mixes: 'c' is no mix"),
        ({"mixes": ["a", "ab"]}, "mixes: 'ab' has all sources, so none is held out to choose by"),
        ({"mixes": ["a", "a"]}, "mixes: a value comes twice; leave one out"),
        ({"rungs": [{"keep": 4}]}, "rungs.0.keep: no rung follows; leave it out"),
        ({"rungs": [{}, {}]},
         "rungs.0.keep: expected how many of the 8 candidates go on, not None"),
        ({"rungs": [{"keep": 9}, {}]},
         "rungs.0.keep: expected how many of the 8 candidates go on, not 9"),
        ({"rungs": [{"overrides": ["train.epoch=2"], "keep": 4}, {}]},
         "rungs.0: train.epoch: unknown key; did you mean 'epochs'?"),
        ({"rungs": [{"overrides": ["aug.hue=0"], "keep": 4}, {}]},
         "rungs.0.overrides: aug.hue is that of 'space'; leave it out"),
        ({"rungs": [{"overrides": ["seed=3"], "keep": 4}, {}]},
         "rungs.0.overrides: seed is that of 'seeds'; leave it out"),
        ({"rungs": [{"overrides": ["data.split.seed=1"], "keep": 4}, {}]},
         "rungs.1.overrides: change data.split; candidates are compared on the same images"),
        ({"confirm": {"best": 5}}, "confirm.best is 5, but the last rung has 4 candidates"),
        ({"seeds": [1, 2], "confirm": {"seeds": [2, 3]}},
         "confirm.seeds: 2 is one of the seeds that chose; take others"),
        ({"confirm": {"seeds": [5, 0]}},
         "confirm.seeds: 0 is the parameters' own seed, by which rungs.0 chooses; take others"),
        ({"seeds": [1], "confirm": {"seeds": [0]}},
         "confirm.seeds: 0 is the parameters' own seed, by which rungs.0 chooses; take others"),
        ({"overrides": ["seed=7"], "rungs": [{}], "confirm": {"seeds": [7]}},
         "confirm.seeds: 7 is the parameters' own seed, by which rungs.0 chooses; take others"),
        ({"include": "nothing.txt"}, "include: "),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_key_before_any_run(load, tmp_path, changes, expected):
    with pytest.raises(RoadshiftError) as raised:
        load(**changes)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'mine.yaml'}: {expected}")
    assert "\n" not in message


def test_a_seed_that_chooses_nothing_may_confirm(load):
    """One rung alone with its own seeds: the parameters' seed trains no candidate."""
    assert load(rungs=[{}], seeds=[1], confirm={"seeds": [0]}).settings.confirm.seeds == [0]


def test_val_of_own_sources_may_choose_where_none_is_held_out(load):
    search = load(score="val", mixes=["a", "ab"])
    assert [search.scored(mix) for mix in ("a", "ab")] == [["a"], ["a", "b"]]
    assert (search.column, load().column) == ("val", "held out")
    with pytest.raises(RoadshiftError, match="score: "):
        load(score="test")


def test_a_missing_file_is_named():
    with pytest.raises(RoadshiftError, match=r"^none\.yaml: missing; name the file of a search$"):
        load_search(Path("none.yaml"))


def test_a_candidate_has_its_values_below_the_rungs_overrides(load):
    search = load(overrides=["aug.hue=0.05"], seeds=[3])
    assert search.overrides({"aug.hue": 0.02}, 0, None) == (
        "aug.hue=0.05", "aug.hue=0.02", "train.epochs=2",
    )  # fmt: skip
    assert search.overrides({}, 1, 3) == ("aug.hue=0.05", "seed=3")
    assert search.params.aug.hue == 0.05
    assert search.scored("a") == ["b"]


def test_values_are_written_as_overrides_and_stay_in_their_range(load):
    search = load(
        space={
            "train.learning_rate": {"low": 0.00012345, "high": 0.0098765, "log": True},
            "aug.flip": {"low": 0, "high": 0.3, "step": 0.1},
            "evaluate.tta_flip": {"choices": [True, False]},
            "model.frozen_stages": {"low": 0, "high": 5},
        }
    )
    rate, flip = search.space["train.learning_rate"], search.space["aug.flip"]
    assert rounded(0.00123456, rate) == 0.001235
    assert rounded(0.00012345, rate) == 0.00012345  # 0.0001234 would be below the range
    assert rounded(0.30000000000000004, flip) == 0.3
    assert [shown_value(value) for value in (True, 0.5, 3, "unet", 1e-06)] == [
        "true", "0.5", "3", "unet", "1e-06",
    ]  # fmt: skip
    asked = type(search.space["model.frozen_stages"]).__name__
    assert asked == "IntDistribution"


@pytest.mark.parametrize(
    ("name", "roles"),
    [("search_synthetic", {"a", "b"}), ("search_streets", {"a", "b"}), ("search_camvid", {"a"})],
)
def test_the_searches_of_the_project_are_sound(name, roles):
    search = load_search(PROJECT / f"experiments/{name}.yaml", PARAMS)
    assert {role for mix in search.settings.mixes for role in search.scored(mix)} == roles
    assert not {*search.settings.confirm.seeds} & {*(search.settings.seeds or []), 0}
