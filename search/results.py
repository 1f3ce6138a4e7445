"""The results of a search: its trials, what confirms the best, and the recipe as overrides."""

import datetime
import shlex
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from ablation.writing import noise_floor, write_rows, write_text
from roadshift.report.ablations import HELD_OUT
from roadshift.scoring.comparison import comparison_rows, comparison_table
from roadshift.scoring.numbers import level_percent, percent, points
from roadshift.scoring.recipes import shown_value
from roadshift.scoring.verdicts import SEEDS_FOR_A_VERDICT
from search.confirm import BASE, Confirmed, compare_confirmed
from search.plan import State, candidates, ranked
from search.settings import Search
from stages.paths import ablation_results

BEST_SHARE = 0.25
"""Share of the trials that count as good for the importance of parameters."""
FEWEST = 12
"""With fewer trials the importance of parameters is not looked for: three are good then."""
TRIALS = """# {question}

`{file}` at git revision {revision}, {date}: {trials} trials{failed}. {images} mIoU in percent.

## What confirms it

The base and the best candidates of the last rung, trained by its overrides with seeds that had no
part in the search ({seeds}); the images are those that chose. After the colon: the difference to
the base in points with its {level} interval over images and, where there are several, over seeds.
*Better* and *worse* need {needed} seeds, and hold for all rows of a column together (Holm). {floor}

{table}
{luck}

{told}

{after}

## Trials

The last column of a trial that was not kept is empty; an empty first one is of a run that failed.
Rungs: {rungs}.

{ranking}
## Importance of the parameters

{importance}"""
LUCK = """The best of many candidates is also the luckiest: on the last rung, `{best}` was the first
of {among} with {search}; by the confirming seeds it has {confirmed}, {shift} points. The trials of
the first rung spread by {spread} points (standard deviation)."""
AMONG = """The confirming seeds chose `{chosen}` from the base and {candidates}, so its score is
optimistic by a little, too."""
KEPT = """A candidate replaces the base only if it is told apart as better. To run the highest one
all the same:

    dvc exp run {overrides}"""
IMPORTANCE = """By PED-ANOVA (Watanabe et al., IJCAI 2023, arXiv 2304.10255) on the scores of the
first rung: how far a parameter's values in the best {best:.0f} % of {trials} trials differ from
those of all. It is a hint at which parameters to search again, and no verdict.

| parameter | importance |
|---|---|
{rows}
"""
NO_IMPORTANCE = f"Not known: fewer than {FEWEST} trials have a score, or all have the same.\n"


def write_results(
    search: Search, state: State, study: optuna.Study, *, kept: Path, revision: str
) -> Path:
    """Writes the tables and the recipe of a search that has ended.

    Args:
        search: the search.
        state: what it has done.
        study: the trials of the first rung.
        kept: folder of the journal.
        revision: git commit that ran.

    Returns:
        The folder: `trials.md` for people, `trials.csv` and `confirmed.csv` for programs, and
        `recipe.txt` for `dvc exp run`.
    """
    folder, date = ablation_results(search.name), datetime.date.today().isoformat()
    confirmed = compare_confirmed(search, state, kept)
    settings = search.settings
    failed = sum(state.score(search, trial, 0) is None for trial in candidates(search, state, 0))
    level = search.params.evaluate.confidence_level
    page = TRIALS.format(
        question=settings.question,
        file=search.file,
        revision=revision[:12],
        date=date,
        trials=len(state.params),
        failed=f", of which {failed} failed" if failed else "",
        images=" ".join(_images(confirmed)),
        seeds=_listed(settings.confirm.seeds),
        level=level_percent(level),
        needed=SEEDS_FOR_A_VERDICT,
        floor=_floor(confirmed),
        table=comparison_table(confirmed.rows, confirmed.heads),
        luck=_luck(search, state, confirmed),
        told=_told(search, confirmed),
        after=_after(search, state, confirmed),
        rungs="; ".join(_rung(search, place) for place in range(len(settings.rungs))),
        ranking=_ranking(search, state),
        importance=importance(study),
    )
    write_text(folder / "recipe.txt", _recipe(search, state, confirmed, revision, date))
    write_rows(folder / "trials.csv", list(_rows(search, state)))
    write_rows(folder / "confirmed.csv", list(comparison_rows(confirmed.rows)))
    write_text(folder / "trials.md", page)
    return folder


def _recipe(search: Search, state: State, confirmed: Confirmed, revision: str, date: str) -> str:
    """The chosen overrides, below a head that says where they are from."""
    place = ablation_results(search.name) / "recipe.txt"
    head = [
        f"Chosen by {search.file} (make search FILE={search.file})",
        f"at git revision {revision}, {date}, of {len(state.params)} trials.",
        *_images(confirmed),
        "",
        f"  dvc exp run $(grep -v '^#' {place})",
        "",
        _told(search, confirmed),
        *([] if confirmed.chosen == BASE else _among(confirmed).splitlines()),
        *_luck(search, state, confirmed).splitlines(),
        _floor(confirmed),
    ]
    overrides = _overrides(search, state, confirmed.chosen)
    lines = [*(f"# {line}".rstrip() for line in head), *(f"-S {each}" for each in overrides)]
    return "\n".join(lines) + "\n"


def _overrides(search: Search, state: State, name: str) -> tuple[str, ...]:
    """The overrides of the base or of a candidate, as long as the last rung trains."""
    values = {} if name == BASE else state.params[int(name[1:])]
    return search.overrides(values, len(search.settings.rungs) - 1, None)


