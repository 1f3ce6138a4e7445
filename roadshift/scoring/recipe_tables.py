"""The result of a recipe over its seeds as tables in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from roadshift.scoring.numbers import level_percent, percent
from roadshift.scoring.recipe_result import (
    ClassScores,
    DomainResult,
    MixResult,
    Provenance,
    RecipeResult,
    SeedScores,
)
from roadshift.scoring.results import Method
from roadshift.scoring.tables import domain_title


def recipe_table(result: RecipeResult) -> str:
    """Writes the cross-domain table of a recipe in Markdown, a row for each mix.

    A cell is the mean mIoU over the seeds in percent, the spread over the seeds, and the interval,
    such as '62.1 ± 0.6 (59.9 to 64.1)'.
    """
    columns = _columns(result)
    rows = [
        [mix, *("–" if cell is None else cell.cell for cell in _cells(found, columns))]
        for mix, found in result.mixes.items()
    ]
    return _markdown(["trained on", *columns.values()], rows)


def recipe_page(result: RecipeResult, title: str) -> str:
    """Writes a result as a Markdown page: the table, each seed, and the further tables.

    Args:
        result: the result.
        title: heading of the page.
    """
    return "\n".join(chain([f"# {title}\n"], _sections(result)))


def _sections(result: RecipeResult) -> Iterator[str]:
    level = level_percent(result.confidence_level)
    yield (
        f"mIoU in percent: the mean over the seeds ± their standard deviation, and the {level} "
        "interval of the mean over seeds and images.\n"
        if _has_seeds(result)
        else f"mIoU in percent, and its {level} interval over images; of one seed, so without a "
        "spread.\n"
    )
    yield recipe_table(result)
    yield "## Each seed\n"
    columns = _columns(result)
    rows = []
    for mix, found in result.mixes.items():
        seeds = ", ".join("–" if run.seed is None else str(run.seed) for run in found.runs)
        cells = [
            "–" if cell is None else ", ".join(map(percent, cell.by_seed))
            for cell in _cells(found, columns)
        ]
        rows.append([mix, seeds, *cells])
    yield _markdown(["trained on", "seeds", *columns.values()], rows)
    for part in (*more_sources_parts(result), *parts(result)):
        yield f"## {part.title}\n"
        yield f"{part.told}\n"
        yield _markdown(part.heads, part.rows)
    if result.provenance is not None:
        yield "## Where this comes from\n"
        yield _told(result.provenance)


def _has_seeds(result: RecipeResult) -> bool:
    """Returns whether a mix has several runs."""
    return any(len(found.runs) > 1 for found in result.mixes.values())


def _told(found: Provenance) -> str:
    seeds = ", ".join(map(str, found.seeds))
    head = f"`{found.recipe}` by seed {seeds}, at revision `{found.revision[:12]}`, {found.date}."
    quoted = "\n".join(f"> {line}".rstrip() for line in found.chosen_by.splitlines())
    if not quoted:
        return f"{head}\n"
    return f"{head} The head of that file says:\n\n{quoted}\n"


@dataclass(frozen=True)
class Part:
    """A further table of a result.

    Attributes:
        title: title of the table, such as 'target, by class'.
        told: what its numbers are, in a sentence or more.
        heads: heads of the columns.
        rows: the cells of each row.
    """

    title: str
    told: str
    heads: list[str]
    rows: list[list[str]]


def more_sources_parts(result: RecipeResult) -> Iterator[Part]:
    """Yields the table of what more sources give, if the result has such networks."""
    columns = {d: title for (d, method), title in _columns(result).items() if method is None}
    rows = [
        [
            f"{found.mix} − {found.than}",
            *(found.domains[d].text if d in found.domains else "–" for d in columns),
        ]
        for found in result.more_sources or []
    ]
    if rows:
        level = level_percent(result.confidence_level)
        over = "seeds and images" if _has_seeds(result) else "images"
        yield Part(
            "What more sources give",
            f"Difference of mIoU in points, and its {level} interval over {over}. *Better* and "
            "*worse* need three seeds of both, and hold for all rows of a column together (Holm).",
            ["networks", *columns.values()],
            rows,
        )


def parts(result: RecipeResult) -> Iterator[Part]:
    """Yields the tables by class and by group of each domain, those that are known."""
    for domain in dict.fromkeys(chain(*(found.domains for found in result.mixes.values()))):
        cells = [found.domains.get(domain) for found in result.mixes.values()]
        if rows := _rows([cell.classes if cell else None for cell in cells]):
            told = (
                "IoU of each class, and the number of pixels that are labelled as it; without "
                "intervals, so no class is told apart here."
            )
            yield Part(f"{domain}, by class", told, ["class", "pixels", *result.mixes], rows)
        if rows := _rows([cell.groups if cell else None for cell in cells]):
            told = "mIoU of each group's images together."
            yield Part(f"{domain}, by group", told, ["group", "images", *result.mixes], rows)


def _rows(tables: Sequence[Mapping[str, ClassScores | SeedScores] | None]) -> list[list[str]]:
    """Returns a row for each name: it, its pixels or images, and its scores by mix."""
    rows = []
    for name in dict.fromkeys(chain(*(table or {} for table in tables))):
        scores = [(table or {}).get(name) for table in tables]
        first = next(score for score in scores if score is not None)
        count = first.pixels if isinstance(first, ClassScores) else first.images
        rows.append([name, str(count), *("–" if s is None else s.text for s in scores)])
    return rows


def _columns(result: RecipeResult) -> dict[tuple[str, Method | None], str]:
    """Returns the titles of the table's columns by domain and method, as of a run's table."""
    domains: dict[str, DomainResult] = {}
    for found in result.mixes.values():
        for domain, cell in found.domains.items():
            domains.setdefault(domain, cell)
    methods = list(
        dict.fromkeys(
            method
            for found in result.mixes.values()
            for cell in found.domains.values()
            for method in cell.adapted
        )
    )
    columns: dict[tuple[str, Method | None], str] = {}
    for domain, cell in domains.items():
        columns[domain, None] = domain_title(domain, cell)
        columns |= {(domain, m): f"{domain}, {m} (transductive)" for m in methods}
    return columns


def _cells(
    found: MixResult, columns: Mapping[tuple[str, Method | None], str]
) -> Iterator[DomainResult | None]:
    for domain, method in columns:
        cell = found.domains.get(domain)
        yield cell.adapted.get(method) if cell is not None and method is not None else cell


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"
