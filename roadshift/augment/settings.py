"""The `aug.` section of the parameters: one strength an operation, 0 is off."""

from pydantic import Field

from roadshift.settings import Settings


class AugmentSettings(Settings):
    """How strongly each operation may change a training sample.

    Every strength bounds a draw that is made anew for every sample and epoch. At 0 an operation
    is not part of the pipeline at all: it costs nothing and changes no bit.
    """

    scale: float = Field(
        default=0.0,
        ge=0,
        le=3,
        description="Largest zoom s: the factor is log-uniform in 1/(1+s)..1+s, no unit.",
    )
    crop: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability that the crop lies at a random place rather than centred.",
    )
    flip: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability of mirroring left and right.",
    )
    gamma: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="Largest log exponent g: values in 0..1 are raised to exp(U(-g, g)), no unit.",
    )
    brightness: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest shift, up or down, as a share of the full range.",
    )
    contrast: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest change c: the factor about the picture's mean is uniform in 1-c..1+c.",
    )
    saturation: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest change s: factor on the distance from grey, uniform in 1-s..1+s.",
    )
    hue: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Largest rotation of the hue, either way, in turns (0.5 is the opposite hue).",
    )
    blur: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="Largest sigma of the Gaussian blur, uniform in 0..blur, in crop pixels.",
    )
    noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest sigma of the Gaussian noise, uniform in 0..noise, "
        "as a share of the full range.",
    )
