from pathlib import Path

import pytest
import yaml

from ablation.variants import load_ablation, only, override
from roadshift.errors import RoadshiftError
from roadshift.training.adapt_settings import AdaptSettings
from stages.params import RENAMED, load_params

PROJECT = Path(__file__).parents[2]
PARAMS = PROJECT / "params.yaml"
GOOD = {
    "question": "what helps?",
    "mix": "ab",
    "base": "plain",
    "overrides": ["aug.flip=0"],
    "variants": [
        {"name": "plain", "question": "nothing", "overrides": ["reg.l1=0.000001"]},
        {"name": "hue", "extends": "plain", "question": "hue", "overrides": ["aug.hue=0.1"]},
    ],
}


@pytest.fixture
def load(tmp_path):
    """Loads a good ablation with some of its keys changed."""

    def with_changes(variant=(), **changes):
        content = {**GOOD, **changes}
        if variant:
            content["variants"] = [*content["variants"], {"question": "?", **dict(variant)}]
        file = tmp_path / "mine.yaml"
        file.write_text(yaml.safe_dump(content), "utf-8")
        return load_ablation(file, PARAMS)

    return with_changes


def test_overrides_come_in_order_shared_inherited_own_seed(load):
    ablation = load({"name": "both", "extends": "hue", "overrides": ["aug.flip=1"], "seeds": [3]})
    assert ablation.name == "mine"
    assert [run.name for run in ablation.runs] == ["plain", "hue", "both-s3"]
    last = ablation.runs[-1]
    assert last.overrides == (
        "aug.flip=0", "reg.l1=0.000001", "aug.hue=0.1", "aug.flip=1", "seed=3",
    )  # fmt: skip
    assert (last.params.aug.flip, last.params.aug.hue, last.params.seed) == (1, 0.1, 3)
    assert last.params.reg.l1 == 1e-6
    committed = load_params(PARAMS)
    assert last.params.train == committed.train


def test_the_base_runs_first_with_all_of_its_seeds(load):
    ablation = load({"name": "other", "seeds": [0, 1]}, base="other")
    assert [run.name for run in ablation.runs] == ["other-s0", "other-s1", "plain", "hue"]


def test_seeds_of_the_file_are_those_of_all_variants_without_their_own(load):
    ablation = load({"name": "other", "seeds": [7]}, seeds=[0, 1], mix=None, mixes=["a", "b"])
    assert [run.name for run in ablation.runs] == [
        "plain-s0", "plain-s1", "hue-s0", "hue-s1", "other-s7",
    ]  # fmt: skip
    assert ablation.settings.all_mixes == ("a", "b")
    assert ablation.settings.race is None


@pytest.mark.parametrize(("race", "error"), [(None, 0.05), ({"error": 0.1}, 0.1)])
def test_a_race_needs_no_settings(load, race, error):
    settings = load(seeds=[0, 1, 2], race=race).settings
    assert settings.race is not None
    assert settings.race.error == error


