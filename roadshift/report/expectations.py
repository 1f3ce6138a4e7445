"""Scores that were expected without labels, beside the true ones."""

from collections.abc import Collection, Mapping

from roadshift.estimation.expected import DomainExpectation, MixExpectations
from roadshift.report.tables import Cell, html_table
from roadshift.scoring.numbers import percent, percent_interval, points


def expected_table(
    found: Mapping[str, MixExpectations], row_heads: Mapping[str, str], domains: Collection[str]
) -> str:
    """Writes the table of expected and true pixel accuracy and mIoU, as HTML.

    Args:
        found: expectations by mix.
        row_heads: head of the row of each mix.
        domains: roles of the domains, in the order of the rows.
    """
    head = ["trained on", "on", "expected accuracy", "true", "expected mIoU", "at most", "true"]
    rows: list[list[str | Cell]] = []
    for mix, each in found.items():
        for role in domains:
            domain = each.domains[role]
            expected = domain.expected
            accuracy = percent_interval(expected.accuracy_interval)
            miou = percent_interval(expected.miou_interval)
            known = percent(expected.miou) if expected.miou_is_known else "–"
            rows.append(
                [
                    row_heads[mix],
                    role,
                    Cell(percent(expected.pixel_accuracy), note=accuracy),
                    percent(domain.pixel_accuracy),
                    Cell(known, note=miou if expected.miou_is_known else ""),
                    percent(expected.miou_upper_bound),
                    percent(domain.miou),
                ]
            )
    return html_table(head, rows, "Expected without labels, and true, in percent")


def missed_sentence(
    found: Mapping[str, MixExpectations], mixes: Mapping[str, Collection[str]]
) -> str:
    """Says how far the expected scores missed the true ones.

    Args:
        found: expectations by mix.
        mixes: by mix, the domains that its network was trained on.
    """
    cells = [
        (role in mixes[mix], domain)
        for mix, each in found.items()
        for role, domain in each.domains.items()
    ]
    parts = []
    for own, where in ((True, "their own domains"), (False, "the others")):
        misses = _misses([domain for is_own, domain in cells if is_own == own])
        if misses:
            mean = sum(map(abs, misses)) / len(misses)
            largest = points(max(misses, key=abs))
            parts.append(f"by {percent(mean)} points on average on {where} ({largest} at most)")
    if not parts:
        return "No domain has labels to compare the expected scores with."
    return f"The expected pixel accuracy of the networks missed the true one {' and '.join(parts)}."


def _misses(domains: Collection[DomainExpectation]) -> list[float]:
    return [
        domain.expected.pixel_accuracy - domain.pixel_accuracy
        for domain in domains
        if domain.pixel_accuracy is not None
    ]
