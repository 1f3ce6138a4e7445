"""The page: one HTML file with the cross-domain table and the images behind its cells.

It loads nothing: style, script and images are inside, and its content security policy forbids
anything else. The policy admits the page's script by its hash, so no other script runs even if a
name from the data were not escaped.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from itertools import chain
from math import ceil, floor
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib import colormaps

from roadshift.datasets.card import Card, load_card
from roadshift.pictures.palette import WRONG, Colour, css_colour
from roadshift.report.advice import Advice, class_losses
from roadshift.report.conclusions import widest
from roadshift.report.views import DomainViews
from roadshift.scoring.numbers import level_percent, percent, points
from roadshift.scoring.results import MixScores
from roadshift.scoring.tables import (
    adaptation_methods,
    best_mix,
    domain_gap,
    held_out,
    held_out_mean,
)
from roadshift.taxonomy import Taxonomy

CHOSEN = "chosen"
"""The kind of an image that is chosen by hand, and not as a network's best, median or worst."""
PAGE_MEGABYTES = 5
"""Upper bound on the size of a page, in 10^6 bytes; `IMAGE_BYTES` leaves the rest for text."""
OWN = "folder"
"""The card of anybody's own images; what it says of publisher and licence is a filler."""
LAYERS = ("image", "label", "prediction", "error")
# Its lightness rises evenly, and it looks nearly the same with a red-green deficiency (Nuñez,
# Anderton and Renslow 2018, https://doi.org/10.1371/journal.pone.0199239).
COLOUR_MAP = colormaps["cividis"]


@dataclass(frozen=True)
class PageDomain:
    """What the page shows about one domain, a data set in its role.

    Attributes:
        card: the data set's card.
        images: number of images of each split.
        views: the images that the page shows.
    """

    card: Card
    images: Mapping[str, int]
    views: DomainViews


@dataclass(frozen=True)
class Origin:
    """The provenance of a page: parameters, hashes of its inputs, versions.

    The page names no git revision: it is made before its results are committed, and many revisions
    may give the same results. The hashes are those of `dvc.lock`, whose history leads to every
    revision that has them.

    Attributes:
        params: text of params.yaml.
        hashes: by path, the MD5 in `dvc.lock`.
        versions: by name, the version of a program that made the results.
    """

    params: str
    hashes: Mapping[str, str]
    versions: Mapping[str, str]


