"""What dvc.yaml promises: which stages see which data, and that none leaves anything out."""

import ast
import re
import shutil
from pathlib import Path, PurePosixPath

import networkx
import pytest
import yaml
from dvc.repo import Repo

from roadshift.training.adapt_settings import AdaptSettings
from stages.params import load_params
from tests.stages.graph import (
    PROJECT,
    STAGES,
    ancestors,
    by_name,
    declared_params,
    dependencies,
    depends_on,
    kinds_of_output,
    left_out,
    outputs,
    overlap,
)


def test_every_stage_script_is_a_stage_and_the_reverse(index):
    assert {name.split("@")[0] for name in by_name(index)} == set(STAGES)


BEFORE_ALL = ("validate_params", "hash_code", "check_inputs")
"""The stages that look at parameters, code and environment; the others depend on them."""


def in_data(stage):
    checked = {("data", "code"), ("data", "inputs")}
    found = (each for each in dependencies(stage) if each.parts[:2] not in checked)
    return {str(each) for each in found if each.parts[0] == "data"}


CHOOSING = ("train", "transfer", "calibrate", "error_bars")
"""The stages that choose, and those that make scores to choose by, or what an estimate needs."""


def choosing(index):
    names = [name for name in by_name(index) if name.split("@")[0] in CHOOSING]
    assert {name.split("@")[0] for name in names} == {*CHOOSING}
    return names


def test_no_test_split_is_before_anything_that_chooses(index):
    """The shard stage of a role writes both parts; what counts is what is read."""
    for name in choosing(index):
        for before in {name, *ancestors(index, name)}:
            for place in ("data/shards/test", "metrics/scores", "models/scores"):
                assert not depends_on(by_name(index)[before], place), f"{name}: {before}"


def test_the_target_is_before_nothing_that_chooses_but_through_adapt(index):
    """DVC's templates treat roles alike, so a digest of the target exists, which is empty."""
    stages = by_name(index)
    assert in_data(stages["adapt"]) == {"data/shards/trainval/target"}
    assert in_data(stages["hash_sources"]) == {"data/digests"}
    empty = stages["hash_shards@target"]
    assert {str(out) for out in outputs(empty)} == {"data/digests/target.json"}
    graph = index.graph.copy()
    graph.remove_nodes_from([stages["adapt"], empty])
    for name in choosing(index):
        further = {stage.name for stage in networkx.descendants(graph, stages[name])}
        assert {"hash_sources", "hash_shards@a", "shard@a", "download@b"} <= further
        assert not {each for each in further if each.endswith("@target")}, name


def test_without_adaptation_no_key_of_it_is_on():
    adapt = load_params(PROJECT / "params.yaml").adapt
    assert adapt == AdaptSettings()


def test_a_training_depends_on_the_digests_of_its_mix_and_of_no_other(index):
    mixes = load_params(PROJECT / "params.yaml").mixes
    stages = by_name(index)
    assert {f"train@{mix}" for mix in mixes} == {n for n in stages if n.startswith("train@")}
    for mix in mixes:
        expected = {f"data/sources/{mix}.json", "data/shards/adapt"}
        assert in_data(stages[f"train@{mix}"]) == expected
        assert in_data(stages[f"transfer@{mix}"]) == {"data/sources.json"}
        # The oracle is calibrated on images of the target that it may see.
        expected = {"data/sources.json", "data/shards/adapt"}
        assert in_data(stages[f"calibrate@{mix}"]) == expected


def test_no_line_names_a_source_or_a_mix(index):
    """So any number of them needs no edit."""
    params = load_params(PROJECT / "params.yaml")
    names = {*params.domains, *params.mixes} - {"target"}
    text = (PROJECT / "dvc.yaml").read_text("utf-8")
    paths = {word for word in text.split() if "/" in word}
    assert {path for path in paths if names & {*re.split(r"[/.:]", path)}} == set()


def test_every_stage_that_runs_for_each_runs_for_all_roles_or_all_mixes():
    """A list of its own would lack what params.yaml names later."""
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text("utf-8"))["stages"]
    of = {name: stage["foreach"] for name, stage in stages.items() if "foreach" in stage}
    of_mixes = ("train", "transfer", "evaluate", "calibrate", "error_bars", "estimate")
    assert of == dict.fromkeys(("download", "remap", "shard", "hash_shards"), "${domains}") | (
        dict.fromkeys(of_mixes, "${mixes}")
    )
    assert not [name for name, stage in stages.items() if "matrix" in stage]


@pytest.mark.parametrize("name", ["page", "report"])
def test_what_shows_cards_follows_what_they_say(index, name):
    """Cards lie outside the package, too; of a folder's, what the card folder says is a filler."""
    stage = by_name(index)[name]
    assert depends_on(stage, "data/inputs/descriptions")
    assert depends_on(stage, "roadshift/datasets/cards/folder.yaml")


