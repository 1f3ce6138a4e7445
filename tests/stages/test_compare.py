"""`roadshift compare` by the real DVC: two recipes with three seeds each, as experiments.

The recipes differ in scoring alone, so that they share the trainings.
"""

import json
import statistics

import pytest

pytestmark = pytest.mark.workflow
COMMAND = ("python", "-m", "roadshift", "compare")
MIX = "evaluate@ab"
OURS, THEIRS = ("main", "seed-1", "seed-2"), ("flip-0", "flip-1", "flip-2")
RESULTS = ("params.yaml", "dvc.lock", "metrics", "models", ".git/HEAD", ".git/refs", ".git/index")


@pytest.fixture(scope="module")
def project(miniature):
    """Each experiment starts from the workspace that the one before it left."""
    miniature.run("dvc", "repro", MIX)
    miniature.commit("results")
    for name, override in (
        ("flip-0", "evaluate.tta_flip=true"),
        ("flip-1", "seed=1"),
        ("seed-1", "evaluate.tta_flip=false"),
        ("seed-2", "seed=2"),
        ("flip-2", "evaluate.tta_flip=true"),
    ):
        miniature.run("dvc", "exp", "run", "--name", name, "-S", override, MIX)
    return miniature


def refused(project, *arguments):
    printed = project.run(*COMMAND, *arguments, ok=False)
    assert printed.startswith("Error: ")
    assert printed.count("\n") == 1
    return printed.removeprefix("Error: ").rstrip("\n")


def test_two_recipes_with_three_seeds_each_are_compared(project):
    before = project.hashes(*RESULTS)
    content = json.loads(project.run(*COMMAND, *OURS, *THEIRS, "--json"))
    assert project.hashes(*RESULTS) == before
    assert [*content] == ["ab"]
    recipes = content["ab"]["recipes"]
    assert [[run["name"] for run in recipe["runs"]] for recipe in recipes] == [[*OURS], [*THEIRS]]
    assert [[run["seed"] for run in recipe["runs"]] for recipe in recipes] == [[0, 1, 2]] * 2
    assert [recipe["changed"] for recipe in recipes] == ["", "evaluate.tta_flip false → true"]
    assert [*content["ab"]["domains"]] == ["a", "b", "target"]
    scores = json.loads((project.folder / "metrics/scores/ab.json").read_text("utf-8"))
    for domain, found in content["ab"]["domains"].items():
        ours, theirs = found["recipes"]["main"], found["recipes"]["flip-0"]
        # The workspace has the results of the last experiment.
        assert theirs["by_seed"][2] == pytest.approx(scores["domains"][domain]["miou"], abs=1e-4)
        assert theirs["difference"] == pytest.approx(theirs["miou"] - ours["miou"], abs=2e-6)
        assert theirs["low"] <= theirs["difference"] <= theirs["high"]
        # One row a domain: Holm changes nothing, and the interval alone decides.
        above, below = theirs["low"] > 0, theirs["high"] < 0
        told = "better" if above else "worse" if below else "not told apart"
        assert theirs["verdict"] == told
        said = f"flip-0 is {told} than main" if above or below else f"flip-0 and main are {told}"
        assert theirs["sentence"].startswith(f"On {domain}, {said}: ")
        assert len(theirs["images"]) == 3


def test_the_workspace_and_a_path_are_compared_with_a_revision(project):
    folder = str(project.folder)
    for named in ("workspace", folder):
        content = json.loads(project.run(*COMMAND, "main", named, "--mix", "ab", "--json"))
        assert content["ab"]["recipes"][1]["runs"] == [{"name": named, "seed": 2}]
        for found in content["ab"]["domains"].values():
            assert "verdict" not in found["recipes"]["main"]
            assert found["recipes"][named]["verdict"] == "one run"


def test_the_tables_and_the_page_have_the_verdicts(project):
    printed = project.run(*COMMAND, *OURS, *THEIRS, "--html", "compared.html")
    page = (project.folder / "compared.html").read_text("utf-8")
    project.remove("compared.html")
    assert "flip-0: evaluate.tta_flip false → true" in printed
    sentences = [line for line in printed.splitlines() if line.startswith("On ")]
    assert [line.split(",")[0] for line in sentences] == ["On a", "On b", "On target"]
    assert all(sentence.split("(")[0] in page for sentence in sentences)


