"""The page of a comparison: one HTML file without a script, which loads nothing."""

from collections.abc import Sequence
from importlib import resources

import jinja2
from markupsafe import Markup

from roadshift.pictures.forest import ForestLine, forest_plot
from roadshift.report.charts import png
from roadshift.report.data_uris import file_uri
from roadshift.report.page import breakable
from roadshift.scoring.numbers import level_percent, percent, points
from roadshift.scoring.recipe_comparison import DomainComparison, MixComparison


def comparison_page(comparisons: Sequence[MixComparison], *, most: int) -> str:
    """Writes the page. The same arguments give the same text.

    Args:
        comparisons: a comparison of each mix.
        most: the most classes and images of a domain that are shown at once; all others are
            folded away.

    Returns:
        HTML that loads nothing else.
    """
    environment = jinja2.Environment(
        # A folder of its own: what lies in templates/ makes the page of the workflow run again.
        loader=jinja2.PackageLoader("roadshift.report", "comparison_templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "points": points, "breakable": breakable}
    style = (resources.files(__package__) / "templates/page.css").read_text("utf-8")
    return environment.get_template("comparison.html").render(
        style=Markup(style),  # noqa: S704 - own file
        comparisons=comparisons,
        charts={
            (found.mix, domain.domain): _chart(found, domain)
            for found in comparisons
            for domain in found.domains
        },
        level=level_percent,
        most=most,
    )


def _chart(comparison: MixComparison, domain: DomainComparison) -> str:
    """Returns the forest plot of a domain as a data URI."""
    base = comparison.recipes[0].name
    figure = forest_plot(
        [ForestLine.of(row.recipe.title, row.score) for row in domain.rows],
        title=f"mix {comparison.mix} on {domain.domain}",
        x_label=f"mIoU, points above {base}, {level_percent(comparison.level)} interval",
    )
    return file_uri(png(figure), "png")
