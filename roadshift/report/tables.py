"""Tables of a report, as HTML without a style sheet."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import chain
from typing import NamedTuple

from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb

from roadshift.pictures.palette import INK, VERDICTS
from roadshift.scoring.numbers import percent, percent_interval
from roadshift.scoring.results import DomainScores, MixScores
from roadshift.scoring.tables import cross_domain_columns
from roadshift.scoring.transfer import TransferScores

_SHADES = colormaps["Blues"]
"""One hue from light to dark, which is readable with any colour vision."""
_LIGHTEST, _DARKEST = 0.05, 0.75
_WHITE_TEXT_FROM = 0.5
_TINT = 0.22
"""Share of a verdict's colour in the background of its cells; the rest is white."""


class Cell(NamedTuple):
    """A table cell with a colour.

    Attributes:
        text: the text of the cell.
        shade: 0 (light) .. 1 (dark); None for no shade.
        note: further, smaller lines.
        verdict: the verdict whose colour the cell has where it has no shade; '' for none.
    """

    text: str
    shade: float | None = None
    note: str = ""
    verdict: str = ""


def folded(summary: str, content: str) -> str:
    """Folds content away, in HTML, under a line that opens it.

    Args:
        summary: text of the line.
        content: HTML, or Markdown after an empty line.
    """
    return f'<details class="more"><summary>{escape(summary)}</summary>\n{content}\n\n</details>'


def html_table(head: Sequence[str], rows: Sequence[Sequence[str | Cell]], caption: str = "") -> str:
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
        cells = _cell(first, 'th scope="row"') + "".join(_cell(other, "td") for other in others)
        lines.append(f"<tr>{cells}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _cell(cell: str | Cell, tag: str) -> str:
    if not isinstance(cell, Cell):
        cell = Cell(cell)
    style = ""
    if cell.shade is not None:
        place = _LIGHTEST + (_DARKEST - _LIGHTEST) * min(max(cell.shade, 0.0), 1.0)
        ink = "#ffffff" if place > _WHITE_TEXT_FROM else INK
        style = f' style="background:{to_hex(_SHADES(place))};color:{ink}"'
    elif cell.verdict in VERDICTS:
        red, green, blue = (1 - _TINT * (1 - part) for part in to_rgb(VERDICTS[cell.verdict]))
        style = f' style="background:{to_hex((red, green, blue))};color:{INK}"'
    notes = "".join(f"<br><small>{escape(line)}</small>" for line in cell.note.splitlines())
    return f"<{tag}{style}>{escape(cell.text)}{notes}</{tag.split()[0]}>"


def cross_domain_table(
    scores: Mapping[str, MixScores], rows: Mapping[str, str], caption: str = ""
) -> str:
    """Writes the cross-domain table in HTML: mIoU in percent with its interval; darker is higher.

    Args:
        scores: by mix, its scores.
        rows: by mix, the head of its row.
        caption: caption of the table; empty for none.
    """
    columns = cross_domain_columns(scores)
    cells = {mix: [column.cell(found) for column in columns] for mix, found in scores.items()}
    known = [s.miou for row in cells.values() for s in row if s and s.miou is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    body: list[list[str | Cell]] = [
        [rows[mix], *(_miou_cell(score, low, high) for score in row)] for mix, row in cells.items()
    ]
    return html_table(["trained on", *(column.title for column in columns)], body, caption)


def transfer_table(transfer: Mapping[str, TransferScores], rows: Mapping[str, str]) -> str:
    """Writes a table of the scores that may choose, mIoU in percent, in HTML.

    Args:
        transfer: by mix, its transfer scores.
        rows: by mix, the head of its row.

    Returns:
        A row for each mix: its mIoU on each held-out source, the mean of these, and the mean on
        the val images of its own sources.
    """
    heads = dict.fromkeys(chain(*(found.domains for found in transfer.values())), "")
    for role in heads:
        scored = [each.domains[role] for each in transfer.values() if role in each.domains]
        for score in (each for each in scored if each.held_out):
            images = f"{score.images} images of {' and '.join(score.splits)}"
            heads[role] = f"{role} held out = {score.data_set} ({images})"
    heads = {role: head for role, head in heads.items() if head}
    body: list[list[str | Cell]] = []
    for mix, found in transfer.items():
        scores = [found.domains.get(role) for role in heads]
        cells = (_miou_cell(s, 0.0, 1.0) if s is not None and s.held_out else "" for s in scores)
        body.append([rows[mix], *cells, percent(found.held_out), percent(found.val)])
    means = ["held out, mean", "val of its own sources, mean"]
    return html_table(["trained on", *heads.values(), *means], body)


def _miou_cell(score: DomainScores | None, low: float, high: float) -> Cell:
    if score is None or score.miou is None:
        return Cell("–", None)
    shade = (score.miou - low) / (high - low) if high > low else 0.0
    return Cell(percent(score.miou), shade, percent_interval(score.interval))


def class_shares(
    audits: Mapping[str, Sequence[Mapping[str, str]]], class_names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Returns each class's share of the pixels of each domain, over all splits.

    Args:
        audits: by domain, the rows of its audit.
        class_names: names of the classes in the order of their ids.

    Returns:
        By domain and class, the share of all pixels, ignored ones among them, 0..1.
    """
    shares = {}
    for domain, rows in audits.items():
        pixels = dict.fromkeys(class_names, 0)
        for row in rows:
            pixels[row["class"]] = pixels.get(row["class"], 0) + int(row["pixels"])
        total = max(1, sum(pixels.values()))
        shares[domain] = {name: pixels[name] / total for name in class_names}
    return shares


def shares_sentence(domain: str, shares: Mapping[str, float]) -> str:
    """Says which class is the rarest and which the most frequent in a domain, and which it lacks.

    Args:
        domain: the domain.
        shares: by class, its share of the pixels, from `class_shares`.
    """
    there = {name: share for name, share in shares.items() if share > 0}
    absent = [name.replace("_", " ") for name in shares if name not in there]
    if not there:
        return f"In **{domain}** no pixel is of a class."
    rarest, commonest = (find(there, key=lambda name: there[name]) for find in (min, max))
    lacking = f" No pixel is labelled as {', '.join(absent)}." if absent else ""
    return (
        f"In **{domain}** the rarest class is {rarest.replace('_', ' ')}, with "
        f"{share_percent(shares[rarest])} % of the pixels; the most frequent, "
        f"{commonest.replace('_', ' ')}, has {share_percent(shares[commonest])} %.{lacking}"
    )


def share_percent(share: float) -> str:
    """Writes a share of pixels, 0..1, in percent with two decimals, since some classes are rare."""
    return f"{100 * share:.2f}"


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
    body: list[list[str | Cell]] = []
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
        # A partial label has no reason but the name that straddles its classes.
        body.append([key[0], _reason(audits, key) or key[1], *shares])
    head = ["class", "merged names in these sets", *(f"{d}, % of pixels" for d in audits)]
    return html_table(head, body)


def _share(pixels: Mapping[tuple[str, str], int], keys: Sequence[tuple[str, str]]) -> str:
    count = sum(pixels.get(key, 0) for key in keys)
    return share_percent(count / max(1, sum(pixels.values())))


def _reason(audits: Mapping[str, Sequence[Mapping[str, str]]], key: tuple[str, str]) -> str:
    rows = (row for rows in audits.values() for row in rows)
    return next(r["ignored_because"] for r in rows if (r["class"], r["universal"]) == key)
