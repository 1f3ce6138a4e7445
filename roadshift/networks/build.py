"""Builds a segmentation network from its settings."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from roadshift.errors import RoadshiftError
from roadshift.networks.architectures import ENCODERS
from roadshift.networks.decoder import Classifier, Upsampling, decode
from roadshift.networks.encoders import PREFIX, encode
from roadshift.networks.files import load_network
from roadshift.networks.imagenet import FILE_LOADERS, IMAGENET_LOADERS
from roadshift.networks.settings import ModelSettings
from roadshift.networks.unet import unet


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The arguments of a builder: the network to build.

    Attributes:
        settings: the section `model` of the parameters.
        class_names: names of the classes, in the order of their ids.
        taxonomy: name of the taxonomy.
        dropout: share of the features zeroed before the classifier in training, 0..1.
        stochastic_depth: share of the images that skip the last residual branch in training, 0..1.
        seeds: seeds of the layers; each layer takes the next one.
        depth_seed: seed of stochastic depth, different from those of the layers.
    """

    settings: ModelSettings
    class_names: Sequence[str]
    taxonomy: str
    dropout: float
    stochastic_depth: float
    seeds: Iterator[int]
    depth_seed: int

    @property
    def pretrained(self) -> bool:
        """Whether the encoder starts from pretrained weights."""
        return self.settings.weights != "none"


Builder = Callable[[keras.KerasTensor, Plan], keras.KerasTensor]
"""A function from images (N, H, W, 3), RGB in 0..255, to logits (N, H, W, classes)."""

BUILDERS: dict[str, Builder] = {}
"""The builders of networks, by encoder."""


def encoder(*names: str) -> Callable[[Builder], Builder]:
    """Registers a function as the builder of networks with these encoders.

    Args:
        names: names of the encoders in `roadshift.networks.architectures.ENCODERS`.

    Raises:
        ValueError: an encoder is unknown, or has a builder.
    """

    def register(builder: Builder) -> Builder:
        for name in names:
            if name not in ENCODERS or name in BUILDERS:
                raise ValueError(f"encoder {name!r} has a builder, or is not in ENCODERS")
            BUILDERS[name] = builder
        return builder

    return register


@encoder(*(name for name, spec in ENCODERS.items() if spec.architecture))
def _build_pyramid(images: keras.KerasTensor, plan: Plan) -> keras.KerasTensor:
    """Builds a chain of inverted residuals with the decoder of `roadshift.networks.decoder`."""
    settings = plan.settings
    architecture = ENCODERS[settings.encoder].architecture
    assert architecture is not None  # noqa: S101 - the registration chose those that have one
    encoded = encode(
        images,
        architecture,
        seeds=plan.seeds,
        frozen_batch_norm=settings.frozen_batch_norm and plan.pretrained,
        frozen_stages=settings.frozen_stages if plan.pretrained else 0,
        ibn_stages=settings.ibn_stages,
        stochastic_depth=plan.stochastic_depth,
        depth_seed=plan.depth_seed,
    )
    features = decode(encoded, settings.decoder_channels, plan.seeds)
    features = keras.layers.Dropout(plan.dropout, seed=next(plan.seeds), name="dropout")(features)
    classifier = Classifier(
        plan.class_names, plan.taxonomy, seed=next(plan.seeds), name="classifier"
    )
    # Logits are interpolated, not features, since they have fewer channels.
    return Upsampling(4, name="logits")(classifier(features))


@encoder("unet")
def _build_unet(images: keras.KerasTensor, plan: Plan) -> keras.KerasTensor:
    features = unet(
        images, base_filters=plan.settings.base_filters, dropout=plan.dropout, seeds=plan.seeds
    )
    classifier = Classifier(
        plan.class_names, plan.taxonomy, size=3, seed=next(plan.seeds), name="classifier"
    )
    return classifier(features)


