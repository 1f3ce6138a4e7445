"""Builds a segmentation network from its settings."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import keras

from roadshift.errors import RoadshiftError
from roadshift.networks.decoder import Classifier, Upsampling, decode
from roadshift.networks.encoders import ARCHITECTURES, PREFIX, encode
from roadshift.networks.files import load_network
from roadshift.networks.imagenet import LOADERS, load_mobilenet_v2
from roadshift.networks.settings import ModelSettings
from roadshift.networks.unet import unet


def build_network(
    settings: ModelSettings,
    class_names: Sequence[str],
    dropout: float = 0.0,
    seed: int = 0,
    taxonomy: str = "",
    stochastic_depth: float = 0.0,
) -> keras.Model:
    """Builds a network with its first weights.

    Args:
        settings: The architecture and where its weights come from.
        class_names: Names of the classes in the order of their ids.
        dropout: Share of the features zeroed before the classifier in training, in 0..1.
        seed: Of the random weights and of dropout. Equal arguments give equal weights.
        taxonomy: Name of the taxonomy; it travels with the network.
        stochastic_depth: Share of the pictures that skip the encoder's last residual branch in
            training, in 0..1; not for unet, which has none.

    Returns:
        A model from RGB pictures (N, H, W, 3), float32 in 0..255, H and W multiples of 32, to
        logits (N, H, W, classes), float32.

    Raises:
        RoadshiftError: If the weights are missing, damaged or of another architecture.
    """
    # Each layer takes the next seed; the distance keeps those of two networks apart.
    seeds = itertools.count(seed * 1000 % 2**31)
    pictures = keras.Input((None, None, 3), name="pictures")
    pretrained = settings.weights != "none"
    if settings.encoder == "unet":
        features = unet(pictures, settings.base_filters, dropout, seeds)
        classifier = Classifier(class_names, taxonomy, size=3, seed=next(seeds), name="classifier")
        logits = classifier(features)
    else:
        encoded = encode(
            pictures,
            ARCHITECTURES[settings.encoder],
            keep_statistics=settings.keep_statistics and pretrained,
            freeze=settings.freeze if pretrained else 0,
            seeds=seeds,
            instance_norm=settings.instance_norm,
            stochastic_depth=stochastic_depth,
            # Seeds apart from those of the weights, which it must not change.
            depth_seed=seed * 1000 % 2**31 + 500,
        )
        features = decode(encoded, settings.decoder_channels, seeds)
        features = keras.layers.Dropout(dropout, seed=next(seeds), name="dropout")(features)
        classifier = Classifier(class_names, taxonomy, seed=next(seeds), name="classifier")
        # To interpolate logits is to interpolate fewer channels than features have.
        logits = Upsampling(4, name="logits")(classifier(features))
    network = keras.Model(pictures, logits, name=settings.encoder)
    _load_weights(network, settings)
    return network


def _load_weights(network: keras.Model, settings: ModelSettings) -> None:
    if settings.weights == "none":
        return
    if settings.weights == "imagenet":
        LOADERS[settings.encoder](network)
        return
    path = Path(settings.weights)
    if not path.is_file():
        raise RoadshiftError(
            f"model.weights is {path}, which is no file: give imagenet, none, or the path of one"
        )
    if path.suffix == ".h5" and settings.encoder == "mobilenet_v2":
        load_mobilenet_v2(network, str(path))
    else:
        _copy_weights(load_network(path), network, path)


def _copy_weights(source: keras.Model, network: keras.Model, path: Path) -> None:
    """Copies all weights if the two agree in them and in the classes, else the encoder's."""
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
    """The encoder's trainable variables, where they did not begin at random."""
    if settings.weights == "none":
        return ()
    encoder = (layer for layer in network.layers if layer.name.startswith(PREFIX))
    return [variable for layer in encoder for variable in layer.trainable_variables]


def class_names_of(network: keras.Model) -> tuple[str, ...]:
    """Names of the classes of a network's logits, in the order of the last axis."""
    return network.get_layer("classifier").class_names


def taxonomy_of(network: keras.Model) -> str:
    """Name of the taxonomy that a network was built for; empty if it was not given."""
    return network.get_layer("classifier").taxonomy


def check_classes(
    network: keras.Model, path: Path, taxonomy: str, class_names: Sequence[str]
) -> None:
    """Makes sure that a network speaks of the classes that the data are labelled in.

    Args:
        network: the network.
        path: its file, for the message.
        taxonomy: of the data.
        class_names: of the data, in the order of their ids.

    Raises:
        RoadshiftError: it was trained for another taxonomy.
    """
    if (taxonomy_of(network), class_names_of(network)) != (taxonomy, tuple(class_names)):
        raise RoadshiftError(
            f"{path}: trained for taxonomy '{taxonomy_of(network)}' "
            f"({len(class_names_of(network))} classes), the data are labelled in '{taxonomy}' "
            f"({len(class_names)}); train it again"
        )