def _images(confirmed: Confirmed) -> list[str]:
    """On which images it was chosen."""
    cells = [head for column, head in confirmed.heads.items() if column != confirmed.column]
    return [
        f"Chosen on {_place(confirmed)} alone, by the mean over mixes:",
        f"{'; '.join(cells)}.",
        "No test image chose, and nothing of the target.",
    ]


def _place(confirmed: Confirmed) -> str:
    """The images that chose, in words."""
    return "held-out sources" if confirmed.column == HELD_OUT else "val images of own sources"


def _told(search: Search, confirmed: Confirmed) -> str:
    """The verdict on the highest candidate by the confirming runs, on one line."""
    base = f"the base has {percent(confirmed.miou(BASE))}"
    lead, shown = "", confirmed.chosen
    if confirmed.highest is None:
        kept = "No other candidate came to the end, so the base is kept."
        return f"{kept} On {_place(confirmed)} {base}."
    if confirmed.chosen == BASE:
        lead = "No candidate is told apart as better than the base, which is kept. The highest: "
        shown = confirmed.highest
    cell = confirmed.row(shown).cells[confirmed.column]
    seeds = _listed(search.settings.confirm.seeds)
    found = (
        f"{lead}`{shown}` has {percent(cell.miou)} on {_place(confirmed)} (seeds {seeds}), {base}"
    )
    if cell.difference is None:
        return f"{found}."
    found += f": {points(cell.difference.difference)}"
    if cell.difference.low is not None and cell.difference.high is not None:
        ends = f"{points(cell.difference.low)} to {points(cell.difference.high)}"
        found += f" ({level_percent(search.params.evaluate.confidence_level)} interval {ends})"
    return f"{found}; verdict: {cell.verdict or 'none'}."


def _among(confirmed: Confirmed) -> str:
    """From how many the confirming seeds chose."""
    candidates = len(confirmed.rows) - 1
    return AMONG.format(
        chosen=confirmed.chosen,
        candidates=f"{candidates} candidate{'' if candidates == 1 else 's'}",
    )


def _after(search: Search, state: State, confirmed: Confirmed) -> str:
    """The paragraph below the verdict: the number of candidates, or the command of the highest."""
    if confirmed.chosen != BASE:
        return _among(confirmed)
    if confirmed.highest is None:
        return ""
    overrides = _overrides(search, state, confirmed.highest)
    return KEPT.format(overrides=shlex.join(w for each in overrides for w in ("-S", each)))


def _luck(search: Search, state: State, confirmed: Confirmed) -> str:
    """The score that a candidate was chosen by, beside the one that confirms it."""
    last = len(search.settings.rungs) - 1
    among = ranked(search, state, last)
    score = state.score(search, among[0], last) or 0.0
    name = BASE if state.params[among[0]] == search.base else f"t{among[0]:03}"
    first = [state.score(search, trial, 0) for trial in candidates(search, state, 0)]
    known = [each for each in first if each is not None]
    return LUCK.format(
        best=name,
        among=len(among),
        search=percent(score),
        confirmed=percent(confirmed.miou(name)),
        shift=points(confirmed.miou(name) - score),
        spread=percent(statistics.stdev(known) if len(known) > 1 else None),
    )


def _floor(confirmed: Confirmed) -> str:
    return noise_floor("the base", {confirmed.column: confirmed.floor})


def _rung(search: Search, place: int) -> str:
    rung = search.settings.rungs[place]
    return f"{place + 1} with {' '.join(rung.overrides) or 'no further overrides'}"


def _ranking(search: Search, state: State) -> str:
    """The trials as a Markdown table, those that went farthest first."""
    rungs, keys = len(search.settings.rungs), list(search.settings.space)
    heads = ["trial", *(f"rung {place + 1}" for place in range(rungs)), *keys]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    order: list[int] = []
    for place in reversed(range(rungs)):
        found = [*ranked(search, state, place), *candidates(search, state, place)]
        order += [trial for trial in dict.fromkeys(found) if trial not in order]
    for trial in order:
        reached = [
            percent(score)
            if trial in candidates(search, state, place)
            and (score := state.score(search, trial, place)) is not None
            else ""
            for place in range(rungs)
        ]
        values = [shown_value(state.params[trial][key]) for key in keys]
        name = f"t{trial:03}" + (" = base" if state.params[trial] == search.base else "")
        lines.append(f"| {' | '.join([name, *reached, *values])} |")
    return "\n".join(lines) + "\n"


def _rows(search: Search, state: State) -> Iterable[dict[str, object]]:
    for trial, values in enumerate(state.params):
        scores = {
            f"rung {place + 1}": _rounded(state.score(search, trial, place))
            if trial in candidates(search, state, place)
            else None
            for place in range(len(search.settings.rungs))
        }
        yield {"trial": trial, **scores, **values}


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 6)


def importance(study: optuna.Study) -> str:
    """Writes how much each parameter decides whether a trial of the first rung is a good one."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < FEWEST or len({trial.value for trial in complete}) == 1:
        return NO_IMPORTANCE
    evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
    found = get_param_importances(study, evaluator=evaluator)
    rows = "\n".join(f"| `{key}` | {share:.2f} |" for key, share in found.items())
    return IMPORTANCE.format(best=100 * BEST_SHARE, trials=len(complete), rows=rows)


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
