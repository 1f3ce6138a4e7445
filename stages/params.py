"""The schema of params.yaml: every section with its types and ranges."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from roadshift.augment.settings import AugmentSettings
from roadshift.datasets.card import load_card
from roadshift.datasets.splits import SplitConfig, SplitShares
from roadshift.errors import RoadshiftError
from roadshift.networks.architectures import ENCODERS
from roadshift.networks.settings import ModelSettings
from roadshift.scoring.settings import EvaluateSettings
from roadshift.settings import (
    ParameterDoc,
    Reference,
    Settings,
    format_validation_error,
    load_yaml,
    parameter_doc,
    printable,
)
from roadshift.taxonomy import load_taxonomy
from roadshift.training.adapt_settings import AdaptSettings
from roadshift.training.settings import RegSettings, TrainSettings

PARAMS = Path("params.yaml")
TARGET = "target"
FAMILIES = {
    family: tuple(
        name
        for name, field in AugmentSettings.model_fields.items()
        if (method := parameter_doc(field).method) and family in method.also
    )
    for family in ("transfer_probability", "weather_probability")
}
"""Operations that are all off by default, by the key of their common probability.

Photometric operations are left out: they are on, and a probability of 0 switches all of them off.
"""
RENAMED = {
    "aug.scale": "aug.random_scale",
    "aug.crop": "aug.random_crop",
    "aug.erasing": "aug.random_erasing",
    "aug.cast": "aug.colour_cast",
    "aug.statistics": "aug.colour_transfer",
    "aug.fourier": "aug.fda_beta",
    "model.keep_statistics": "model.frozen_batch_norm",
    "model.freeze": "model.frozen_stages",
    "model.instance_norm": "model.ibn_stages",
    "reg.ema": "reg.ema_decay",
    "train.precise_statistics": "train.precise_bn_batches",
    "train.focal": "train.focal_gamma",
    "train.dice": "train.dice_weight",
    "train.lovasz": "train.lovasz_weight",
    "train.class_weighting": "train.class_weight_exponent",
    "evaluate.flip": "evaluate.tta_flip",
    "evaluate.scales": "evaluate.tta_scales",
    "adapt.self_training.ema": "adapt.self_training.teacher_ema_decay",
    "adapt.labelled.alone": "adapt.labelled.target_only",
}
"""The present names of earlier versions' keys."""
Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class SplitSettings(SplitShares):
    """The split of each role's set into train, val and test."""

    by: dict[Name, str] = Field(
        description="split scheme of each role's set: official (the publisher's own), group (whole "
        "drives, cities or runs of neighbours), random (images), or a scheme that the card names, "
        "such as course (kitti) or drives (camvid)"
    )


class DataSettings(Settings):
    """The preparation of images and labels."""

    taxonomy: str = Field(description="class table in roadshift/taxonomy/tables")
    partial_labels: bool = Field(
        description="whether labels too coarse for the taxonomy become partial labels",
        json_schema_extra=ParameterDoc(
            detail="A partial label says that a pixel is one of several classes. Its loss is -log "
            "of their summed probability. Where this is false, such a set is refused.",
            sources=(Reference("Bevandić et al., WACV 2022", "2108.11224"),),
        ),
    )
    split: SplitSettings
    shard_megabytes: int = Field(
        ge=1,
        le=10_000,
        description="approximate size of a shard",
        json_schema_extra=ParameterDoc(unit="MB"),
    )
    max_height: int = Field(
        ge=0,
        le=10_000,
        description="height in pixels that taller images are scaled down to, 0 = never",
        json_schema_extra=ParameterDoc(
            unit="pixels", detail="Taller images are always scaled down."
        ),
    )
    stored_height: int = Field(
        ge=0,
        le=10_000,
        description="height in pixels of train images in shards, 0 = as published",
        json_schema_extra=ParameterDoc(
            unit="pixels",
            detail="At least max_height: taller images are scaled down. At max_height itself, "
            "results are the same to the bit, and shards are smaller and faster to read. Val and "
            "test are stored and scored at their own resolution.",
        ),
    )

    @model_validator(mode="after")
    def _training_scales_down_further(self) -> "DataSettings":
        if self.stored_height and not 0 < self.max_height <= self.stored_height:
            raise RoadshiftError(
                f"data.stored_height is {self.stored_height}, but data.max_height "
                f"{self.max_height}: a training would see smaller images than it asks for; set "
                "data.stored_height to 0, or to max_height or more"
            )
        return self