def test_seeds_of_one_recipe_are_one_row_with_their_spread(project):
    content = json.loads(project.run(*COMMAND, *OURS, "--json"))
    assert [*content["mixes"]] == ["ab"]
    assert content["mixes"]["ab"]["runs"] == [
        {"name": name, "seed": seed} for seed, name in enumerate(OURS)
    ]
    compared = json.loads(project.run(*COMMAND, *OURS, *THEIRS, "--json"))["ab"]["domains"]
    for domain, found in content["mixes"]["ab"]["domains"].items():
        ours = compared[domain]["recipes"]["main"]
        assert (found["miou"], found["by_seed"]) == (ours["miou"], ours["by_seed"])
        assert found["spread"] == pytest.approx(statistics.stdev(found["by_seed"]), abs=2e-6)
        assert found["miou_low"] < found["miou"] < found["miou_high"]
        # The synthetic sets have no groups, as their manifests say.
        assert found["groups"] == {}
    printed = project.run(*COMMAND, *OURS)
    assert "ab: main (seed 0), seed-1 (seed 1), seed-2 (seed 2)\n" in printed
    heads = [line.split(" = ")[0] for line in printed.splitlines() if " = tiny_" in line]
    assert heads == ["a", "b", "target"]


def test_one_run_is_nothing_to_compare(project):
    assert refused(project, "workspace", "flip-2") == (
        "workspace and flip-2 are the same results; name those of another seed or recipe, too"
    )


def test_a_name_that_comes_twice_means_the_newest_experiment(project):
    """As after a commit in between."""
    commits = {}
    for name in ("flip-0", "flip-2"):
        ref = project.run("git", "for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}")
        commits[name] = ref.strip()
    for number, commit in enumerate(commits.values()):
        project.run("git", "update-ref", f"refs/exps/{number:02}/{number:038}/twice", commit)
    content = json.loads(project.run(*COMMAND, "main", "twice", "--json"))
    for number in range(2):
        project.run("git", "update-ref", "-d", f"refs/exps/{number:02}/{number:038}/twice")
    assert content["ab"]["recipes"][1]["runs"] == [{"name": "twice", "seed": 2}]


def test_an_unknown_name_is_answered_with_the_nearest(project):
    unknown = "is no branch, tag, commit, experiment or path of results"
    assert refused(project, "main", "flip-00") == f"'flip-00' {unknown}; did you mean 'flip-0'?"
    assert refused(project, "main", "what is it") == (
        f"'what is it' {unknown}; git branch, git tag and dvc exp list have the names"
    )


def test_parameters_that_changed_since_the_run_are_said(project):
    file = project.folder / "params.yaml"
    before = file.read_text("utf-8")
    project.set_params(evaluate={"tta_flip": False})
    printed = refused(project, "main", "workspace")
    file.write_text(before, "utf-8")
    assert printed == (
        "workspace: mix 'ab' was scored with evaluate.tta_flip=true, but params.yaml has false; "
        "run dvc repro, or go back to the last commit"
    )


def test_without_the_cached_matrices_it_says_how_to_get_them(project):
    cache = project.folder / project.run("dvc", "cache", "dir").strip()
    (file,) = (
        cache / "files/md5" / out["md5"][:2] / out["md5"][2:]
        for out in project_lock(project, "flip-1")["outs"]
        if out["path"] == "models/scores/ab.npz"
    )
    away = file.with_suffix(".away")
    file.rename(away)
    printed = refused(project, "main", "flip-1")
    away.rename(file)
    assert printed == (
        "flip-1: models/scores/ab.npz: not in DVC's cache; get it with `dvc fetch --all-commits`, "
        "an experiment's with `dvc exp pull`, or run flip-1 again"
    )


def project_lock(project, name):
    """The entry of the scoring in the dvc.lock of an experiment."""
    import yaml

    ref = project.run("git", "for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}")
    return yaml.safe_load(project.run("git", "show", f"{ref.strip()}:dvc.lock"))["stages"][MIX]


def test_a_tag_in_a_folder_of_a_bigger_repository_is_found(project, tmp_path):
    folder = tmp_path / "outer/inner"
    folder.mkdir(parents=True)
    for name in ("params.yaml", "metrics/scores/ab.json", "models/scores/ab.npz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((project.folder / name).read_bytes())
    inner = type(project)(folder)
    (tmp_path / "outer/.gitignore").write_text("no.txt\n", "utf-8")
    inner.run("git", "init", "--quiet", "..")
    inner.run("git", "config", "user.name", "tester")
    inner.run("git", "config", "user.email", "tester@example.org")
    inner.run("dvc", "init", "--quiet", "--subdir")
    inner.run("dvc", "add", "--quiet", "models/scores/ab.npz")
    inner.commit("results")
    inner.run("git", "tag", "v1")
    command = ("env", f"PYTHONPATH={project.folder}", *COMMAND)
    printed = inner.run(*command, "v1", "workspace", ok=False)
    assert printed.startswith("Error: v1 and workspace are the same results")
