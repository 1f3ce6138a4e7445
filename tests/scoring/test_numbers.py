"""How numbers are written."""

import pytest

from roadshift.scoring.numbers import points


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.0, "+0.0"), (-0.0, "+0.0"), (-0.0004, "+0.0"), (-0.0006, "−0.1"), (0.0964, "+9.6"),
     (None, "–")],
)  # fmt: skip
def test_points_have_a_sign_and_no_negative_zero(difference, text):
    assert points(difference) == text
