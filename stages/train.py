"""Trains a network on the sources of a mix."""

import json
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf

from roadshift.determinism import be_deterministic
from roadshift.environment import write_record
from roadshift.networks.files import save_network
from roadshift.networks.network import build_network, pretrained_variables
from roadshift.outputs import whole_folder
from roadshift.records.pipeline import batch_shares
from roadshift.records.reader import ShardSet, check_records, open_shards, same_classes
from roadshift.scoring.inference import Segmenter, score_pictures
from roadshift.scoring.metrics import mean_iou
from roadshift.training.checkpoint import Checkpoint, fingerprint
from roadshift.training.data import TrainingData
from roadshift.training.history import open_live
from roadshift.training.loop import train
from roadshift.training.losses import class_weights
from roadshift.training.self_training import SelfTraining
from stages.entry import run
from stages.params import TARGET, Params
from stages.paths import ADAPT, CODE, MODELS, curves, environment, network, training, trainval
from stages.paths import history as history_file


def main(params: Params, mix: str) -> None:
    """Train on a mix's sources and what adapt sets aside; their val splits choose the epoch."""
    be_deterministic(params.seed)
    data = open_data(params, mix)
    taxonomy, class_names = same_classes(data.all_shards)
    for shards in data.all_shards:
        check_records(shards)
    reg, self_training = params.reg, params.adapt.self_training

    def build() -> keras.Model:
        of_classes = class_names, reg.dropout, params.seed, taxonomy, reg.stochastic_depth
        return build_network(params.model, *of_classes)

    def batches_from(epoch: int) -> tf.data.Dataset:
        return data.batches(params.aug, params.train, params.data.max_height, params.seed, epoch)

    model = build()
    weights = class_weights(data.pixels, params.train.class_weighting)
    segmenter = Segmenter(model, params.data.max_height)

    read = {
        "seed": params.seed,
        "mix": params.mixes[mix],
        "max_height": params.data.max_height,
        "aug": params.aug,
        "model": params.model,
        "reg": reg,
        "train": params.train,
        "adapt": [params.adapt.labelled, self_training],
    }
    folders = (shards.folder for shards in data.all_shards)
    checkpoint = Checkpoint(training(mix), fingerprint(read, folders))
    with (
        whole_folder(MODELS / mix) as folder,
        whole_folder(curves(mix)) as live_folder,
        open_live(live_folder) as live,
    ):
        history = train(
            model,
            batches_from,
            lambda: validation_miou(segmenter, data.sources),
            params.train,
            reg,
            pretrained_variables(model, params.model),
            weights,
            lambda epoch: epoch.log(live),
            f"train {mix}",
            checkpoint,
            SelfTraining(model, build(), self_training) if self_training.weight else None,
        )
        save_network(model, folder / network(mix).name)
        account = {**history.as_json(), "target_pictures": data.target_pictures()}
        text = json.dumps(account, indent=1) + "\n"
        (folder / history_file(mix).name).write_text(text, "utf-8")
    write_record(environment("train", mix), network(mix), Path(), CODE)
    checkpoint.discard()


def open_data(params: Params, mix: str) -> TrainingData:
    """Opens the shards of a mix's sources, and those of the target that adapt sets aside."""
    labelled, self_training = params.adapt.labelled, params.adapt.self_training
    few = open_shards(ADAPT / "labelled") if labelled.samples else None
    many = open_shards(ADAPT / "unlabelled") if self_training.weight else None
    size = params.train.batch_size
    if few and labelled.alone:
        return TrainingData({TARGET: few}, {TARGET: size}, few)
    shares = {**params.mixes[mix], **({TARGET: labelled.weight} if few else {})}
    return TrainingData(
        {role: open_shards(trainval(role)) for role in params.mixes[mix]},
        batch_shares(mix, shares, size),
        few,
        many,
        self_training.batch_size,
    )


def validation_miou(segmenter: Segmenter, shards: Mapping[str, ShardSet]) -> dict[str, float]:
    """MIoU on each source's validation split."""
    matrices = {r: score_pictures(segmenter, s, "val").matrices.sum(0) for r, s in shards.items()}
    return {role: mean_iou(matrix) or 0.0 for role, matrix in matrices.items()}


if __name__ == "__main__":
    run(main, "mix")
