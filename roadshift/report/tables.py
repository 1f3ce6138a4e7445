"""Tables of a report, as HTML without a style sheet."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from matplotlib import colormaps
from matplotlib.colors import to_hex

from roadshift.pictures.palette import INK
from roadshift.scoring.numbers import percent, percent_interval
from roadshift.scoring.results import DomainScores, MixScores
from roadshift.scoring.tables import cross_domain_columns

_SHADES = colormaps["Blues"]
"""One hue from light to dark, which is readable with any colour vision."""
_LIGHTEST, _DARKEST = 0.05, 0.75
_WHITE_TEXT_FROM = 0.5


class Shaded(NamedTuple):
    """A table cell with a shade.

    Attributes:
        text: the text of the cell.
        shade: 0 (light) .. 1 (dark); None for no shade.
        note: a second, smaller line.
    """

    text: str
    shade: float | None
    note: str = ""


def html_table(
    head: Sequence[str], rows: Sequence[Sequence[str | Shaded]], caption: str = ""
) -> str:
    """Writes a table in HTML; all text is escaped.

    Args:
        head: heads of the columns.
        rows: cells of each row; the first one is the row's head.
        caption: caption of the table; empty for none.
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
        ink = "#ffffff" if place > _WHITE_TEXT_FROM else INK
        style = f' style="background:{to_hex(_SHADES(place))};color:{ink}"'
    note = f"<br><small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<td{style}>{escape(cell.text)}{note}</td>"


def cross_domain_table(scores: Mapping[str, MixScores], rows: Mapping[str, str]) -> str:
    """Writes the cross-domain table in HTML: mIoU in percent with its interval; darker is higher.

    Args:
        scores: by mix, its scores.
        rows: by mix, the head of its row.
    """
    columns = cross_domain_columns(scores)
    cells = {mix: [column.cell(found) for column in columns] for mix, found in scores.items()}
    known = [s.miou for row in cells.values() for s in row if s and s.miou is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    body: list[list[str | Shaded]] = [
        [rows[mix], *(_miou_cell(score, low, high) for score in row)] for mix, row in cells.items()
    ]
    return html_table(["trained on", *(column.title for column in columns)], body)


def _miou_cell(score: DomainScores | None, low: float, high: float) -> Shaded:
    if score is None or score.miou is None:
        return Shaded("–", None)
    shade = (score.miou - low) / (high - low) if high > low else 0.0
    return Shaded(percent(score.miou), shade, percent_interval(score.interval))


def class_shares(
    audits: Mapping[str, Sequence[Mapping[str, str]]], class_names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Returns each class's share of the labelled pixels of each domain, over all splits.

    Args:
        audits: by domain, the rows of its audit.
        class_names: names of the classes in the order of their ids.

    Returns:
        By domain and class, the share, 0..1. Ignored pixels are not counted.
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
    """Writes a table of the universal names that each class merges, and its shares of the pixels.

    Args:
        members: by class, its universal names.
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
    head = ["class", "merged names in these sets", *(f"{d}, % of pixels" for d in audits)]
    return html_table(head, body)


def _share(pixels: Mapping[tuple[str, str], int], keys: Sequence[tuple[str, str]]) -> str:
    count = sum(pixels.get(key, 0) for key in keys)
    return f"{100 * count / max(1, sum(pixels.values())):.2f}"


def _reason(audits: Mapping[str, Sequence[Mapping[str, str]]], key: tuple[str, str]) -> str:
    rows = (row for rows in audits.values() for row in rows)
    return next(r["ignored_because"] for r in rows if (r["class"], r["universal"]) == key)
