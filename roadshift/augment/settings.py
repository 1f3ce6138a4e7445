"""The `aug.` section of the parameters: one strength an operation, 0 is off.

And a probability for each family of operations whose strength is none itself.
"""

from pydantic import Field

from roadshift.settings import Settings


class AugmentSettings(Settings):
    """How strongly each operation may change a training sample.

    Every strength bounds a draw that is made anew for every sample and epoch. At 0 an operation
    is not part of the pipeline at all: it costs nothing and changes no bit. A family's
    probability is drawn for each of its operations and each sample; at 1, where nothing is
    drawn, every operation that is on is applied to every sample.
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
    statistics: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest share of the partner's colour statistics that is taken over, "
        "uniform in 0..statistics.",
    )
    fourier: float = Field(
        default=0.0,
        ge=0,
        le=0.25,
        description="Half width of the window of frequencies whose amplitudes are the partner's, "
        "as a share of the crop's shorter side.",
    )
    transfer_probability: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Probability of statistics and of fourier, each.",
    )
    cutmix: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability of pasting a rectangle of the partner, uniform in area.",
    )
    classmix: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability of pasting half of the classes of the partner, rounded up.",
    )
    fog: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="Largest optical thickness at the horizon, uniform in 0..fog, no unit.",
    )
    rain: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest intensity, uniform in 0..rain, as a share of the heaviest rain.",
    )
    dusk: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest depth of the dusk, uniform in 0..dusk: 0 is day, 1 is night.",
    )
    weather_probability: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Probability of fog, of rain and of dusk, each.",
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
    cast: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest log gain c of a colour cast: each channel's gain is exp(U(-c, c)), "
        "no unit.",
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
    jpeg: float = Field(
        default=0.0,
        ge=0,
        le=95,
        description="Largest loss of JPEG quality j, in points: the quality is uniform in "
        "100-j..100.",
    )
    photometric_probability: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="Probability of each operation from gamma to jpeg.",
    )
    erasing: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Probability of filling a rectangle with noise, its label ignored.",
    )
