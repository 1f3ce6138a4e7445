"""The methods that are parameters, with what each is thought to do and where it comes from."""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

_ARXIV = "https://arxiv.org/abs/"


class Source(NamedTuple):
    """A publication."""

    name: str
    """Authors, title or venue, and year."""
    arxiv: str = ""
    """Its number there, if it has one."""

    @property
    def link(self) -> str:
        """Markdown."""
        return f"[{self.name}]({_ARXIV}{self.arxiv})" if self.arxiv else self.name


class Method(NamedTuple):
    """A method behind a key of params.yaml."""

    keys: tuple[str, ...]
    """The first one switches it on."""
    idea: str
    sources: tuple[Source, ...] = ()
    start: float | None = None
    """A value to begin with, where there is one; below the largest that makes sense."""


_ALEXNET = Source("Krizhevsky et al., NeurIPS 2012")
_CORRUPTIONS = Source("Hendrycks and Dietterich, ICLR 2019", "1903.12261")
_JITTER = (Source("Howard 2013", "1312.5402"), Source("SSD, Liu et al., ECCV 2016", "1512.02325"))
_SURVEY = Source("Shorten and Khoshgoftaar, survey, Journal of Big Data 2019")

AUGMENTATION: tuple[Method, ...] = (
    Method(
        ("aug.scale",),
        "zoom: other focal lengths and distances",
        (Source("PSPNet, Zhao et al., CVPR 2017", "1612.01105"),),
        start=0.75,
    ),
    Method(
        ("aug.crop",),
        "random place of the crop: more pictures of each picture",
        (_ALEXNET,),
        start=1,
    ),
    Method(
        ("aug.flip",), "mirroring: left-hand traffic, and twice the layouts", (_ALEXNET,), start=0.5
    ),
    Method(
        ("aug.statistics", "aug.transfer_probability"),
        "mean and spread of the colours of a picture of another source",
        (Source("Reinhard et al., Color Transfer between Images, IEEE CG&A 2001"),),
        start=1,
    ),
    Method(
        ("aug.fourier", "aug.transfer_probability"),
        "FDA: low-frequency amplitudes of another source carry its look, phases the content",
        (Source("Yang and Soatto, CVPR 2020", "2004.05498"),),
        start=0.01,
    ),
    Method(
        ("aug.cutmix",),
        "a rectangle of another picture: less reliance on the surroundings",
        (Source("Yun et al., ICCV 2019", "1905.04899"),),
        start=0.5,
    ),
    Method(
        ("aug.classmix",),
        "half of the classes of another picture, cut out along their outlines",
        (
            Source("Olsson et al., WACV 2021", "2007.07936"),
            Source("DACS, Tranheden et al., WACV 2021", "2007.08702"),
        ),
        start=0.5,
    ),
    Method(
        ("aug.fog", "aug.weather_probability"),
        "Koschmieder's law over an assumed flat road",
        (Source("Sakaridis et al., IJCV 2018", "1708.07819"),),
        start=1.5,
    ),
    Method(
        ("aug.rain", "aug.weather_probability"),
        "a grey veil and streaks",
        (Source("Garg and Nayar, Vision and Rain, IJCV 2007"),),
        start=0.7,
    ),
    Method(
        ("aug.dusk", "aug.weather_probability"),
        "less light, bluer, and a noisier sensor; why it is needed shows",
        (Source("Dark Zurich, Sakaridis et al., ICCV 2019", "1901.05946"),),
        start=0.7,
    ),
    Method(
        ("aug.gamma", "aug.photometric_probability"), "another tone curve", (_SURVEY,), start=0.6
    ),
    Method(
        ("aug.brightness", "aug.photometric_probability"), "another exposure", _JITTER, start=0.3
    ),
    Method(
        ("aug.contrast", "aug.photometric_probability"), "haze, another camera", _JITTER, start=0.4
    ),
    Method(
        ("aug.saturation", "aug.photometric_probability"),
        "another sensor and sky",
        _JITTER,
        start=1,
    ),
    Method(("aug.hue", "aug.photometric_probability"), "another palette", _JITTER, start=0.06),
    Method(
        ("aug.cast", "aug.photometric_probability"),
        "another white balance, a gain a channel; akin to the colour shifts of",
        (_ALEXNET,),
        start=0.3,
    ),
    Method(
        ("aug.blur", "aug.photometric_probability"),
        "the lens, out of focus",
        (_CORRUPTIONS,),
        start=1.5,
    ),
    Method(("aug.noise", "aug.photometric_probability"), "the sensor", (_CORRUPTIONS,), start=0.05),
    Method(("aug.jpeg", "aug.photometric_probability"), "the file", (_CORRUPTIONS,), start=60),
    Method(
        ("aug.erasing",),
        "a hidden rectangle, whose label is ignored: occlusion",
        (Source("Zhong et al., AAAI 2020", "1708.04896"),),
        start=0.5,
    ),
)

