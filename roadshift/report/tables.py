"""Tables of a report, as HTML that needs no style sheet."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from matplotlib import colormaps
from matplotlib.colors import to_hex

from roadshift.report.conclusions import Score, percent

_SHADES = colormaps["Blues"]
"""One hue from light to dark, so that it can be read without telling colours apart."""
_LIGHTEST, _DARKEST = 0.05, 0.75
_WHITE_TEXT_FROM = 0.5


class Shaded(NamedTuple):
    """A cell with a shade."""

    text: str
    shade: float | None
    """0 light .. 1 dark; None for no shade."""
    note: str = ""
    """A second, smaller line."""


def html_table(
    head: Sequence[str], rows: Sequence[Sequence[str | Shaded]], caption: str = ""
) -> str:
    """Writes a table; the first column heads the rows. All text is escaped.

    Returns:
        HTML, the same for the same arguments.
    """
    lines = ["<table>"]
    if caption:
        lines.append(f"<caption>{escape(caption)}</caption>")
    cells = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    lines.append(f"<thead><tr>{cells}</tr></thead><tbody>")
    for first, *others in rows:
        text = first.text if isinstance(first, Shaded) else first
        cells = f'<th scope="row">{escape(text)}</th>' + "".join(map(_cell, others))
        lines.append(f"<tr>{cells}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _cell(cell: str | Shaded) -> str:
    if not isinstance(cell, Shaded):
        return f"<td>{escape(cell)}</td>"
    style = ""
    if cell.shade is not None:
        place = _LIGHTEST + (_DARKEST - _LIGHTEST) * min(max(cell.shade, 0.0), 1.0)
        ink = "#ffffff" if place > _WHITE_TEXT_FROM else "#1a1a1a"
        style = f' style="background:{to_hex(_SHADES(place))};color:{ink}"'
    note = f"<br><small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<td{style}>{escape(cell.text)}{note}</td>"


def cross_domain_table(scores: Mapping[str, Mapping[str, Score]], rows: Mapping[str, str]) -> str:
    """The cross-domain table: mIoU in percent with its interval, darker where it is higher.

    Where test pictures were used for adaptation, its result stands in a column of its own.

    Args:
        scores: by mix and domain.
        rows: by mix, what heads its row.
    """
    domains = next(iter(scores.values()))
    methods = sorted({m for row in scores.values() for s in row.values() for m in _adapted(s)})
    columns = [(domain, method) for domain in domains for method in ("", *methods)]
    head = ["trained on"]
    for domain, method in columns:
        score = domains[domain]
        plain = f"{domain} = {score['data_set']}, {score['pictures']} pictures"
        head.append(f"{domain}, {method} (has seen the test pictures)" if method else plain)
    cells = {
        (mix, column): _of(row[column[0]], column[1])
        for mix, row in scores.items()
        for column in columns
    }
    known = [s["miou"] for s in cells.values() if s and s["miou"] is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    body: list[list[str | Shaded]] = [
        [rows[mix], *(_miou_cell(cells[mix, column], low, high) for column in columns)]
        for mix in scores
    ]
    return html_table(head, body)


def _adapted(score: Score) -> Mapping[str, Score]:
    return score.get("adapted", {})


def _of(score: Score, method: str) -> Score | None:
    return _adapted(score).get(method) if method else score


def _miou_cell(score: Score | None, low: float, high: float) -> Shaded:
    if score is None or score["miou"] is None:
        return Shaded("–", None)
    ends: list[Any] = [score["miou_low"], score["miou_high"]]
    note = "" if None in ends else " to ".join(map(percent, ends))
    shade = (score["miou"] - low) / (high - low) if high > low else 0.0
    return Shaded(percent(score["miou"]), shade, note)


def class_shares(
    audits: Mapping[str, Sequence[Mapping[str, str]]], class_names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """The share of a domain's labelled pixels that each class has, over all splits.

    Args:
        audits: by domain, the rows of its audit.
        class_names: of the taxonomy.

    Returns:
        By domain and class, in 0..1; what is ignored is no part of the whole.
    """
    shares = {}
    for domain, rows in audits.items():
        pixels = dict.fromkeys(class_names, 0)
        for row in rows:
            if row["class"] in pixels:
                pixels[row["class"]] += int(row["pixels"])
        total = max(1, sum(pixels.values()))
        shares[domain] = {name: count / total for name, count in pixels.items()}
    return shares


def merged_table(
    members: Mapping[str, Sequence[str]], audits: Mapping[str, Sequence[Mapping[str, str]]]
) -> str:
    """Which universal names each class merges, and what share of each domain's pixels it has.

    Args:
        members: by class, the universal names.
        audits: by domain, the rows of its audit.
    """
    totals: dict[str, dict[tuple[str, str], int]] = {}
    for domain, rows in audits.items():
        totals[domain] = {}
        for row in rows:
            key = row["class"], row["universal"]
            totals[domain][key] = totals[domain].get(key, 0) + int(row["pixels"])
    body: list[list[str | Shaded]] = []
    for name, universal in members.items():
        present = {u for rows in totals.values() for (c, u), n in rows.items() if c == name and n}
        merged = ", ".join(u for u in universal if u in present) or "–"
        shares = [_share(rows, [key for key in rows if key[0] == name]) for rows in totals.values()]
        body.append([name, merged, *shares])
    ignored = {key for rows in totals.values() for key, n in rows.items() if n} - {
        (name, u) for name, universal in members.items() for u in universal
    }
    for key in sorted(ignored):
        shares = [_share(rows, [key]) for rows in totals.values()]
        body.append([key[0], _reason(audits, key), *shares])
    head = ["class", "merges, of what is in these sets", *(f"{d}, % of pixels" for d in audits)]
    return html_table(head, body)


def _share(pixels: Mapping[tuple[str, str], int], keys: Sequence[tuple[str, str]]) -> str:
    count = sum(pixels.get(key, 0) for key in keys)
    return f"{100 * count / max(1, sum(pixels.values())):.2f}"


def _reason(audits: Mapping[str, Sequence[Mapping[str, str]]], key: tuple[str, str]) -> str:
    rows = (row for rows in audits.values() for row in rows)
    return next(r["ignored_because"] for r in rows if (r["class"], r["universal"]) == key)
