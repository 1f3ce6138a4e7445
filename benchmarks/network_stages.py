"""Trains or evaluates a network in a process of its own, for the benchmark that measures it.

    python -m benchmarks.network_stages train FOLDER

FOLDER holds the shards of `benchmarks.data_stages`, and gets what the stages write.
"""

import argparse
from pathlib import Path

import tensorflow as tf

from benchmarks.step_time import REG
from roadshift.augment.settings import AugmentSettings
from roadshift.determinism import enable_determinism
from roadshift.inference.evaluation import evaluate_network
from roadshift.inference.scorers import build_scorers, score_split
from roadshift.inference.segmenter import Segmenter
from roadshift.input_pipeline.batches import Share
from roadshift.networks.build import build_network
from roadshift.networks.files import load_network, save_network
from roadshift.networks.settings import InferenceSettings, ModelSettings
from roadshift.records.reader import check_records, open_shards
from roadshift.scoring.metrics import mean_iou
from roadshift.scoring.settings import EvaluateSettings
from roadshift.training import loop
from roadshift.training.data import TrainingData
from roadshift.training.history import Validation
from roadshift.training.settings import RegSettings, TrainSettings

NETWORK, PREDICTIONS = "network.keras", "predictions.npz"
TRAIN = {
    "epochs": 1, "steps_per_epoch": 200, "batch_size": 4, "crop_height": 128, "crop_width": 192,
    "learning_rate": 1e-3, "encoder_lr_factor": 1.0, "warmup_epochs": 0, "clip_norm": 1.0,
    "class_weight_exponent": 0.0,
}  # fmt: skip
"""800 crops, more than the samples that are on their way at once."""


def train(folder: Path) -> None:
    """Trains a network on the shards, validates it, and writes its file."""
    shards = open_shards(folder / "shards")
    check_records(shards)
    settings = TrainSettings.model_validate(TRAIN)
    data = TrainingData(sources={"a": shards}, shares={"a": settings.batch_size})
    network = build_network(ModelSettings(weights="none"), shards.class_names)
    segmenter = Segmenter(network, InferenceSettings())

    def batches_from(epoch: int, share: Share) -> tf.data.Dataset:
        return data.batches(
            aug=AugmentSettings(), train=settings, max_height=0, seed=0, epoch=epoch, share=share
        )

    def validate() -> dict[str, Validation]:
        found = score_split(segmenter, shards, "val").matrices
        return {"a": Validation(mean_iou(found.total) or 0.0, 0.0)}

    loop.train(
        network,
        name="train",
        batches_from=batches_from,
        validate=validate,
        settings=settings,
        reg=RegSettings.model_validate(REG),
        pretrained=[],
        class_weights=None,
        on_epoch=lambda _: None,
    )
    save_network(network, folder / NETWORK, InferenceSettings())


def evaluate(folder: Path) -> None:
    """Scores the network on the test split, and writes the predictions that are kept."""
    scorers = build_scorers(
        load_network(folder / NETWORK),
        InferenceSettings(),
        calibration_bins=15,
        adabn=False,
        tent_steps=0,
        tent_learning_rate=0.001,
    )
    domains = {"a": open_shards(folder / "shards")}
    found = evaluate_network(scorers, domains, settings=EvaluateSettings(), seed=0)
    found.predictions.save(folder / PREDICTIONS)


def main() -> None:
    """Runs the stage that the command line names."""
    stages = {"train": train, "evaluate": evaluate}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=stages)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    enable_determinism(0)
    stages[options.stage](options.folder.resolve())


if __name__ == "__main__":
    main()