def build_network(
    settings: ModelSettings,
    class_names: Sequence[str],
    *,
    taxonomy: str = "",
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """Builds a network with its initial weights.

    Args:
        settings: the encoder, and where its weights come from.
        class_names: names of the classes, in the order of their ids.
        taxonomy: name of the taxonomy; it is saved with the network.
        dropout: share of the features zeroed before the classifier in training, 0..1.
        stochastic_depth: probability, 0..1, that an image skips the encoder's last residual branch
            in training; it rises linearly over the branches before. Encoders without residual
            branches ignore it.
        seed: seed of the random weights and of dropout. Equal arguments give equal weights.

    Returns:
        A model from RGB images (N, H, W, 3), float32 in 0..255, H and W multiples of 32, to
        logits (N, H, W, classes), float32.

    Raises:
        RoadshiftError: the weights are missing, damaged or of another architecture.
    """
    # The distances keep apart the seeds of two networks, and of layers and stochastic depth.
    first_seed = seed * 1000 % 2**31
    plan = Plan(
        settings=settings,
        class_names=class_names,
        taxonomy=taxonomy,
        dropout=dropout,
        stochastic_depth=stochastic_depth,
        seeds=itertools.count(first_seed),
        depth_seed=first_seed + 500,
    )
    images = keras.Input((None, None, 3), name="images")
    logits = BUILDERS[settings.encoder](images, plan)
    network = keras.Model(images, logits, name=settings.encoder)
    _load_weights(network, settings)
    return network


def _load_weights(network: keras.Model, settings: ModelSettings) -> None:
    if settings.weights == "none":
        return
    if settings.weights == "imagenet":
        IMAGENET_LOADERS[settings.encoder](network)
        return
    path = Path(settings.weights)
    if not path.is_file():
        raise RoadshiftError(
            f"model.weights is {path}, but there is no such file: set imagenet, none, or the path "
            "of a file"
        )
    if load := FILE_LOADERS.get((settings.encoder, path.suffix)):
        load(network, str(path))
    else:
        _copy_weights(load_network(path), network, path)


def _copy_weights(source: keras.Model, network: keras.Model, path: Path) -> None:
    """Copies all weights if both networks have the same shapes and classes, else the encoder's."""
    ours, theirs = _shapes(network), _shapes(source)
    whole = ours == theirs and class_names_of(source) == class_names_of(network)
    names = [name for name in ours if whole or name.startswith(PREFIX)]
    for name in names:
        if theirs.get(name) != ours[name]:
            raise RoadshiftError(
                f"{path}: its encoder is not {network.name} (they differ in {name}): set "
                f"model.encoder={source.name}, or model.weights to another file"
            )
    for name in names:
        network.get_layer(name).set_weights(source.get_layer(name).get_weights())


def _shapes(network: keras.Model) -> dict[str, list[tuple[int, ...]]]:
    # Dropout's only variable is the state of its random numbers.
    layers = (layer for layer in network.layers if not isinstance(layer, keras.layers.Dropout))
    return {layer.name: [tuple(w.shape) for w in layer.weights] for layer in layers}


def pretrained_variables(network: keras.Model, settings: ModelSettings) -> Sequence[keras.Variable]:
    """Returns the encoder's trainable variables; none if it started from random weights."""
    if settings.weights == "none":
        return ()
    encoder = (layer for layer in network.layers if layer.name.startswith(PREFIX))
    return [variable for layer in encoder for variable in layer.trainable_variables]


def class_names_of(network: keras.Model) -> tuple[str, ...]:
    """Returns the names of a network's classes, in the order of the last axis of its logits."""
    return network.get_layer("classifier").class_names


def taxonomy_of(network: keras.Model) -> str:
    """Returns the name of the taxonomy that a network was built for; empty if none was given."""
    return network.get_layer("classifier").taxonomy


def check_classes(
    network: keras.Model, path: Path, *, taxonomy: str, class_names: Sequence[str]
) -> None:
    """Checks that a network predicts the classes that the data are labelled in.

    Args:
        network: the network.
        path: the network's file, which the message names.
        taxonomy: name of the data's taxonomy.
        class_names: names of the data's classes, in the order of their ids.

    Raises:
        RoadshiftError: the network was trained for another taxonomy.
    """
    if (taxonomy_of(network), class_names_of(network)) != (taxonomy, tuple(class_names)):
        raise RoadshiftError(
            f"{path}: trained for taxonomy '{taxonomy_of(network)}' "
            f"({len(class_names_of(network))} classes), the data are labelled in '{taxonomy}' "
            f"({len(class_names)}); train it again"
        )
