"""Chooses images of shards to be labelled, without looking at labels."""

import keras
import numpy as np

from roadshift.estimation.features import ImageFeatures
from roadshift.estimation.picking import Choice, pick
from roadshift.inference.segmenter import Segmenter
from roadshift.networks.settings import InferenceSettings
from roadshift.progress import progress_bar
from roadshift.records.reader import ShardSet, examples


def choose_ids(
    network: keras.Model,
    shards: ShardSet,
    *,
    choice: Choice,
    number: int,
    seed: int,
    max_height: int,
) -> list[str]:
    """Chooses images of a train split that are typical, or that a network is least sure of.

    Args:
        network: for 'typical' its encoder counts, for 'uncertain' its mean confidence in an image,
            for 'weighed' both.
        shards: the shards of a data set; labels are not looked at.
        choice: 'typical', 'weighed' or 'uncertain'.
        number: number of images, from 1.
        seed: seed of the random choices.
        max_height: height limit of the images in pixels; 0 for none.

    Returns:
        The ids of the images, sorted.

    Raises:
        RoadshiftError: the split has fewer images, or a record is damaged.
    """
    names: list[str] = []
    features: list[np.ndarray] = []
    errors: list[float] = []
    look = ImageFeatures(network, max_height)
    segment = Segmenter(network, InferenceSettings(max_height=max_height))
    with progress_bar(f"choose in {shards.name}", "image", shards.count("train")) as progress:
        for example in examples(shards, "train"):
            names.append(example.id)
            if choice != "uncertain":
                features.append(look(example.image))
            if choice != "typical":
                confidence = segment(example.image).confidence
                errors.append(1 - float(confidence.mean(dtype=np.float64)))
            progress.update()
    places = pick(
        choice,
        names,
        number=number,
        seed=seed,
        features=np.stack(features) if features else None,
        errors=np.array(errors) if errors else None,
    )
    return sorted(names[place] for place in places)
