"""The `aug` section of the parameters: one strength for each operation, 0 is off.

A family of operations whose strengths are not probabilities has a probability of its own.
"""

from pydantic import Field

from roadshift.settings import Method, ParameterDoc, Reference, Settings

_ALEXNET = Reference("Krizhevsky et al., NeurIPS 2012")
_CORRUPTIONS = Reference("Hendrycks and Dietterich, ICLR 2019", "1903.12261")
_JITTER = (
    Reference("Howard 2013", "1312.5402"),
    Reference("SSD, Liu et al., ECCV 2016", "1512.02325"),
)
_SURVEY = Reference("Shorten and Khoshgoftaar, survey, Journal of Big Data 2019")


def _operation(
    idea: str,
    *sources: Reference,
    start: float | None = None,
    unit: str = "",
    detail: str = "",
    family: str = "",
) -> ParameterDoc:
    """Documents an operation; `family` is the key of its family's probability."""
    method = Method("augmentation", idea, (family,) if family else ())
    return ParameterDoc(unit=unit, detail=detail, start=start, sources=sources, method=method)


class AugmentSettings(Settings):
    """The strength of each operation on training samples.

    Every strength bounds a new draw for every sample and epoch. At 0 an operation is not part of
    the pipeline at all: it costs nothing and changes no bit. A family's probability is drawn for
    each of its operations and each sample; at 1 nothing is drawn, and every operation that is on is
    applied to every sample. The partner of an image is an image of another source; in a mix of one
    source it is another image of that source.
    """

    random_scale: float = Field(
        default=0.0,
        ge=0,
        le=3,
        description="largest zoom s: the factor is log-uniform in 1/(1+s)..1+s",
        json_schema_extra=_operation(
            "zoom: other focal lengths and distances",
            Reference("PSPNet, Zhao et al., CVPR 2017", "1612.01105"),
            start=0.75,
        ),
    )
    random_crop: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability that the crop lies at a random place, else centred",
        json_schema_extra=_operation(
            "random place of the crop: more images of each image",
            _ALEXNET,
            start=1,
            unit="probability",
        ),
    )
    class_crop: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability that the crop lies around a pixel of an evenly drawn class",
        json_schema_extra=_operation(
            "crops of every class of an image: poles and persons as often as road",
            Reference("akin to class uniform sampling, Zhu et al., CVPR 2019", "1812.01593"),
            start=0.5,
            unit="probability",
            detail="It overrules random_crop. An image without a labelled pixel keeps its crop, as "
            "do the images of self-training.",
        ),
    )
    flip: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability of mirroring left and right",
        json_schema_extra=_operation(
            "mirroring: left-hand traffic, and twice the layouts",
            _ALEXNET,
            start=0.5,
            unit="probability",
        ),
    )
    colour_transfer: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest share taken of the partner's colour statistics (lαβ)",
        json_schema_extra=_operation(
            "mean and spread of the colours of an image of another source",
            Reference("Reinhard et al., Color Transfer between Images, IEEE CG&A 2001"),
            start=1,
            detail="The share is uniform in 0..colour_transfer.",
            family="transfer_probability",
        ),
    )
    fda_beta: float = Field(
        default=0.0,
        ge=0,
        le=0.25,
        description="half width β of the partner's frequencies",
        json_schema_extra=_operation(
            "FDA: low-frequency amplitudes of another source carry its look, phases the content",
            Reference("Yang and Soatto, CVPR 2020", "2004.05498"),
            start=0.01,
            unit="share of the shorter side",
            detail="The amplitudes in a window of this half width are the partner's. The side is "
            "the crop's.",
            family="transfer_probability",
        ),
    )
    transfer_probability: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="probability of colour_transfer and of fda_beta, each per sample",
        json_schema_extra=ParameterDoc(unit="probability"),
    )
    cutmix: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability of pasting a rectangle of the partner",
        json_schema_extra=_operation(
            "a rectangle of another image: less reliance on the surroundings",
            Reference("Yun et al., ICCV 2019", "1905.04899"),
            start=0.5,
            detail="The rectangle's area is uniform.",
            unit="probability",
        ),
    )
    classmix: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability of pasting half of the partner's classes, rounded up",
        json_schema_extra=_operation(
            "half of the classes of another image, cut out along their outlines",
            Reference("Olsson et al., WACV 2021", "2007.07936"),
            Reference("DACS, Tranheden et al., WACV 2021", "2007.08702"),
            start=0.5,
            unit="probability",
        ),
    )
    fog: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="largest optical thickness at the horizon",
        json_schema_extra=_operation(
            "Koschmieder's law over an assumed flat road",
            Reference("Sakaridis et al., IJCV 2018", "1708.07819"),
            start=1.5,
            detail="The thickness is uniform in 0..fog.",
            family="weather_probability",
        ),
    )
    rain: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest intensity",
        json_schema_extra=_operation(
            "a grey veil and streaks",
            Reference("Garg and Nayar, Vision and Rain, IJCV 2007"),
            start=0.7,
            unit="share of the heaviest rain",
            detail="The intensity is uniform in 0..rain.",
            family="weather_probability",
        ),
    )
    dusk: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest depth of the dusk: 0 is day, 1 is night",
        json_schema_extra=_operation(
            "less light, bluer, and a noisier sensor; Dark Zurich shows why it is needed",
            Reference("Dark Zurich, Sakaridis et al., ICCV 2019", "1901.05946"),
            start=0.7,
            detail="The depth is uniform in 0..dusk.",
            family="weather_probability",
        ),
    )
    weather_probability: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="probability of fog, of rain and of dusk, each per sample",
        json_schema_extra=ParameterDoc(unit="probability"),
    )
    gamma: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="largest log exponent g: values in 0..1 are raised to exp(U(-g, g))",
        json_schema_extra=_operation(
            "another tone curve", _SURVEY, start=0.6, family="photometric_probability"
        ),
    )
    brightness: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest shift, up or down",
        json_schema_extra=_operation(
            "another exposure",
            *_JITTER,
            start=0.3,
            unit="share of the full range",
            family="photometric_probability",
        ),
    )
    contrast: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest change c: the factor about the image's mean is uniform in 1-c..1+c",
        json_schema_extra=_operation(
            "haze, another camera", *_JITTER, start=0.4, family="photometric_probability"
        ),
    )
    saturation: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest change s: factor on the distance from grey, uniform in 1-s..1+s",
        json_schema_extra=_operation(
            "another sensor and sky", *_JITTER, start=1, family="photometric_probability"
        ),
    )
    hue: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="largest rotation of the hue, either way",
        json_schema_extra=_operation(
            "another palette",
            *_JITTER,
            start=0.06,
            unit="turns",
            detail="At 0.5 it is the opposite hue.",
            family="photometric_probability",
        ),
    )
    colour_cast: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest log gain c of a colour channel: the gain is exp(U(-c, c))",
        json_schema_extra=_operation(
            "another white balance, a gain a channel; akin to AlexNet's colour shifts",
            _ALEXNET,
            start=0.3,
            family="photometric_probability",
        ),
    )
    blur: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="largest sigma of the Gaussian blur",
        json_schema_extra=_operation(
            "the lens, out of focus",
            _CORRUPTIONS,
            start=1.5,
            unit="crop pixels",
            detail="Sigma is uniform in 0..blur.",
            family="photometric_probability",
        ),
    )
    noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest sigma of the Gaussian noise",
        json_schema_extra=_operation(
            "the sensor",
            _CORRUPTIONS,
            start=0.05,
            unit="share of the full range",
            detail="Sigma is uniform in 0..noise.",
            family="photometric_probability",
        ),
    )
    jpeg: float = Field(
        default=0.0,
        ge=0,
        le=95,
        description="largest loss j of JPEG quality, uniform in 100-j..100",
        json_schema_extra=_operation(
            "the file", _CORRUPTIONS, start=60, unit="points", family="photometric_probability"
        ),
    )
    photometric_probability: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="probability of each operation from gamma to jpeg, per sample",
        json_schema_extra=ParameterDoc(unit="probability"),
    )
    random_erasing: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="probability of filling a rectangle with noise, its label ignored",
        json_schema_extra=_operation(
            "a hidden rectangle, whose label is ignored: occlusion",
            Reference("Zhong et al., AAAI 2020", "1708.04896"),
            start=0.5,
            unit="probability",
        ),
    )
