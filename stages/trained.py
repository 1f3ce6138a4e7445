"""The trained network of a mix, checked against shards, with all that scores it."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import keras

from roadshift.inference.scorers import Scorers, build_scorers
from roadshift.networks.build import check_classes
from roadshift.networks.files import load_network
from roadshift.networks.settings import InferenceSettings
from roadshift.records.reader import ShardSet, same_classes
from stages import paths
from stages.params import Params


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """The trained network of a mix.

    Attributes:
        file: its file.
        network: the network.
        taxonomy: name of the taxonomy of its classes.
        class_names: names of the classes in the order of their ids.
        inference: settings that it is scored with.
        scorers: the network as it was trained, and by method of test-time adaptation.
    """

    file: Path
    network: keras.Model
    taxonomy: str
    class_names: tuple[str, ...]
    inference: InferenceSettings
    scorers: Scorers


def open_trained(params: Params, mix: str, shards: Collection[ShardSet]) -> TrainedNetwork:
    """Opens the trained network of a mix to score it on shards.

    Raises:
        RoadshiftError: the file is missing or damaged, or its classes are not those of the shards.
    """
    taxonomy, class_names = same_classes(shards)
    file = paths.trained_network_file(mix)
    network = load_network(file)
    check_classes(network, file, taxonomy=taxonomy, class_names=class_names)
    inference = InferenceSettings(
        max_height=params.data.max_height,
        tta_flip=params.evaluate.tta_flip,
        tta_scales=tuple(params.evaluate.tta_scales),
    )
    scorers = build_scorers(
        network,
        inference,
        calibration_bins=params.evaluate.calibration_bins,
        adabn=params.adapt.adabn,
        tent_steps=params.adapt.tent_steps,
        tent_learning_rate=params.adapt.tent_learning_rate,
    )
    return TrainedNetwork(file, network, taxonomy, class_names, inference, scorers)
