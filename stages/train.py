"""Trains the network of a mix on the mix's source data sets."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf

from roadshift.atomic import atomic_folder
from roadshift.determinism import enable_determinism
from roadshift.environment import write_provenance
from roadshift.inference.scorers import score_split
from roadshift.inference.segmenter import Segmenter
from roadshift.input_pipeline.batches import batch_shares
from roadshift.networks.build import build_network, pretrained_variables
from roadshift.networks.files import save_network
from roadshift.networks.settings import InferenceSettings
from roadshift.records.reader import ShardSet, check_records, open_shards, same_classes
from roadshift.scoring.bootstrap import jackknife_error
from roadshift.scoring.metrics import mean_iou
from roadshift.training.checkpoint import Checkpoint, fingerprint
from roadshift.training.data import TrainingData
from roadshift.training.history import Validation, open_live
from roadshift.training.loop import train
from roadshift.training.losses import class_weights
from roadshift.training.self_training import SelfTraining
from stages import paths
from stages.entry import run
from stages.params import TARGET, Params
from stages.source_digests import checked_digests


def main(params: Params, mix: str) -> None:
    """Train on a mix's sources and the images set aside by adapt; no test image chooses."""
    # Figures of other networks would be shown as this run's, if the run ends before summarize.
    paths.SUMMARY.unlink(missing_ok=True)
    shutil.rmtree(paths.PLOTS, ignore_errors=True)
    enable_determinism(params.seed)
    data = open_data(params, mix)
    taxonomy, class_names = same_classes(data.all_shards)
    of_sources = {role: shards for role, shards in data.sources.items() if role != TARGET}
    digests = checked_digests(paths.sources_file(mix), of_sources)
    for shards in data.all_shards:
        if shards not in of_sources.values():
            check_records(shards)
    reg, self_training = params.reg, params.adapt.self_training

    def build() -> keras.Model:
        return build_network(
            params.model,
            class_names,
            taxonomy=taxonomy,
            dropout=reg.dropout,
            stochastic_depth=reg.stochastic_depth,
            seed=params.seed,
        )

    def batches_from(epoch: int) -> tf.data.Dataset:
        return data.batches(
            aug=params.aug,
            train=params.train,
            max_height=params.data.max_height,
            seed=params.seed,
            epoch=epoch,
        )

    network = build()
    inference = InferenceSettings(max_height=params.data.max_height)
    segmenter = Segmenter(network, inference)
    training_params = {
        "seed": params.seed,
        "mix": params.mixes[mix],
        "sources": digests,
        "max_height": params.data.max_height,
        "aug": params.aug,
        "model": params.model,
        "reg": reg,
        "train": params.train,
        "adapt": [params.adapt.labelled, self_training],
    }
    of_target = [s.folder for s in data.all_shards if s.folder.is_relative_to(paths.ADAPT)]
    checkpoint = Checkpoint(paths.training_state(mix), fingerprint(training_params, of_target))
    with (
        atomic_folder(paths.TRAINED / mix) as folder,
        atomic_folder(paths.curves_folder(mix)) as live_folder,
        open_live(live_folder) as live,
    ):
        history = train(
            network,
            name=f"train {mix}",
            batches_from=batches_from,
            validate=lambda: validation(segmenter, data.sources),
            settings=params.train,
            reg=reg,
            pretrained=pretrained_variables(network, params.model),
            class_weights=class_weights(data.pixels, params.train.class_weight_exponent),
            on_epoch=lambda epoch: epoch.log(live),
            checkpoint=checkpoint,
            self_training=(
                SelfTraining(network, build(), self_training) if self_training.weight else None
            ),
            partial_labels=data.partial_labels,
        )
        save_network(network, folder / paths.trained_network_file(mix).name, inference)
        content = {**history.as_json(), "target_images": data.target_images()}
        text = json.dumps(content, indent=1) + "\n"
        (folder / paths.history_file(mix).name).write_text(text, "utf-8")
    record = paths.provenance_file("train", mix)
    write_provenance(record, paths.trained_network_file(mix), repository=Path(), code=paths.CODE)
    checkpoint.discard()


def open_data(params: Params, mix: str) -> TrainingData:
    """Opens the shards of a mix's sources, and those of the target that adapt sets aside."""
    labelled, self_training = params.adapt.labelled, params.adapt.self_training
    few_labelled = open_shards(paths.ADAPT / "labelled") if labelled.samples else None
    unlabelled = open_shards(paths.ADAPT / "unlabelled") if self_training.weight else None
    size = params.train.batch_size
    if few_labelled and labelled.target_only:
        return TrainingData(
            sources={TARGET: few_labelled}, shares={TARGET: size}, labelled=few_labelled
        )
    shares = {**params.mixes[mix], **({TARGET: labelled.weight} if few_labelled else {})}
    return TrainingData(
        sources={role: open_shards(paths.TRAINVAL / role) for role in params.mixes[mix]},
        shares=batch_shares(mix, shares, size),
        labelled=few_labelled,
        unlabelled=unlabelled,
        unlabelled_share=self_training.batch_size,
    )


def validation(segmenter: Segmenter, shards: Mapping[str, ShardSet]) -> dict[str, Validation]:
    """The score on each source's validation split."""
    found = {role: score_split(segmenter, s, "val").matrices for role, s in shards.items()}
    return {
        role: Validation(mean_iou(each.total) or 0.0, jackknife_error(each.matrices))
        for role, each in found.items()
    }


if __name__ == "__main__":
    run(main, "mix")