def page_html(
    scores: Mapping[str, MixScores],
    *,
    sources: Mapping[str, Sequence[str]],
    target: str,
    domains: Mapping[str, PageDomain],
    taxonomy: Taxonomy,
    origin: Origin,
    confidence_level: float,
    advice: Advice | None = None,
) -> str:
    """Writes the page. The same arguments give the same text.

    Args:
        scores: by mix, its scores; the page opens with the mix of the most sources, of equals with
            the last.
        sources: by mix, the domains it was trained on.
        target: the target domain; the page opens with it.
        domains: by role, the domain, in the order of the columns.
        taxonomy: the taxonomy of the classes.
        origin: what the page was made from.
        confidence_level: level of the confidence intervals, 0..1.
        advice: what the run shows, and what to try next; None for a page without.

    Returns:
        HTML that loads nothing else.
    """
    mixes = list(scores)
    rows = {mix: found.domains for mix, found in scores.items()}
    heat = HeatScale.over(cell.miou for row in rows.values() for cell in row.values())
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("roadshift.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "points": points, "breakable": breakable}
    views = domains[target].views
    first = widest({mix: sources[mix] for mix in mixes})
    kind = "median" if "median" in views.kinds[first] else CHOSEN
    index = views.kinds[first].get(kind, 0)
    unseen = {mix: held_out(mix, sources) for mix in mixes}
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.get_template("page.html").render(
        # Style and script are the project's own files, without anything from the data.
        style=Markup(_asset("page.css")),  # noqa: S704 - own file
        script=Markup(script),  # noqa: S704 - own file
        script_hash=f"sha256-{digest}",
        scores=rows,
        seen={mix: found.target_images for mix, found in scores.items()},
        gaps={mix: domain_gap(row, sources[mix], target) for mix, row in rows.items()},
        sources=sources,
        held_out=unseen,
        # With two sources the mean is a cell of the table.
        held_out_means=(
            {mix: held_out_mean(row, unseen[mix]) for mix, row in rows.items()}
            if len({*chain(*sources.values())}) > 2
            else {}
        ),
        target=target,
        domains=domains,
        taxonomy=taxonomy,
        origin=origin,
        level=level_percent(confidence_level),
        heat=heat,
        methods=adaptation_methods(scores),
        best=best_mix(scores, target),
        losses={mix: class_losses(row, sources[mix], target) for mix, row in rows.items()},
        advice=advice,
        first={"mix": first, "domain": target, "kind": kind},
        opening=views.images[index] if index < len(views.images) else None,
        names={role: shown_name(domain.card) for role, domain in domains.items()},
        card_facts={role: card_facts(domain.card) for role, domain in domains.items()},
        megabytes=PAGE_MEGABYTES,
        layers=LAYERS,
        wrong=css_colour(WRONG),
        data=_embedded(domains, taxonomy),
    )


def shown_name(card: Card) -> str:
    """Returns the name of a data set, for whoever sees the page: 'folder' names nothing."""
    return "own images" if card.name == OWN else card.name


def card_facts(card: Card) -> dict[str, str]:
    """Returns what a card says about its data set, by key; what is not to be said is empty.

    A folder of one's own has no publisher, licence or citation, unless its card says more than the
    card 'folder' does.
    """
    own = load_card(OWN) if card.folder is not None else None
    facts = {}
    for key in ("title", "publisher", "licence", "citation", "homepage", "notes"):
        value = getattr(card, key)
        filler = value == "none" or (own is not None and value == getattr(own, key))
        facts[key] = "" if filler else value
    return facts


def _asset(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text("utf-8")


def _embedded(domains: Mapping[str, PageDomain], taxonomy: Taxonomy) -> dict[str, Any]:
    """Returns the data of the page's script, ready for JSON."""
    return {
        "classes": {name: entry.colour for name, entry in taxonomy.classes.items()},
        "partial": taxonomy.partial_colours,
        "domains": {role: asdict(domain.views) for role, domain in domains.items()},
    }


@dataclass(frozen=True)
class HeatScale:
    """Colour scale of shares.

    Attributes:
        low: percentage at the lower end, a multiple of 10.
        high: percentage at the upper end, a multiple of 10.
    """

    low: int
    high: int

    @classmethod
    def over(cls, shares: Any) -> "HeatScale":
        """Returns a scale that spans the given shares, 0..1; None is left out."""
        percents = [round(100 * share, 6) for share in shares if share is not None]
        if not percents:
            return cls(0, 100)
        low = min(90, 10 * floor(min(percents) / 10))
        return cls(low, max(low + 10, 10 * ceil(max(percents) / 10)))

    def colour(self, share: float) -> Colour:
        """Returns the colour of a share, 0..1."""
        place = (100 * share - self.low) / (self.high - self.low)
        red, green, blue, _ = COLOUR_MAP(min(1.0, max(0.0, place)), bytes=True)
        return int(red), int(green), int(blue)

    def style(self, share: float | None) -> str:
        """Returns the CSS of a cell: the share's colour, and black or white text."""
        if share is None:
            return ""
        colour = self.colour(share)
        return f"background:{css_colour(colour)};color:{readable_on(colour)}"

    @property
    def gradient(self) -> str:
        """The CSS of the whole scale, from left to right."""
        stops = (
            css_colour(self.colour((self.low + k * (self.high - self.low) / 8) / 100))
            for k in range(9)
        )
        return f"linear-gradient(to right,{','.join(stops)})"


def luminance(colour: Colour) -> float:
    """Returns the relative luminance of an sRGB colour, 0..1, as WCAG 2.1 defines it."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def readable_on(colour: Colour) -> str:
    """Returns black or white, whichever has more contrast to a colour: at least 4.5 to 1 (AA)."""
    # Contrast is (lighter + 0.05) / (darker + 0.05); equal for both where the product is 1.05.
    return "#000000" if (luminance(colour) + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def breakable(name: str) -> Markup:
    """Escapes a name and allows line breaks after underscores, dashes and slashes."""
    return Markup("<wbr>").join(re.split(r"(?<=[_/-])", name))