class Params(Settings):
    """The content of params.yaml."""

    seed: int = Field(
        ge=0, lt=2**31, description="seed of weights, order, augmentation and drawn images"
    )
    domains: dict[Name, str] = Field(
        description="data set that plays each role: the name of a card in "
        "roadshift/datasets/cards, or the path of a card's file, which ends in .yaml"
    )
    mixes: dict[Name, dict[Name, Annotated[int, Field(ge=1)]]] = Field(
        description="networks to train: for each, its sources and their integer weights in every "
        "batch",
        json_schema_extra=ParameterDoc(limit="each source must get at least one image of a batch"),
    )
    data: DataSettings
    aug: AugmentSettings
    model: ModelSettings
    reg: RegSettings
    train: TrainSettings
    evaluate: EvaluateSettings
    adapt: AdaptSettings

    @model_validator(mode="after")
    def _names_are_known(self) -> "Params":
        if TARGET not in self.domains:
            raise RoadshiftError(f"domains: '{TARGET}' is missing; it names the set to score on")
        split_by = self.data.split.by
        if {*self.domains} != {*split_by}:
            role = min({*self.domains} ^ {*split_by})
            section = "data.split.by" if role in self.domains else "domains"
            raise RoadshiftError(
                f"{section}: '{role}' is missing; domains and data.split.by have the same roles"
            )
        with _errors_of("data.taxonomy"):
            taxonomy = load_taxonomy(self.data.taxonomy)
        for role, name in self.domains.items():
            with _errors_of(f"domains.{role}"):
                card = load_card(name)
            # A table among the set's own files comes with the download, and remap checks it.
            if not card.has_own_table and not self.data.partial_labels:
                with _errors_of(f"domains.{role}: {name}"):
                    taxonomy.check_carries(card.table.names)
            with _errors_of(f"data.split.by.{role}"):
                card.split_scheme(
                    SplitConfig(**{**self.data.split.model_dump(), "by": split_by[role]})
                )
            if role != TARGET and not card.layout.has_labels:
                raise RoadshiftError(
                    f"domains.{role}: {name} has no labels, which a source needs; let it be the "
                    "target, and name a labelled set here"
                )
            if not card.layout.has_labels and self.adapt.labelled.samples:
                raise RoadshiftError(
                    f"adapt.labelled.samples is {self.adapt.labelled.samples}, but the target, "
                    f"{name}, has no labels; set it to 0, or label some of its images"
                )
        for mix, weights in self.mixes.items():
            for role in weights:
                if role not in self.domains or role == TARGET:
                    raise RoadshiftError(
                        f"mixes.{mix}: '{role}' is not a source; sources are "
                        f"{', '.join(r for r in self.domains if r != TARGET)}"
                    )
            if not weights:
                raise RoadshiftError(f"mixes.{mix}: names no source")
        return self

    @model_validator(mode="after")
    def _sections_agree(self) -> "Params":
        encoder = ENCODERS[self.model.encoder]
        if self.reg.stochastic_depth and not encoder.has_residual_branches:
            raise RoadshiftError(
                f"reg.stochastic_depth is {self.reg.stochastic_depth}, but model.encoder "
                f"{encoder.name} has no residual branches: set reg.stochastic_depth=0, or another "
                "encoder"
            )
        weights, choice = self.model.weights, self.adapt.labelled.choice
        if choice == "typical" and weights == "none":
            raise RoadshiftError(
                "adapt.labelled.choice is typical, but model.weights none: an encoder that has "
                "learned nothing cannot tell what is alike; set model.weights=imagenet or the path "
                "of a file, or adapt.labelled.choice=random"
            )
        if choice in ("weighed", "uncertain") and not weights.endswith(".keras"):
            raise RoadshiftError(
                f"adapt.labelled.choice is {choice}, but model.weights {weights}: a network that "
                "predicts is needed to be uncertain; set model.weights to the path of a .keras "
                "file, or adapt.labelled.choice=typical"
            )
        if Path(weights).resolve().is_relative_to(Path("models").resolve()):
            raise RoadshiftError(
                f"model.weights is {weights}, which a run of the workflow replaces; copy it to "
                "another folder, and set model.weights to the copy"
            )
        for family, strengths in FAMILIES.items():
            name = next((name for name in strengths if getattr(self.aug, name)), None)
            if name and not getattr(self.aug, family):
                raise RoadshiftError(
                    f"aug.{name} is {getattr(self.aug, name)}, but aug.{family} is 0, so it is "
                    f"never applied; raise aug.{family}, or set aug.{name}=0"
                )
        if self.train.focal_gamma and self.reg.label_smoothing:
            raise RoadshiftError(
                f"train.focal_gamma is {self.train.focal_gamma} and reg.label_smoothing "
                f"{self.reg.label_smoothing}: the focal loss spares confident pixels, and label "
                "smoothing makes all pixels less confident; set one of them to 0"
            )
        self_training = self.adapt.self_training
        if self_training.weight and self_training.warmup_epochs >= self.train.epochs:
            raise RoadshiftError(
                f"adapt.self_training.warmup_epochs is {self_training.warmup_epochs}, train.epochs "
                f"{self.train.epochs}: no self-training would follow; lower warmup_epochs, or set "
                "adapt.self_training.weight=0"
            )
        return self


@contextmanager
def _errors_of(place: str) -> Iterator[None]:
    try:
        yield
    except RoadshiftError as error:
        raise RoadshiftError(f"{place}: {error}") from None


def load_params(file: Path = PARAMS) -> Params:
    """Reads and checks params.yaml.

    Raises:
        RoadshiftError: the file is missing, is not YAML, or does not fit the schema; the message
            about a renamed key has its present name.
    """
    try:
        content = load_yaml(file.read_bytes())
        if renamed := [key for key in RENAMED if _holds(content, key)]:
            raise RoadshiftError("; ".join(f"{key}: renamed to {RENAMED[key]}" for key in renamed))
        params = Params.model_validate(content)
        if missing := _unstated(params):
            raise RoadshiftError(f"{', '.join(missing)}: missing; state every key")
        return params
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; run this from the project's folder") from None
    except ValidationError as error:
        raise RoadshiftError(f"{file}: {format_validation_error(error, Params)}") from None
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {printable(str(error))}") from None


def _holds(content: Any, key: str) -> bool:
    """Returns whether a tree has a key, given by its dotted path."""
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return False
        content = content[part]
    return True


def _unstated(settings: Settings, place: str = "") -> list[str]:
    """Lists the keys left to a default; the library has defaults, the workflow states every key."""
    missing = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name not in settings.model_fields_set:
            missing.append(f"{place}{name}")
        elif isinstance(value, Settings):
            missing += _unstated(value, f"{place}{name}.")
    return missing
