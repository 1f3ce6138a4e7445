"""A recipe over its seeds by the real DVC, on a miniature of the project. The tests are a story:
each goes on where the one before it ended."""

import json
import re
import signal
import statistics
import sys
import time

import pytest

from ablation.seeds import head_of, load_recipe
from roadshift.errors import RoadshiftError
from roadshift.networks.build import build_network
from roadshift.networks.files import save_network
from roadshift.networks.settings import InferenceSettings, ModelSettings
from roadshift.scoring.recipe_result import RecipeResult
from roadshift.scoring.recipe_tables import recipe_page, recipe_table
from tests.miniature import PROJECT, TINY

COMMAND = (sys.executable, "-m", "ablation.seeds", "experiments/tiny.txt", "--seeds")
RESULTS = "docs/results/tiny"
RECIPE = """# A tiny recipe.
#
#   make streets
# It was chosen by nobody.
-S aug.flip=1.0
# The other mix has its own experiment.
-S ~mixes.a
"""
FIRST = "model.weights=weights/first.keras"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    file = tmp_path / "tiny.txt"
    file.write_text(RECIPE, "utf-8")
    return file


def test_a_recipe_is_its_overrides_with_each_seed_and_the_head_of_its_file(file):
    recipe = load_recipe(file, [2, 0])
    assert recipe.seeds == (0, 2)
    assert recipe.overrides == ("aug.flip=1.0", "~mixes.a")
    assert [recipe.params[seed].seed for seed in (0, 2)] == [0, 2]
    assert all([*params.mixes] == ["b", "ab"] for params in recipe.params.values())
    assert recipe.chosen_by == "A tiny recipe.\n\n  make streets\nIt was chosen by nobody."
    assert recipe.experiment(2) == "tiny-s2"


def test_the_digest_is_that_of_all_parameters_but_the_seed(file):
    digest = load_recipe(file, [0]).digest
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert load_recipe(file, [3, 4]).digest == digest
    file.write_text(RECIPE.replace("1.0", "0.5"), "utf-8")
    assert load_recipe(file, [0]).digest != digest


def test_a_file_without_a_comment_says_nothing(file):
    file.write_text("-S aug.flip=1.0\n# later\n", "utf-8")
    assert head_of(file) == ""


@pytest.mark.parametrize(
    ("content", "seeds", "message"),
    [
        (RECIPE, [0, 1, 0], "seed 0 comes twice; give each seed once"),
        (RECIPE, [-1], "seed: input should be greater than or equal to 0, not -1"),
        ("-S aug.flop=1\n", [0], "tiny.txt: aug.flop: unknown key; did you mean 'flip'?"),
        ("-S seed=3\n", [0], "tiny.txt: sets seed; remove it, since the seeds are given apart"),
        ("aug.flip=1\n", [0], "tiny.txt: expected only '-S key=value'; remove the rest"),
        ("-S 'aug.flip=1\n", [0], "tiny.txt: not text in UTF-8 with closed quotes"),
        (None, [0], "tiny.txt is missing"),
    ],
)
def test_what_is_no_recipe_is_said_before_anything_runs(file, content, seeds, message):
    file.unlink() if content is None else file.write_text(content, "utf-8")
    with pytest.raises(RoadshiftError, match=re.escape(message)):
        load_recipe(file, seeds)


@pytest.fixture(scope="module")
def project(miniature):
    recipe = f"{RECIPE}-S {FIRST}\n"
    (miniature.folder / "experiments/tiny.txt").write_text(recipe, "utf-8")
    # A file that git ignores, as all files of networks.
    (miniature.folder / "weights").mkdir()
    settings = ModelSettings.model_validate(TINY["model"])
    network = build_network(settings, ("road", "sky"), seed=7)
    save_network(network, miniature.folder / "weights/first.keras", InferenceSettings())
    # The images of b have groups, by the last digit of their ids.
    card = miniature.folder / "roadshift/datasets/cards/tiny_overcast.yaml"
    card.write_text(
        re.sub(
            r"^layout:\n", "layout:\n  group: '([0-9])$'\n", card.read_text("utf-8"), flags=re.M
        ),
        "utf-8",
    )
    # A lock in git, as the project's is: a checkout of the last commit resets it.
    miniature.run("dvc", "repro", "validate_params")
    miniature.commit("a recipe")
    return miniature


def results(project):
    return {f.name: f.read_text("utf-8") for f in (project.folder / RESULTS).iterdir()}


@pytest.fixture(scope="module")
def cut(project):
    """The names of the stages that ran before SIGTERM in the training of the second network."""
    with project.started(*COMMAND, "0") as process:
        while process.poll() is None and "train@ab" not in log(project, 0):
            time.sleep(0.1)
        process.terminate()
        printed, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, printed
    return log(project, 0)


@pytest.fixture(scope="module")
def one_seed(project, cut):
    return project.run(*COMMAND, "0")


@pytest.fixture(scope="module")
def two_seeds(project, one_seed):
    return project.run(*COMMAND, "0", "1")


def log(project, seed):
    file = project.folder / f".dvc/tmp/ablation/logs/tiny/s{seed}.log"
    text = file.read_text("utf-8") if file.is_file() else ""
    return re.findall("Running stage '(.*)'", text)


