"""The `evaluate.` section of the parameters."""

from pydantic import Field

from roadshift.settings import Settings


class EvaluateSettings(Settings):
    """How certain a score is said to be."""

    bootstrap_samples: int = Field(
        default=1000,
        ge=0,
        le=100_000,
        description="Resamples of the pictures behind each confidence interval; 0 leaves it out.",
    )
    confidence_level: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="Share of the resamples that the confidence interval holds.",
    )
    calibration_bins: int = Field(
        default=15,
        ge=1,
        le=1000,
        description="Bins of equal width over confidence 0..1 for the calibration error.",
    )
