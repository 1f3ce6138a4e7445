"""The `evaluate.` section of the parameters."""

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings


class EvaluateSettings(Settings):
    """How a picture is segmented, and how certain its score is said to be.

    Raises:
        RoadshiftError: a scale is given twice.
    """

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
    flip: bool = Field(
        default=False,
        description="Whether each picture is also segmented mirrored, and the two averaged.",
    )
    scales: list[Annotated[float, Field(ge=0.25, le=4)]] = Field(
        default=[1.0],
        min_length=1,
        description="Sizes that each picture is segmented at, and the results averaged.",
    )

    @model_validator(mode="after")
    def _scales_differ(self) -> Self:
        if len(set(self.scales)) < len(self.scales):
            raise RoadshiftError(f"evaluate.scales is {self.scales}: give each scale once")
        return self
