"""What a dvc.yaml says of its stages, and which roles or mixes a stage leaves out."""

import ast
import inspect
import json
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

import networkx
from dvc.dependency import ParamsDependency

from stages import paths

PROJECT = Path(__file__).parents[2]
STAGES = sorted(
    p.stem for p in (PROJECT / "stages").glob("*.py") if "\n    run(main" in p.read_text("utf-8")
)
"""The names of the stages' scripts."""
ONE_ROLE = {("adapt", "data/shards/trainval/*"): {"target"}}
"""By stage and kind of output, the only role of it that is needed: adaptation is to the target."""

OF_ALL = {("error_bars", "models/calibration/*.json")}
"""By stage and kind of output, what a stage that runs for each mix needs of all mixes."""

BY_DIGESTS = {
    "train": paths.sources_file,
    "transfer": lambda _: paths.ALL_SOURCES,
    "calibrate": lambda _: paths.ALL_SOURCES,
}
"""By stage that knows the sources' shards by digests alone, the file of the digests for a mix."""


def by_name(index):
    return {stage.name: stage for stage in index.stages}


def ancestors(index, name):
    """The names of the stages that a stage depends on, at any distance."""
    return {s.name for s in networkx.descendants(index.graph, by_name(index)[name])}


def _relative(stage, found):
    root = Path(stage.repo.root_dir)
    return {PurePosixPath(Path(each.fs_path).relative_to(root).as_posix()) for each in found}


def dependencies(stage):
    """The files and folders that a stage depends on, parameters apart, relative to the project."""
    return _relative(stage, (d for d in stage.deps if not isinstance(d, ParamsDependency)))


def outputs(stage):
    """The files and folders that a stage writes, relative to the project."""
    return _relative(stage, stage.outs)


def declared_params(stage):
    params = (d for d in stage.deps if isinstance(d, ParamsDependency))
    return {key for d in params for key in d.params}


def overlap(one, other):
    """Whether one path is the other, lies in it, or holds it."""
    return one == other or one in other.parents or other in one.parents


def depends_on(stage, path):
    """Whether a stage depends on a file or folder, or on a folder that holds it."""
    return any(overlap(PurePosixPath(path), each) for each in dependencies(stage))


def followed_cards(stage, domains):
    """The cards of those roles of which a stage depends on what check_inputs writes of the card."""
    parts = ("domains", "cards", "descriptions")
    return {
        PurePosixPath(f"roadshift/datasets/cards/{card}.yaml")
        for role, card in domains.items()
        if any(depends_on(stage, f"data/inputs/{part}/{role}.json") for part in parts)
    }


NO_READERS = {"entry", "params", "paths"}
"""Modules of the stages that read no parameter of a stage for it."""


def code_of(script):
    """What a stage runs: its script, what it shares with others, and the report's notebook."""
    code = (PROJECT / "stages" / f"{script}.py").read_text("utf-8")
    for module in sorted({*re.findall(r"^from stages\.(\w+) import", code, re.M)} - NO_READERS):
        code += (PROJECT / "stages" / f"{module}.py").read_text("utf-8")
    if script != "report":
        return code
    cells = json.loads((PROJECT / "report/report.ipynb").read_text("utf-8"))["cells"]
    return "\n".join([code, *("".join(c["source"]) for c in cells if c["cell_type"] == "code")])


def paths_in_code(script):
    """The paths of `stages.paths` that a stage's code names, `*` for a role or a mix."""
    names = set()
    for node in ast.walk(ast.parse(code_of(script))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names |= {node.attr} if node.value.id == "paths" else set()
        elif isinstance(node, ast.ImportFrom) and node.module == "stages.paths":
            names |= {alias.name for alias in node.names}
    found = set()
    for value in (getattr(paths, name) for name in names):
        if isinstance(value, Path):
            found.add(PurePosixPath(value))
        elif callable(value) and len(inspect.signature(value).parameters) == 1:
            found.add(PurePosixPath(value("*")))
    return found


def kinds_of_output(index):
    """By stage and path with `*` for its key, the outputs of a stage that runs for each key."""
    kinds: dict[tuple[str, str], dict[str, PurePosixPath]] = defaultdict(dict)
    for name, stage in by_name(index).items():
        script, _, key = name.partition("@")
        for out in outputs(stage) if key else ():
            parts = (f"*{p[len(key) :]}" if p.split(".")[0] == key else p for p in out.parts)
            kinds[script, str(PurePosixPath(*parts))][key] = out
    return kinds


def left_out(index, *, domains, mixes):
    """Finds the roles and mixes that a stage leaves out.

    A stage that runs for each role, or for each mix, must run for all of them. A stage that reads
    such a stage's outputs, by its code or by its dependencies, must depend on those of all roles,
    or of all mixes; and where it runs for each of the same keys itself, on those of its own key. A
    training and its transfer scores depend on no shards of a role, but on digests: of the mix's
    sources, and of all sources.

    Args:
        index: the stages, of DVC.
        domains: keys of the parameter `domains`.
        mixes: the parameter `mixes`.

    Returns:
        A line for each stage that leaves something out; none where all is well.
    """
    keys: dict[str, set[str]] = defaultdict(set)
    found = []
    for name in by_name(index):
        script, _, key = name.partition("@")
        keys[script] |= {key} - {""}
    for script, own in keys.items():
        if own and own not in ({*domains}, {*mixes}):
            found.append(f"{script}: runs for {sorted(own)}")
    for name, stage in by_name(index).items():
        script, _, key = name.partition("@")
        named = paths_in_code(script)
        for (other, kind), outs in kinds_of_output(index).items():
            had = {k for k, out in outs.items() if depends_on(stage, out)}
            reads = had or any(overlap(PurePosixPath(kind), path) for path in named)
            if other == script or not reads:
                continue
            if script in BY_DIGESTS and outs.keys() == {*domains}:
                needed = set()
            elif (script, kind) in ONE_ROLE:
                needed = ONE_ROLE[script, kind]
            elif (script, kind) in OF_ALL:
                needed = {*outs}
            else:
                needed = {key} if keys[script] == outs.keys() else {*outs}
            if had != needed:
                found.append(f"{name}: {kind}: {sorted(had)}, not {sorted(needed)}")
        if script not in BY_DIGESTS:
            continue
        places = (paths.SOURCES, paths.ALL_SOURCES)
        digests = {str(p) for p in dependencies(stage) if any(overlap(p, Path(q)) for q in places)}
        wanted = BY_DIGESTS[script](key).as_posix()
        if digests != {wanted}:
            found.append(f"{name}: {sorted(digests)}, not {wanted}")
    return found
