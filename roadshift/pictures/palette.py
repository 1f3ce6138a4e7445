"""The colours of all charts, tables and pages.

Series and verdicts have the colours of Okabe and Ito, which can be told apart with any colour
vision deficiency (Color Universal Design, 2008).
"""

from collections.abc import Sequence

Colour = tuple[int, int, int]

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours of networks or domains, in their order."""
VERDICTS = {"better": "#0072b2", "worse": "#d55e00"}
"""Colour of the verdicts that a comparison may come to; all else is `UNDECIDED`."""
UNDECIDED = "#888888"
"""Colour of a comparison without a verdict."""
INK = "#1a1a1a"
"""Colour of text and axes."""
WRONG: Colour = (213, 94, 0)
"""Colour of wrong pixels in error maps."""


def css_colour(colour: Sequence[int]) -> str:
    """Returns a colour, (red, green, blue) in 0..255, in the hexadecimal notation of CSS."""
    return "#" + "".join(f"{channel:02x}" for channel in colour)