REGULARIZATION: tuple[Method, ...] = (
    Method(
        ("reg.dropout",),
        "features dropped at random before the classifier",
        (Source("Srivastava et al., JMLR 2014"),),
        start=0.1,
    ),
    Method(
        ("reg.l1",),
        "penalty on absolute weights: few of them",
        (Source("Lasso, Tibshirani 1996"),),
        start=1e-06,
    ),
    Method(
        ("reg.l2",),
        "penalty on squared weights: small ones",
        (Source("Krogh and Hertz, NeurIPS 1991"),),
        start=0.0001,
    ),
    Method(
        ("reg.weight_decay",),
        "AdamW: decay apart from the gradient's scaling",
        (Source("Loshchilov and Hutter, ICLR 2019", "1711.05101"),),
        start=0.01,
    ),
    Method(
        ("reg.label_smoothing",),
        "targets short of 0 and 1: less overconfidence",
        (Source("Szegedy et al., CVPR 2016", "1512.00567"),),
        start=0.1,
    ),
    Method(
        ("reg.stochastic_depth",),
        "residual branches skipped at random",
        (Source("Huang et al., ECCV 2016", "1603.09382"),),
        start=0.1,
    ),
    Method(
        ("reg.ema",),
        "a moving average of the weights: a flatter place of the loss",
        (Source("Polyak and Juditsky 1992"), Source("mean teacher, 2017", "1703.01780")),
        start=0.99,
    ),
    Method(
        ("train.class_weighting",),
        "rare classes count more",
        (Source("Eigen and Fergus, ICCV 2015", "1411.4734"),),
        start=0.5,
    ),
    Method(
        ("train.rare_class_temperature",),
        "pictures of rare classes are drawn more often",
        (Source("DAFormer, Hoyer et al., CVPR 2022", "2111.14887"),),
        start=0.01,
    ),
    Method(
        ("train.focal",),
        "certain pixels count less",
        (Source("Lin et al., ICCV 2017", "1708.02002"),),
        start=2,
    ),
    Method(
        ("train.dice",),
        "overlap of whole regions as a loss",
        (Source("V-Net, Milletari et al., 3DV 2016", "1606.04797"),),
        start=0.5,
    ),
    Method(
        ("train.lovasz",),
        "IoU itself, made differentiable",
        (Source("Berman et al., CVPR 2018", "1705.08790"),),
        start=0.5,
    ),
    Method(
        ("train.clip_norm",),
        "no step larger than this, whatever the gradient",
        (Source("Pascanu et al., ICML 2013", "1211.5063"),),
        start=1,
    ),
)

ADAPTATION: tuple[Method, ...] = (
    Method(
        ("model.weights",),
        "features that have seen more than two cities: an encoder pretrained on ImageNet",
        (Source("EfficientNet, Tan and Le, ICML 2019", "1905.11946"),),
    ),
    Method(
        ("model.keep_statistics",),
        "the pretrained encoder's batch-norm statistics stay, so that mixed domains do not "
        "disturb each other",
        (Source("batch norm, Ioffe and Szegedy, ICML 2015", "1502.03167"),),
    ),
    Method(
        ("model.instance_norm",),
        "IBN: half of the channels forget each picture's own contrast and colour",
        (Source("Pan et al., ECCV 2018", "1807.09441"),),
        start=2,
    ),
    Method(
        ("train.precise_statistics",),
        "batch-norm statistics taken anew from training batches at the end",
        (Source("Wu and Johnson 2021", "2105.07576"),),
        start=100,
    ),
    Method(
        ("adapt.labelled.samples", "adapt.labelled.weight", "adapt.labelled.alone"),
        "a few labelled pictures of the target join the sources with a weight in every batch; all "
        "of them alone are the oracle",
        (Source("Motiian et al., ICCV 2017", "1709.10190"),),
        start=5,
    ),
    Method(
        (
            "adapt.self_training.weight",
            "adapt.self_training.batch_size",
            "adapt.self_training.threshold",
            "adapt.self_training.ema",
            "adapt.self_training.warmup_epochs",
        ),
        "DACS: an averaged teacher labels pictures of the target, and classes of labelled source "
        "pictures are pasted into them",
        (
            Source("Tranheden et al., WACV 2021", "2007.08702"),
            Source("Mean Teacher, Tarvainen and Valpola, NeurIPS 2017", "1703.01780"),
        ),
        start=1,
    ),
    Method(
        ("adapt.adabn",),
        "AdaBN: batch-norm statistics of the scored domain's unlabelled pictures",
        (Source("Li et al. 2016", "1603.04779"),),
    ),
    Method(
        ("adapt.tent_steps", "adapt.tent_learning_rate"),
        "TENT: scales and offsets of the norms lower each picture's entropy",
        (Source("Wang et al., ICLR 2021", "2006.10726"),),
        start=1,
    ),
)


def methods_table(methods: Sequence[Method], params: Mapping[str, Any]) -> str:
    """Methods with the values that they have in a run.

    Args:
        methods: the rows.
        params: the content of params.yaml, sections of keys.

    Returns:
        Markdown: key, the run's value, one to begin with, the idea, and the sources.
    """
    lines = ["| key | in this run | to begin with | idea | source |", "|---" * 5 + "|"]
    for method in methods:
        value = reduce(lambda section, key: section[key], method.keys[0].split("."), params)
        # False and 0 are off, and so is True nowhere.
        shown = "off" if value in (False, 0) else "on" if value is True else str(value)
        sources = "; ".join(source.link for source in method.sources)
        start = "" if method.start is None else f"{method.start:g}"
        lines.append(f"| `{method.keys[0]}` | {shown} | {start} | {method.idea} | {sources} |")
    return "\n".join(lines) + "\n"