def test_included_overrides_come_before_all_others(load, tmp_path):
    (tmp_path / "sizes.txt").write_text("# sizes\n-S train.epochs=3\n-S aug.flip=1\n", "utf-8")
    run = load(include="sizes.txt").runs[0]
    assert run.overrides[:3] == ("train.epochs=3", "aug.flip=1", "aug.flip=0")
    assert (run.params.train.epochs, run.params.aug.flip) == (3, 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mix": "abc"}, "mix: 'abc' is no mix; did you mean 'ab'?"),
        ({"mix": None, "mixes": ["ab", "abc"]}, "mixes: 'abc' is no mix; did you mean 'ab'?"),
        ({"mixes": ["a", "b"]}, "mix, mixes: give one of the two"),
        ({"mix": None}, "mix, mixes: give one of the two"),
        ({"mix": None, "mixes": ["a", "a"]}, "mixes: a comes twice; leave one out"),
        ({"seeds": [2, 2]}, "seeds: 2 comes twice; leave one out"),
        ({"mix": None, "mixes": ["a", "b"], "oracle": "hue"}, "oracle: the gap that a variant"),
        ({"race": None}, "race: a variant is looked at after 3 seeds and after each further one;"),
        ({"race": None, "seeds": [0, 1]}, "give at least 3 seeds, as in seeds: [0, 1, 2, 3, 4, 5]"),
        ({"race": {"error": 0}, "seeds": [0, 1, 2]}, "race.error: input should be greater than 0"),
        (
            {"race": None, "seeds": [0, 1, 2], "variant": {"name": "x", "seeds": [0]}},
            "variant 'x': has seeds of its own, but in a race all variants run the file's",
        ),
        (
            {"variant": {"name": "x", "overrides": ["~mixes.ab.b"]}},
            "variant 'x': the sources of mix ab are a, the base's a, b; variants are compared on",
        ),
        ({"oracle": "plane"}, "oracle: 'plane' is no variant; did you mean 'plain'?"),
        (
            {"variant": {"name": "x", "scored": "tent"}},
            "variant 'x': scored by tent, but adapt.tent_steps is off",
        ),
        ({"base": "plane"}, "base: 'plane' is no variant; did you mean 'plain'?"),
        ({"overides": []}, "overides: unknown key; did you mean 'overrides'?"),
        ({"variants": []}, "variants: list should have at least 1 item"),
        ({"overrides": ["aug.flp=0"]}, "variant 'plain': aug.flp: unknown key; did you mean"),
        (
            {"overrides": ["aug.cast=0.3"]},
            "mine.yaml: variant 'plain': aug.cast: renamed to aug.colour_cast",
        ),
        ({"overrides": ["+aug.cast=0.3"]}, "aug.cast: renamed to aug.colour_cast"),
        ({"overrides": ["aug.flip=2"]}, "aug.flip: input should be less than or equal to 1, not 2"),
        ({"overrides": ["aug.flip"]}, "variant 'plain': an override cannot be read as key=value"),
        ({"overrides": ["aug.flip=0,1"]}, "'aug.flip=0,1' names several values; make a variant"),
        ({"overrides": ["other.yaml:aug.flip=0"]}, "other.yaml:aug.flip: unknown key"),
        ({"include": "none.txt"}, "none.txt is missing"),
        ({"question": "a | b"}, "question: string should match pattern"),
        ({"variant": {"name": "hue"}}, "variants: 'hue' comes twice; rename one"),
        ({"variant": {"name": "x", "extends": "hues"}}, "variant 'x': extends 'hues', which is no"),
        ({"variant": {"name": "x", "seeds": [1, 1]}}, "variant 'x': a seed comes twice"),
        ({"variant": {"name": "x", "seeds": []}}, "variants.2.seeds: list should have at least 1"),
        ({"variant": {"name": "a/b"}}, "variants.2.name: string should match pattern"),
        (
            {"variant": {"name": "x", "overrides": ["domains.b=ika"]}},
            "variants are compared on the same images",
        ),
    ],
)
def test_what_is_refused_before_anything_runs(load, changes, expected):
    with pytest.raises(RoadshiftError) as caught:
        load(**changes)
    message = str(caught.value)
    assert "mine.yaml: " in message
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_override_of_an_earlier_version_is_refused_with_its_name_now(load, old, new):
    with pytest.raises(RoadshiftError, match=f"variant 'plain': {old}: renamed to {new}$"):
        load(overrides=[f"{old}=0"])


def test_an_included_file_of_something_else(load, tmp_path):
    (tmp_path / "sizes.txt").write_text("--force\n", "utf-8")
    with pytest.raises(RoadshiftError, match=r"sizes\.txt: expected only '-S key=value'"):
        load(include="sizes.txt")


@pytest.mark.parametrize("content", [b"a: [", b"\xe9"])
def test_a_file_that_is_no_yaml(tmp_path, content):
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(RoadshiftError, match="not YAML"):
        load_ablation(file, PARAMS)