@pytest.mark.workflow
def test_a_cut_seed_goes_on_behind_its_finished_networks(project, cut, one_seed):
    assert "train@b" in cut  # from the weights of a file that git does not have
    ran = log(project, 0)
    assert {"train@ab", "evaluate@b", "evaluate@ab"} <= {*ran}
    assert not {"train@b", "shard@a", "remap@a", "download@a"} & {*ran}


@pytest.mark.workflow
def test_one_seed_has_an_interval_and_no_spread(project, one_seed):
    assert "[1/1] seed 0: tiny-s0, log in " in one_seed
    assert "[1/1] seed 0: done" in one_seed
    assert re.search(r"\| ab \| \d+\.\d \(\d+\.\d to \d+\.\d\) \|", one_seed)


@pytest.mark.workflow
def test_a_further_seed_runs_alone_on_the_data_of_the_first(project, two_seeds):
    assert "[1/2] seed 0: as before" in two_seeds
    assert log(project, 0) == ["check_inputs"]
    assert "[2/2] seed 1: done" in two_seeds
    ran = log(project, 1)
    assert {f"{stage}@{mix}" for stage in ("train", "evaluate") for mix in ("b", "ab")} <= {*ran}
    assert not [stage for stage in ran if stage.startswith(("download", "remap", "shard"))]


@pytest.mark.workflow
def test_each_seed_is_an_experiment_and_the_workspace_is_left_alone(project, two_seeds):
    names = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/*").split()
    assert {name.rsplit("/", 1)[1] for name in names} == {"tiny-s0", "tiny-s1"}
    assert {*results(project)} == {"seeds.json", "seeds.md"}
    changed = project.run("git", "status", "--porcelain", "--", ".", f":!{RESULTS}")
    assert changed == ""


@pytest.mark.workflow
def test_the_result_is_what_the_experiments_scored(project, two_seeds):
    content = json.loads(results(project)["seeds.json"])
    assert [*content["mixes"]] == ["b", "ab"]
    scores = []
    for name in ("tiny-s0", "tiny-s1"):
        ref = project.run("git", "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}")
        shown = project.run("git", "show", f"{ref.strip()}:metrics/scores/ab.json")
        scores.append(json.loads(shown)["domains"])
    for domain, found in content["mixes"]["ab"]["domains"].items():
        mious = [each[domain]["miou"] for each in scores]
        assert found["by_seed"] == pytest.approx(mious, abs=1e-4)
        assert found["miou"] == pytest.approx(statistics.mean(mious), abs=1e-4)
        assert found["spread"] == pytest.approx(statistics.stdev(mious), abs=1e-4)
        assert found["miou_low"] < found["miou"] < found["miou_high"]
        assert found["images"] == 3
    told = content["provenance"]
    assert told["revision"] == project.run("git", "rev-parse", "HEAD").strip()
    assert (told["seeds"], told["overrides"]) == ([0, 1], ["aug.flip=1.0", "~mixes.a", FIRST])
    assert told["chosen_by"].startswith("A tiny recipe.")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", told["date"])


@pytest.mark.workflow
def test_groups_of_images_are_told_where_the_set_has_them(project, two_seeds):
    domains = json.loads(results(project)["seeds.json"])["mixes"]["ab"]["domains"]
    assert sum(group["images"] for group in domains["b"]["groups"].values()) == 3
    assert len(domains["b"]["groups"]) == 3
    assert domains["a"]["groups"] == domains["target"]["groups"] == {}


@pytest.mark.workflow
def test_the_page_is_made_from_the_file_alone(project, two_seeds):
    result = RecipeResult.load(project.folder / RESULTS / "seeds.json")
    page = results(project)["seeds.md"]
    assert page == recipe_page(result, "tiny by 2 seeds")
    assert recipe_table(result) in page
    assert page in two_seeds
    assert re.search(r"\| ab \| \d+\.\d ± \d+\.\d \(\d+\.\d to \d+\.\d\) \|", page)


@pytest.mark.workflow
def test_compare_tells_the_same(project, two_seeds):
    command = (sys.executable, "-m", "roadshift", "compare", "tiny-s0", "tiny-s1", "--json")
    told = json.loads(project.run(*command))
    assert told["mixes"] == json.loads(results(project)["seeds.json"])["mixes"]


@pytest.mark.workflow
def test_a_second_time_nothing_runs_and_nothing_changes(project, two_seeds):
    before = results(project)
    # By its name the branch would be taken for the experiment.
    project.run("git", "branch", "tiny-s0")
    printed = project.run(*COMMAND, "0", "1")
    project.run("git", "branch", "--delete", "tiny-s0")
    assert "[1/2] seed 0: as before" in printed
    assert log(project, 1) == ["check_inputs"]
    assert results(project) == before


@pytest.mark.workflow
def test_a_failure_is_told_with_its_reason_and_keeps_the_result(project, two_seeds):
    file = project.folder / "experiments/tiny.txt"
    before = results(project)
    file.write_text("-S train.batch_size=1\n-S ~mixes.a\n", "utf-8")
    printed = project.run(*COMMAND, "0", ok=False)
    file.write_text(RECIPE, "utf-8")
    assert "source 'b' gets no image of a batch of 1" in printed
    assert printed.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in printed
    assert results(project) == before