def check_completeness(index):
    params = load_params(PROJECT / "params.yaml")
    return left_out(index, domains=params.domains, mixes=params.mixes)


def test_no_stage_leaves_out_a_mix_or_a_role(index):
    assert check_completeness(index) == []


AFTER_TRAINING = {
    "summarize": ["metrics/scores/*.json", "metrics/curves/*"],
    "overview": ["models/predictions/*.npz", "data/shards/test/*"],
    "page": ["metrics/scores/*.json", "models/predictions/*.npz", "models/scores/*.npz",
             "models/trained/*", "data/shards/test/*", "data/shards/trainval/*"],
    "report": ["metrics/scores/*.json", "models/predictions/*.npz", "models/scores/*.npz",
               "models/trained/*", "metrics/curves/*", "metrics/networks/*.json",
               "metrics/audit/*.csv", "data/remapped/*", "data/shards/test/*"],
}  # fmt: skip


def test_what_shows_results_shows_those_of_every_mix_and_role(index):
    """The same by a list that no code makes, so that the check itself is checked."""
    params = load_params(PROJECT / "params.yaml")
    stages, kinds = (
        by_name(index),
        {kind: outs for (_, kind), outs in kinds_of_output(index).items()},
    )
    scored = {f"evaluate@{mix}": ["data/shards/test/*"] for mix in params.mixes}
    for name, needed in {**AFTER_TRAINING, **scored}.items():
        for kind in needed:
            assert {*kinds[kind]} in ({*params.domains}, {*params.mixes})
            missing = [o for o in kinds[kind].values() if not depends_on(stages[name], o)]
            assert missing == [], name
        if name in AFTER_TRAINING:
            assert scored.keys() <= ancestors(index, name)


@pytest.fixture
def changed_index(tmp_path):
    """(old, new) -> the stages of dvc.yaml with a text replaced."""

    def load(old, new):
        text = (PROJECT / "dvc.yaml").read_text("utf-8")
        assert text.count(old) == 1, old
        (tmp_path / "dvc.yaml").write_text(text.replace(old, new), "utf-8")
        shutil.copyfile(PROJECT / "params.yaml", tmp_path / "params.yaml")
        Repo.init(str(tmp_path), no_scm=True).close()
        with Repo(str(tmp_path)) as repo:
            return repo.index

    return load


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "      - metrics/scores\n      - data/code/summarize.json\n",
            "      - metrics/scores/a.json\n      - data/code/summarize.json\n",
            ["summarize: metrics/scores/*.json: ['a'], not ['a', 'ab', 'b']"],
        ),
        (
            "      - models/predictions\n      - data/shards/test\n      - data/code/overview",
            "      - data/shards/test\n      - data/code/overview",
            ["overview: models/predictions/*.npz: [], not ['a', 'ab', 'b']"],
        ),
        (
            "      - models/predictions\n      - data/shards/test\n      - data/code/overview",
            "      - models/predictions\n      - data/shards/test/a\n      - data/shards/test/b\n"
            "      - data/code/overview",
            ["overview: data/shards/test/*: ['a', 'b'], not ['a', 'b', 'target']"],
        ),
        (
            "      - metrics/audit\n",
            "      - metrics/audit/a.csv\n      - metrics/audit/target.csv\n",
            ["report: metrics/audit/*.csv: ['a', 'target'], not ['a', 'b', 'target']"],
        ),
        (
            "        - data/shards/test\n        - data/code/evaluate.json\n",
            "        - data/code/evaluate.json\n",
            [
                f"evaluate@{mix}: data/shards/test/*: [], not ['a', 'b', 'target']"
                for mix in ("a", "ab", "b")
            ],
        ),
        (
            "        - data/sources/${key}.json\n",
            "        - data/sources/a.json\n",
            [
                f"train@{mix}: ['data/sources/a.json'], not data/sources/{mix}.json"
                for mix in ("ab", "b")
            ],
        ),
        (
            "        - data/sources.json\n        - data/code/transfer.json\n",
            "        - data/sources/${key}.json\n        - data/code/transfer.json\n",
            [
                f"transfer@{mix}: ['data/sources/{mix}.json'], not data/sources.json"
                for mix in ("a", "ab", "b")
            ],
        ),
        (
            "      - data/digests\n",
            "      - data/digests/a.json\n",
            ["hash_sources: data/digests/*.json: ['a'], not ['a', 'b', 'target']"],
        ),
    ],
    ids=[
        "one mix alone", "no mix", "no target", "a source left out", "no role",
        "another mix's sources", "the own sources alone", "a source that is not hashed",
    ],
)  # fmt: skip
def test_a_forgotten_mix_or_role_is_found(changed_index, old, new, expected):
    assert sorted(check_completeness(changed_index(old, new))) == expected