def test_a_missing_file(tmp_path):
    with pytest.raises(RoadshiftError, match="missing; name the file"):
        load_ablation(tmp_path / "none.yaml", PARAMS)


@pytest.mark.parametrize("name", ["ablation", "ablation_synthetic"])
@pytest.mark.slow
def test_the_committed_ablations_start_from_nothing_and_end_with_the_recipe(name):
    ablation = load_ablation(PROJECT / "experiments" / f"{name}.yaml", PARAMS)
    base = ablation.runs[0].params
    on = {
        f"{section}.{key}": value
        for section in ("aug", "reg")
        for key, value in getattr(base, section).model_dump().items()
        if value and not key.endswith("_probability")  # of a family: off where its members are
    }
    assert on == {}, "source_only leaves these on"
    recipe = ablation.runs[-1]
    assert recipe.variant.overrides == []
    assert recipe.variant.extends is None


def test_the_adaptations_differ_in_nothing_but_adapt():
    ablation = load_ablation(PROJECT / "experiments/adaptation.yaml", PARAMS)
    bases = {run.params.seed: run.params for run in ablation.runs[:3]}
    assert [*bases] == [0, 1, 2]
    assert all(base.adapt == AdaptSettings() for base in bases.values())
    for run in ablation.runs[3:]:
        base = bases[run.params.seed]
        assert run.params.adapt != base.adapt
        assert run.params.model_copy(update={"adapt": base.adapt}) == base
    samples = [run.params.adapt.labelled.samples for run in ablation.runs[::3]]
    assert samples[:5] == [0, 1, 5, 20, "all"]


@pytest.mark.slow
def test_some_variants_alone_run_after_their_base():
    ablation = load_ablation(PROJECT / "experiments/ablation.yaml", PARAMS)
    few = only(ablation, ["recipe", "hue"])
    assert [run.name for run in few.runs] == ["source_only", "hue", "recipe-s0", "recipe-s1"]
    assert few.settings == ablation.settings
    with pytest.raises(RoadshiftError, match=r"'heu' is no variant of ablation.*'hue'"):
        only(ablation, ["heu"])


@pytest.mark.slow
def test_the_ablation_asks_of_every_method_alone():
    ablation = load_ablation(PROJECT / "experiments/ablation.yaml", PARAMS)
    base, recipe = ablation.runs[0].params, ablation.runs[-1].params
    for section in ("aug", "reg"):
        off, best = getattr(base, section), getattr(recipe, section)
        for key in type(off).model_fields:
            if key.endswith("_probability"):
                continue
            strengths = [
                strength
                for run in ablation.runs
                if (strength := getattr(getattr(run.params, section), key))
                and run.params
                == base.model_copy(update={section: off.model_copy(update={key: strength})})
            ]
            assert len(strengths) == 1, f"{section}.{key} has no variant"
            # At the recipe's strength, if the recipe has it.
            assert strengths[0] == (getattr(best, key) or strengths[0])


def comments(text):
    """Each comment with the key that it belongs to: that of its line, or of the next."""
    found, waiting = [], []
    for line in text.splitlines():
        code, _, comment = (part.strip() for part in line.partition("#"))
        if comment and not code:
            waiting.append(comment)
        elif code:
            key = code.partition(":")[0]
            found += [(key, each) for each in [*waiting, *([comment] if comment else [])]]
            waiting = []
    return found


@pytest.mark.parametrize("key", ["seed=1", "evaluate.tta_scales=[1.0,0.5]"])
def test_dvc_leaves_the_comments_of_the_parameters_where_they_belong(tmp_path, key):
    """DVC writes each list anew, one item a line, whatever key changed; three times running."""
    file = tmp_path / "params.yaml"
    text = PARAMS.read_text("utf-8")
    file.write_text(text, "utf-8")
    for _ in range(3):
        override(file, [key])
        assert comments(file.read_text("utf-8")) == comments(text)
