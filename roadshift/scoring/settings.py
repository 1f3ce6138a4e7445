"""The `evaluate` section of the parameters."""

from typing import Annotated

from pydantic import Field, model_validator
from typing_extensions import Self

from roadshift.errors import RoadshiftError
from roadshift.settings import ParameterDoc, Settings


class EvaluateSettings(Settings):
    """Settings of scoring: test-time augmentation, confidence interval and calibration error.

    Raises:
        RoadshiftError: a scale is given twice.
    """

    bootstrap_samples: int = Field(
        default=4000,
        ge=0,
        le=100_000,
        description="resamples of the images behind each interval, 0 = none",
        json_schema_extra=ParameterDoc(detail="At 0 scores have no confidence interval."),
    )
    confidence_level: float = Field(
        default=0.95,
        gt=0,
        lt=1,
        description="share of the resamples within the interval",
        json_schema_extra=ParameterDoc(detail="It is the bootstrap's confidence interval."),
    )
    calibration_bins: int = Field(
        default=15,
        ge=1,
        le=1000,
        description="bins of equal width over confidence 0..1 for the calibration error",
    )
    tta_flip: bool = Field(
        default=False,
        description="whether each image is also segmented mirrored, and the two averaged",
    )
    tta_scales: list[Annotated[float, Field(ge=0.25, le=4)]] = Field(
        default=[1.0],
        min_length=1,
        description="scales that each image is segmented at, and all averaged",
        json_schema_extra=ParameterDoc(limit="each once"),
    )

    @model_validator(mode="after")
    def _scales_differ(self) -> Self:
        if len(set(self.tta_scales)) < len(self.tta_scales):
            raise RoadshiftError(f"evaluate.tta_scales is {self.tta_scales}: give each scale once")
        return self
