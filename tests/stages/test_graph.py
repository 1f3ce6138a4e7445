"""What dvc.yaml promises: which stages see which data, and which parameters they declare."""

import ast
import json
import re
from pathlib import Path

import networkx
import pytest
import yaml
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

from roadshift.settings import Settings
from roadshift.training.settings import AdaptSettings
from stages.params import Params, load_params

PROJECT = Path(__file__).parents[2]
STAGES = sorted(
    p.stem for p in (PROJECT / "stages").glob("*.py") if "\n    run(main" in p.read_text("utf-8")
)


@pytest.fixture(scope="module")
def index():
    with Repo(str(PROJECT)) as repo:
        yield repo.index


def by_name(index):
    return {stage.addressing: stage for stage in index.stages}


def ancestors(index, name):
    """The names of the stages that a stage depends on, at any distance."""
    graph = index.graph
    return {s.addressing for s in networkx.descendants(graph, by_name(index)[name])}


def dependencies(stage):
    paths = (d.fs_path for d in stage.deps if not isinstance(d, ParamsDependency))
    return {Path(path).relative_to(PROJECT).as_posix() for path in paths}


def declared_params(stage):
    params = (d for d in stage.deps if isinstance(d, ParamsDependency))
    return {key for d in params for key in d.params}


def test_every_stage_script_is_a_stage_and_the_reverse(index):
    assert {name.split("@")[0] for name in by_name(index)} == set(STAGES)


def test_no_training_depends_on_a_test_split(index):
    tests = {f"data/shards/{role}/test" for role in ("a", "b", "target")}
    trains = [name for name in by_name(index) if name.startswith("train@")]
    assert trains
    for name in trains:
        # The shard stage of a source writes both splits; what counts is what training reads.
        assert not dependencies(by_name(index)[name]) & tests


def test_the_only_path_from_the_target_to_a_training_is_adapt_and_it_sees_no_test_split(index):
    stages = by_name(index)
    data = {d for d in dependencies(stages["adapt"]) if d.startswith("data/")}
    assert data == {"data/shards/target/trainval"}
    graph = index.graph.copy()
    graph.remove_node(stages["adapt"])
    for name in stages:
        if name.startswith("train@"):
            further = networkx.descendants(graph, stages[name])
            assert not {s.addressing for s in further if s.addressing.endswith("@target")}


def test_without_adaptation_no_key_of_it_is_on():
    adapt = load_params(PROJECT / "params.yaml").adapt
    assert adapt == AdaptSettings()


def test_a_training_depends_on_its_mix_sources_and_no_others(index):
    mixes = load_params(PROJECT / "params.yaml").mixes
    stages = by_name(index)
    assert {f"train@{mix}" for mix in mixes} == {n for n in stages if n.startswith("train@")}
    for mix, weights in mixes.items():
        shards = {d for d in dependencies(stages[f"train@{mix}"]) if d.startswith("data/")}
        sources = {f"data/shards/{role}/trainval" for role in weights}
        assert shards == sources | {"data/shards/adapt"}


def test_every_domain_is_scored_by_every_mix(index):
    params = load_params(PROJECT / "params.yaml")
    for mix in params.mixes:
        scored = dependencies(by_name(index)[f"evaluate@{mix}"])
        assert {f"data/shards/{role}/test" for role in params.domains} <= scored


def test_augmentation_reruns_training_and_what_follows_and_nothing_before(index):
    changed = {n for n, s in by_name(index).items() if "aug" in declared_params(s)}
    assert changed == {"train@a", "train@b", "train@ab", "report"}


def test_another_domain_b_leaves_the_stages_of_a_and_the_target_alone(index):
    stages = by_name(index)
    changed = {n for n, s in stages.items() if {"domains.b", "domains"} & declared_params(s)}
    following = {n for n in stages if ancestors(index, n) & changed} | changed
    untouched = set(stages) - following
    for name in ("download", "remap", "shard"):
        assert {f"{name}@a", f"{name}@target"} <= untouched
    assert "train@a" in untouched


def test_another_split_of_a_reruns_its_remap_and_what_follows(index):
    stages = by_name(index)
    changed = {n for n, s in stages.items() if "data.split.by.a" in declared_params(s)}
    assert changed == {"remap@a"}
    following = {n for n in stages if ancestors(index, n) & changed}
    assert "train@a" in following
    assert not following & {"train@b", "shard@b", "shard@target", "download@a"}


def code_of(script):
    """What a stage runs: its script, and of the report the notebook's cells."""
    code = (PROJECT / "stages" / f"{script}.py").read_text("utf-8")
    if script != "report":
        return code
    cells = json.loads((PROJECT / "report/report.ipynb").read_text("utf-8"))["cells"]
    return "\n".join([code, *("".join(c["source"]) for c in cells if c["cell_type"] == "code")])


