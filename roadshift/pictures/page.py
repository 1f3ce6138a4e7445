"""The page: one HTML file with the cross-domain table and what lies behind its cells.

It loads nothing: style, script and pictures are inside, and its content security policy forbids
anything else. Its script is admitted by its hash, so that no other one runs even if a name that
comes from data were to escape the escaping.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from math import ceil, floor
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib import colormaps

from roadshift.datasets.card import Card
from roadshift.pictures.layers import ERROR_COLOURS, WRONG
from roadshift.pictures.views import DomainViews
from roadshift.scoring.tables import domain_gap
from roadshift.taxonomy import Taxonomy

KINDS = ("best", "median", "worst")
LAYERS = ("picture", "label", "prediction", "error")
# Its lightness rises evenly, and it looks nearly the same to those who confuse red and green
# (Nuñez, Anderton and Renslow 2018, https://doi.org/10.1371/journal.pone.0199239).
COLOUR_MAP = colormaps["cividis"]

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Domain:
    """A data set in its role."""

    card: Card
    pictures: Mapping[str, int]
    """How many each split has."""
    views: DomainViews


@dataclass(frozen=True)
class Origin:
    """What a page is of, so that it can be found and made again.

    There is no revision of git among it: when a page is made, its results are not committed yet,
    and the same results may come out of many revisions. The hashes are those of `dvc.lock`, whose
    history leads to every revision that has them.
    """

    params: str
    """params.yaml as it is."""
    hashes: Mapping[str, str]
    """By path, as `dvc.lock` has them."""
    versions: Mapping[str, str]
    """Of the programs that drew the predictions, by name."""


def page_html(
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    seen: Mapping[str, Mapping[str, int]],
    sources: Mapping[str, Sequence[str]],
    target: str,
    domains: Mapping[str, Domain],
    taxonomy: Taxonomy,
    origin: Origin,
    confidence_level: float,
) -> str:
    """Writes the page. The same arguments give the same text.

    Args:
        scores: by mix and domain, what `score_domain` returned, with the name of its `data_set`
            and, under `adapted`, the same by method where there were some.
        seen: by mix, how many pictures of the target its training was given, under 'labelled'
            and 'unlabelled'.
        sources: by mix, the domains it was trained on; the last mix is shown first.
        target: the domain that no mix was trained on; it is shown first.
        domains: by role, in the order of the columns.
        taxonomy: of the classes.
        origin: what it is of.
        confidence_level: of the intervals, share.

    Returns:
        HTML that needs nothing beside it.
    """
    mixes = list(scores)
    heat = HeatScale.over(cell["miou"] for row in scores.values() for cell in row.values())
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("roadshift.pictures"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "points": points, "breakable": breakable}
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.get_template(
        "page.html"
    ).render(
        # Both are the project's own files, and hold nothing that comes from data.
        style=Markup(_asset("page.css")),  # noqa: S704 - as said
        script=Markup(script),  # noqa: S704 - as said
        script_hash=f"sha256-{digest}",
        scores=scores,
        seen=seen,
        gaps={mix: domain_gap(row, sources[mix], target) for mix, row in scores.items()},
        sources=sources,
        target=target,
        domains=domains,
        taxonomy=taxonomy,
        origin=origin,
        level=f"{100 * confidence_level:g} %",
        heat=heat,
        methods=adaptations(scores),
        best=best_mix(scores, target),
        first={"mix": mixes[-1], "domain": target, "kind": "median"},
        kinds=KINDS,
        layers=LAYERS,
        wrong=_css(ERROR_COLOURS[WRONG][:3]),
        data=_embedded(domains, taxonomy),
    )


def _asset(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text("utf-8")


def _embedded(domains: Mapping[str, Domain], taxonomy: Taxonomy) -> dict[str, Any]:
    """What the script needs, ready for JSON."""
    return {
        "classes": {name: entry.colour for name, entry in taxonomy.classes.items()},
        "domains": {role: asdict(domain.views) for role, domain in domains.items()},
    }


def best_mix(scores: Mapping[str, Mapping[str, Mapping[str, Any]]], domain: str) -> str | None:
    """The mix with the highest mIoU on a domain, the first of equals; None where none has one."""
    defined = {m: row[domain]["miou"] for m, row in scores.items()}
    known = {mix: miou for mix, miou in defined.items() if miou is not None}
    return max(known, key=lambda mix: known[mix], default=None)


def adaptations(scores: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """The methods that adapted a network to the scored pictures, in the order of their scoring."""
    cells = [cell for row in scores.values() for cell in row.values()]
    return list(dict.fromkeys(method for cell in cells for method in cell.get("adapted", {})))


@dataclass(frozen=True)
class HeatScale:
    """Colours of shares: from the tens of percent below the lowest to those above the highest."""

    low: int
    high: int
    """Percent."""

    @classmethod
    def over(cls, shares: Any) -> "HeatScale":
        """A scale for shares in 0..1, some of which may be None."""
        percents = [round(100 * share, 6) for share in shares if share is not None]
        if not percents:
            return cls(0, 100)
        low = min(90, 10 * floor(min(percents) / 10))
        return cls(low, max(low + 10, 10 * ceil(max(percents) / 10)))

    def colour(self, share: float) -> Colour:
        """The colour of a share in 0..1."""
        place = (100 * share - self.low) / (self.high - self.low)
        red, green, blue, _ = COLOUR_MAP(min(1.0, max(0.0, place)), bytes=True)
        return int(red), int(green), int(blue)

    def style(self, share: float | None) -> str:
        """CSS of a cell: its colour, and black or white for the text, whichever is clearer."""
        if share is None:
            return ""
        colour = self.colour(share)
        return f"background:{_css(colour)};color:{readable_on(colour)}"

    @property
    def gradient(self) -> str:
        """CSS of the whole scale, from left to right."""
        stops = (
            _css(self.colour((self.low + k * (self.high - self.low) / 8) / 100)) for k in range(9)
        )
        return f"linear-gradient(to right,{','.join(stops)})"


def _css(colour: Sequence[int]) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in colour)


def luminance(colour: Colour) -> float:
    """The relative luminance of an sRGB colour, 0..1, as WCAG 2.1 defines it."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def readable_on(colour: Colour) -> str:
    """Black or white, whichever has more contrast to a colour; it is at least 4.5 to 1 (AA)."""
    # Contrast is (lighter + 0.05) / (darker + 0.05); equal for both where the product is 1.05.
    return "#000000" if (luminance(colour) + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def percent(share: float | None) -> str:
    """A share in percent with one decimal."""
    return "–" if share is None else f"{100 * share:.1f}"


def points(difference: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return "–" if difference is None else f"{100 * difference:+.1f}".replace("-", "−")


def breakable(name: str) -> Markup:
    """A name that may be broken after underscores, dashes and slashes, escaped."""
    return Markup("<wbr>").join(re.split(r"(?<=[_/-])", name))
