"""The result of a recipe over its seeds: `python -m ablation.seeds FILE --seeds 0 1 2`.

Each seed is a DVC experiment `<recipe>-s<seed>`, which `make table` and `roadshift compare` show.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ablation.entry import WORK, carry_out
from ablation.sandbox import RunFailedError, Sandbox
from ablation.variants import overridden, read_overrides
from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.report.revisions import find_results, known_groups
from roadshift.scoring.recipe_result import Provenance, RecipeResult, recipe_result
from roadshift.scoring.recipe_tables import recipe_page
from roadshift.scoring.recipes import SEED, Recipe, group_runs
from stages.params import PARAMS, Params
from stages.paths import RESULTS


@dataclass(frozen=True)
class SeededRecipe:
    """A recipe with the seeds that it is to run with.

    Attributes:
        file: file of its overrides; its stem names the recipe.
        overrides: overrides of params.yaml, without the seed.
        chosen_by: what the head of the file says, such as what chose the recipe.
        seeds: seeds of the trainings.
        params: the parameters by seed, with the overrides applied.
    """

    file: Path
    overrides: tuple[str, ...]
    chosen_by: str
    seeds: tuple[int, ...]
    params: dict[int, Params]

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.file.stem

    def experiment(self, seed: int) -> str:
        """Returns the name of a seed's experiment."""
        return f"{self.name}-s{seed}"

    @property
    def digest(self) -> str:
        """SHA-256 of all parameters but the seed."""
        content = self.params[self.seeds[0]].model_dump(mode="json", exclude={SEED})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def main() -> None:
    """Run a recipe once for each seed, as DVC experiments, and write its result.

    The result is one row a mix: the mean mIoU over the seeds, their spread, and the interval over
    seeds and images. A seed whose parameters, code and data are those of its experiment does not
    run again, so an interrupted command resumes. The workspace is left alone.
    """
    parser = argparse.ArgumentParser(prog="python -m ablation.seeds", description=main.__doc__)
    parser.add_argument("file", type=Path, help="the recipe: a file of '-S key=value'")
    parser.add_argument(
        "--seeds", type=int, nargs="+", required=True, metavar="SEED",
        help="all seeds of the result, those that have run among them",
    )  # fmt: skip
    given = parser.parse_args()
    carry_out(lambda: run_seeds(load_recipe(given.file, given.seeds), WORK))


def load_recipe(file: Path, seeds: Sequence[int], params: Path = PARAMS) -> SeededRecipe:
    """Reads a recipe, and checks it before the first run.

    Args:
        file: file of its overrides, such as experiments/streets.txt.
        seeds: seeds of the trainings.
        params: file of the parameters that the overrides change.

    Raises:
        RoadshiftError: the file is missing or is no list of overrides, an override or a seed does
            not fit the parameters, or a seed comes twice.
    """
    if twice := [seed for seed in dict.fromkeys(seeds) if seeds.count(seed) > 1]:
        raise RoadshiftError(f"seed {twice[0]} comes twice; give each seed once")
    overrides = read_overrides(file)
    if any(override.startswith(f"{SEED}=") for override in overrides):
        raise RoadshiftError(f"{file}: sets {SEED}; remove it, since the seeds are given apart")
    try:
        overridden(params, overrides)
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {error}") from None
    read = {seed: overridden(params, _with_seed(overrides, seed)) for seed in seeds}
    return SeededRecipe(file, tuple(overrides), head_of(file), tuple(sorted(seeds)), read)


def head_of(file: Path) -> str:
    """Returns the comment at the head of a file, without its '#'."""
    head = []
    for line in file.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        head.append(line.removeprefix("#").removeprefix(" ").rstrip())
    return "\n".join(head).strip()


def run_seeds(recipe: SeededRecipe, work: Path) -> None:
    """Runs a recipe with each of its seeds, and writes its result.

    Args:
        recipe: the recipe.
        work: folder for the sandbox and the runs' logs.

    Raises:
        RoadshiftError: the project has uncommitted changes, or a run failed.
    """
    sandbox = Sandbox(Path(), work / "project")
    sandbox.prepare()
    logs = work / "logs" / recipe.name
    logs.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(recipe.seeds, start=1):
        title = f"[{number}/{len(recipe.seeds)}] seed {seed}"
        log = logs / f"s{seed}.log"
        print(f"{title}: {recipe.experiment(seed)}, log in {log}", flush=True)
        try:
            ran = _run_one(recipe, seed, sandbox, log)
        except RunFailedError as error:
            print(f"{title}: the last lines of {log}:", *error.lines, sep="\n    ", flush=True)
            raise RoadshiftError(
                f"seed {seed} failed; the same command runs it again, and none before it"
            ) from None
        print(f"{title}: {'done' if ran else 'as before'}", flush=True)
    result = _result(recipe, sandbox)
    file, page = RESULTS / recipe.name / "seeds.json", RESULTS / recipe.name / "seeds.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    result.save(file)
    text = recipe_page(result, f"{recipe.name} by {len(recipe.seeds)} seeds")
    with atomic_file(page) as partial:
        partial.write_text(text, "utf-8")
    print(f"\n{text}\nresult: {file}\ntable: {page}", flush=True)
    sandbox.remove()


def _run_one(recipe: SeededRecipe, seed: int, sandbox: Sandbox, log: Path) -> bool:
    """Runs a seed, unless its experiment is there; returns whether a network was trained."""
    # The run of another seed has the same data, ready to be taken.
    names = [recipe.experiment(each) for each in (seed, *recipe.seeds)]
    start = next(filter(None, map(sandbox.experiment, names)), None)
    with log.open("w", encoding="utf-8") as sink:
        stages = sandbox.run(
            recipe.experiment(seed),
            mixes=list(recipe.params[seed].mixes),
            final=True,
            overrides=_with_seed(recipe.overrides, seed),
            start=start,
            log=sink,
        )
    return any(stage.duration is not None for stage in stages.values())


def _with_seed(overrides: Sequence[str], seed: int) -> list[str]:
    return [*overrides, f"{SEED}={seed}"]


def _result(recipe: SeededRecipe, sandbox: Sandbox) -> RecipeResult:
    names = [recipe.experiment(seed) for seed in recipe.seeds]
    commits = [sandbox.experiment(name, sandbox.head) or sandbox.head for name in names]
    # A branch or tag of an experiment's name would be found before it.
    found = [
        replace(results, name=name)
        for name, results in zip(names, find_results(commits), strict=True)
    ]
    params = recipe.params[recipe.seeds[0]]
    recipes: dict[str, Recipe] = {}
    for mix in params.mixes:
        first, *others = group_runs([results.load(mix) for results in found])
        if others:
            raise RoadshiftError(
                f"mix '{mix}' of {first.name} and {others[0].name} is not of one recipe: "
                f"{others[0].changed or 'other results'}; run the same command again"
            )
        recipes[mix] = first
    return recipe_result(
        recipes,
        settings=params.evaluate,
        seed=recipe.seeds[0],
        groups={domain: known_groups(found, domain) for domain in params.domains},
        provenance=Provenance(
            # An absolute path is of this machine alone.
            recipe=recipe.file.name if recipe.file.is_absolute() else recipe.file.as_posix(),
            chosen_by=recipe.chosen_by,
            overrides=list(recipe.overrides),
            seeds=list(recipe.seeds),
            params_sha256=recipe.digest,
            revision=sandbox.head,
            date=max(map(sandbox.day, commits)),
        ),
    )


if __name__ == "__main__":
    main()