def test_a_mix_that_is_not_evaluated_is_found(changed_index):
    found = check_completeness(
        changed_index(
            "  evaluate:\n    foreach: ${mixes}\n",
            "  evaluate:\n    foreach: {a: {}, b: {}}\n",
        )
    )
    assert "evaluate: runs for ['a', 'b']" in found
    assert "evaluate@a: models/trained/*: ['a'], not ['a', 'ab', 'b']" in found


def test_augmentation_reruns_training_and_what_follows_and_nothing_before(index):
    changed = {n for n, s in by_name(index).items() if "aug" in declared_params(s)}
    assert changed == {"train@a", "train@b", "train@ab", "report", "page"}


def test_another_domain_b_leaves_the_stages_of_a_and_the_target_alone(index):
    stages = by_name(index)
    changed = {n for n, s in stages.items() if {"domains.b", "domains"} & declared_params(s)}
    # It runs always, and writes a file for each role.
    changed.remove("check_inputs")
    following = {n for n in stages if ancestors(index, n) & changed} | changed
    untouched = set(stages) - following
    for name in ("download", "remap", "shard"):
        assert {f"{name}@a", f"{name}@target"} <= untouched


def test_another_split_of_a_reruns_its_remap_and_what_follows(index):
    stages = by_name(index)
    changed = {n for n, s in stages.items() if "data.split.by.a" in declared_params(s)}
    assert changed == {"remap@a"}
    following = {n for n in stages if ancestors(index, n) & changed}
    assert {"shard@a", "hash_sources", "train@a"} <= following
    assert not following & {"shard@b", "shard@target", "download@a"}


@pytest.mark.parametrize("script", [s for s in STAGES if s not in BEFORE_ALL])
def test_a_stage_depends_on_its_code_and_on_no_other(index, script):
    for name, stage in by_name(index).items():
        if name.split("@")[0] == script:
            found = {p for p in dependencies(stage) if p.parts[:2] == ("data", "code")}
            assert found == {PurePosixPath(f"data/code/{script}.json")}, name
            assert not [p for p in dependencies(stage) if p.suffix == ".py"], name


def test_every_file_that_a_stage_depends_on_exists_or_is_written_by_another(index):
    written = {out for stage in index.stages for out in outputs(stage)}
    for name, stage in by_name(index).items():
        for path in dependencies(stage):
            if any(overlap(path, out) for out in written):
                continue
            file = PROJECT / path
            assert file.is_file() or any(file.rglob("*")), f"{name}: {path}"


RANK = {
    "taxonomy": 0, "synthetic": 0, "datasets": 1, "checking": 2,
    "download": 2, "records": 2, "networks": 2, "augment": 2, "scoring": 2,
    "inference": 3, "pictures": 3, "input_pipeline": 4, "training": 5, "estimation": 5,
    "prediction": 6, "deployment": 6, "report": 6, "commands": 7,
}  # fmt: skip
"""A package imports packages of lower rank alone. Modules beside the packages import none."""


def imported(file):
    """The modules that a file imports, by their dotted names."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_imports_run_one_way():
    library = PROJECT / "roadshift"
    assert {file.parent.name for file in library.glob("*/__init__.py")} == {*RANK}
    for file in library.rglob("*.py"):
        package, *_ = file.relative_to(library).parts
        for name in imported(file):
            other = name.split(".")[1] if name.startswith("roadshift.") else package
            if other in RANK and other != package:
                assert package == "__main__.py" or RANK[other] < RANK.get(package, 0), (
                    f"{file.relative_to(PROJECT)} imports {other}"
                )


@pytest.mark.parametrize(
    ("package", "not_imported"),
    [("roadshift", {"stages", "ablation", "search", "tests"}),
     ("stages", {"ablation", "search", "tests"}), ("ablation", {"search", "tests"}),
     ("search", {"tests"})],
)  # fmt: skip
def test_the_library_knows_no_stage_and_a_stage_no_ablation(package, not_imported):
    for file in (PROJECT / package).rglob("*.py"):
        found = {name.split(".")[0] for name in imported(file)} & not_imported
        assert found == set(), file


def test_every_metric_and_plot_of_git_is_an_output_of_a_stage(index):
    content = yaml.safe_load((PROJECT / "dvc.yaml").read_text("utf-8"))
    outs = {out for stage in index.stages for out in outputs(stage)}
    for plot in content["plots"]:
        for name, options in plot.items():
            files = options["y"] if isinstance(options.get("y"), dict) else {name: None}
            for file in files:
                assert any(overlap(Path(file), Path(out)) for out in outs), file


def test_dvc_yaml_stays_short():
    assert len((PROJECT / "dvc.yaml").read_text("utf-8").splitlines()) <= 300