def keys_read(script):
    """The keys of `params` that a stage's code reads, `*` for one chosen by its argument."""
    tree = ast.parse(code_of(script))
    inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute | ast.Subscript)}
    keys = set()
    for node in ast.walk(tree):
        parts, at = [], node
        while isinstance(at, ast.Attribute | ast.Subscript):
            parts.append(at.attr if isinstance(at, ast.Attribute) else "*")
            at = at.value
        if parts and isinstance(at, ast.Name) and at.id == "params" and id(node) not in inner:
            keys.add(".".join(reversed(parts)))
    return keys


@pytest.mark.parametrize("script", STAGES)
def test_a_stage_hands_its_parameters_to_nobody(script):
    """But to its own functions; else `keys_read` could not tell what is read of them."""
    nodes = [*ast.walk(ast.parse(code_of(script)))]
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    read = [node.value for node in nodes if isinstance(node, ast.Attribute)]
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in own:
            read += node.args
    named = [node for node in nodes if isinstance(node, ast.Name) and node.id == "params"]
    stored = [node for node in named if isinstance(node.ctx, ast.Store)]
    assert [node.lineno for node in named if node not in [*read, *stored]] == []


def test_every_key_is_read_by_some_code():
    """What a whole section is declared for; an augmentation is a function of the key's name."""
    files = [*(PROJECT / "roadshift").rglob("*.py"), *(PROJECT / "stages").glob("*.py")]
    code = "".join(
        f.read_text("utf-8") for f in files if f.name not in ("settings.py", "params.py")
    )

    def unread(schema, place):
        for name, field in schema.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
                yield from unread(field.annotation, f"{place}{name}.")
            elif not re.search(rf"\.{name}\b|\bdef {name}\(", code):
                yield f"{place}{name}"

    assert [*unread(Params, "")] == []


@pytest.mark.parametrize("script", STAGES)
def test_every_key_a_stage_reads_is_declared_and_the_reverse(index, script):
    read = keys_read(script)
    for name, stage in by_name(index).items():
        if name.split("@")[0] != script:
            continue
        declared = declared_params(stage)
        item = name.partition("@")[2]
        read_here = {key.replace("*", item) for key in read}
        # A declared section covers its keys; a key read through a whole section is the section.
        undeclared = {
            k for k in read_here if not any(k == d or k.startswith(f"{d}.") for d in declared)
        }
        unread = {
            d for d in declared if not any(k == d or k.startswith(f"{d}.") for k in read_here)
        }
        assert (undeclared, unread) == (set(), set()), name


def imported_files(script):
    """Modules of the library that a stage imports, at any distance, as paths."""
    seen, queue = set(), [code_of(script)]
    while queue:
        for node in ast.walk(ast.parse(queue.pop())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("road"):
                continue
            path = PROJECT / Path(*str(node.module).split("."))
            named = [path / f"{alias.name}.py" for alias in node.names]
            module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            for file in [module, *(n for n in named if n.is_file())]:
                if file not in seen:
                    seen.add(file)
                    queue.append(file.read_text("utf-8"))
    return {file.relative_to(PROJECT) for file in seen}


# Top-level modules change no result: messages, progress bars, and how files are put in place.
# A package's __init__ holds no code. The card's schema of synthetic worlds comes with the card.
NEUTRAL = {
    "checksum.py", "determinism.py", "environment.py", "errors.py", "outputs.py", "progress.py",
    "settings.py", "workers.py", "__init__.py",
}  # fmt: skip


@pytest.mark.parametrize("script", [s for s in STAGES if s != "check"])
def test_a_stage_depends_on_the_code_it_runs(index, script):
    modules = {f for f in imported_files(script) if f.name not in NEUTRAL}
    for name, stage in by_name(index).items():
        if name.split("@")[0] == script:
            declared = dependencies(stage)
            assert f"stages/{script}.py" in declared
            covered = {
                m for m in modules if declared & {m.as_posix(), *map(Path.as_posix, m.parents)}
            }
            assert {m.as_posix() for m in modules - covered} == set(), name


def test_imports_run_one_way():
    rank = {
        "taxonomy": 0, "datasets": 1, "records": 2, "augment": 2, "networks": 2,
        "scoring": 3, "training": 4, "pictures": 4, "report": 5, "commands": 5,
    }  # fmt: skip
    for file in (PROJECT / "roadshift").rglob("*.py"):
        package = file.relative_to(PROJECT / "roadshift").parts[0]
        imported = re.findall(r"(?:from|import) roadshift\.(\w+)", file.read_text("utf-8"))
        for other in imported:
            if package in rank and other in rank and package != other:
                assert rank[other] < rank[package], f"{file.name} imports {other}"


def test_every_metric_and_plot_of_git_is_an_output_of_a_stage(index):
    content = yaml.safe_load((PROJECT / "dvc.yaml").read_text("utf-8"))
    outs = {Path(o.fs_path).relative_to(PROJECT).as_posix() for s in index.stages for o in s.outs}
    for plot in content["plots"]:
        for name, options in plot.items():
            files = options["y"] if isinstance(options.get("y"), dict) else {name: None}
            for file in files:
                assert any(file == out or file.startswith(f"{out}/") for out in outs), file
