"""Number formats of all tables, pages and sentences."""


def percent(share: float | None) -> str:
    """Writes a share, 0..1, in percent with one decimal; None is a dash."""
    return "–" if share is None else f"{100 * share:.1f}"


def points(difference: float | None) -> str:
    """Writes a difference of shares in points with one decimal and its sign; None is a dash."""
    if difference is None:
        return "–"
    # The sum makes a rounded -0.0 a zero.
    return f"{round(100 * difference, 1) + 0.0:+.1f}".replace("-", "−")


def percent_interval(interval: tuple[float, float] | None) -> str:
    """Writes an interval of shares in percent, as '60.2 to 67.8'; None is the empty text."""
    return "" if interval is None else " to ".join(map(percent, interval))


def whole_percent(share: float | None) -> str:
    """Writes a share in whole percent, as '50 %'; None is a dash."""
    return "–" if share is None else f"{100 * share:.0f} %".replace("-", "−")


def level_percent(level: float) -> str:
    """Writes a confidence level, 0..1, as '95 %' or '99.5 %'."""
    return f"{100 * level:g} %"
