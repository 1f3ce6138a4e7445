"""Trains the network of a mix on the mix's source data sets."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import tensorflow as tf

from roadshift.atomic import atomic_folder
from roadshift.determinism import enable_determinism
from roadshift.devices import Devices, open_devices
from roadshift.environment import code_state, write_provenance
from roadshift.inference.scorers import score_split
from roadshift.inference.segmenter import Segmenter
from roadshift.input_pipeline.batches import Share, batch_shares
from roadshift.networks.build import build_network, pretrained_variables
from roadshift.networks.files import save_network
from roadshift.networks.settings import InferenceSettings
from roadshift.records.reader import ShardSet, check_records, open_shards, same_classes
from roadshift.scoring.bootstrap import jackknife_error
from roadshift.scoring.metrics import mean_iou
from roadshift.training.checkpoint import Checkpoint, facts, fingerprint
from roadshift.training.data import TrainingData
from roadshift.training.history import Epoch, History, Validation, open_live
from roadshift.training.loop import train
from roadshift.training.losses import class_weights
from roadshift.training.self_training import SelfTraining
from stages import paths
from stages.entry import run
from stages.launcher import start_on_machines
from stages.params import TARGET, Params
from stages.source_digests import checked_digests


def main(params: Params, mix: str) -> None:
    """Train on a mix's sources and the images set aside by adapt; no test image chooses."""
    enable_determinism(params.seed)
    with open_devices() as devices:
        train_mix(params, mix, devices)


def train_mix(params: Params, mix: str, devices: Devices) -> None:
    """Trains on the given devices; the first machine alone validates and writes."""
    if devices.first:
        forget_results()
    data = open_data(params, mix)
    data.check_share(Share(devices.count, devices.here))
    taxonomy, class_names = same_classes(data.all_shards)
    of_sources = {role: shards for role, shards in data.sources.items() if role != TARGET}
    digests = checked_digests(paths.sources_file(mix), of_sources)
    for shards in data.all_shards:
        if shards not in of_sources.values():
            check_records(shards)
    reg, self_training = params.reg, params.adapt.self_training

    training_params = {
        "seed": params.seed,
        "mix": params.mixes[mix],
        "sources": digests,
        "data": {"max_height": params.data.max_height},
        "aug": params.aug,
        "model": params.model,
        "reg": reg,
        "train": params.train,
        "adapt": {"labelled": params.adapt.labelled, "self_training": self_training},
        "devices": [devices.count, devices.kind],
    }
    of_target = [s.folder for s in data.all_shards if s.folder.is_relative_to(paths.ADAPT)]
    if devices.machines:
        # Before the network is built: TensorFlow would wait for variables that another lacks.
        commit = code_state(Path(), paths.CODE)["commit"]
        devices.agree({"commit": commit, **facts(training_params, of_target)})

    def build() -> keras.Model:
        return build_network(
            params.model,
            class_names,
            taxonomy=taxonomy,
            dropout=reg.dropout,
            stochastic_depth=reg.stochastic_depth,
            seed=params.seed,
        )

    def batches_from(epoch: int, share: Share) -> tf.data.Dataset:
        return data.batches(
            aug=params.aug,
            train=params.train,
            max_height=params.data.max_height,
            seed=params.seed,
            epoch=epoch,
            share=share,
        )

    with devices.strategy.scope():
        network = build()
        teacher = SelfTraining(network, build(), self_training) if self_training.weight else None
    inference = InferenceSettings(max_height=params.data.max_height)
    segmenter = Segmenter(network, inference)
    checkpoint = Checkpoint(paths.training_state(mix), fingerprint(training_params, of_target))

    def train_with(on_epoch: Callable[[Epoch], None]) -> History:
        return train(
            network,
            name=f"train {mix}",
            batches_from=batches_from,
            validate=lambda: validation(segmenter, data.sources),
            settings=params.train,
            reg=reg,
            pretrained=pretrained_variables(network, params.model),
            class_weights=class_weights(data.pixels, params.train.class_weight_exponent),
            on_epoch=on_epoch,
            checkpoint=checkpoint,
            self_training=teacher,
            partial_labels=data.partial_labels,
            devices=devices,
        )

    if devices.count > 1 and devices.first:
        print(f"train {mix}: on {devices}")
    if not devices.first:
        train_with(lambda _: None)
        return
    with (
        atomic_folder(paths.TRAINED / mix) as folder,
        atomic_folder(paths.curves_folder(mix)) as live_folder,
        open_live(live_folder) as live,
    ):
        history = train_with(lambda epoch: epoch.log(live))
        save_network(network, folder / paths.trained_network_file(mix).name, inference)
        content = {**history.as_json(), "target_images": data.target_images()}
        text = json.dumps(content, indent=1) + "\n"
        (folder / paths.history_file(mix).name).write_text(text, "utf-8")
    record = paths.provenance_file("train", mix)
    write_provenance(
        record,
        paths.trained_network_file(mix),
        repository=Path(),
        code=paths.CODE,
        devices=str(devices),
    )
    checkpoint.discard()


def forget_results() -> None:
    """Figures of other networks would be shown as this run's, if the run ends before summarize."""
    paths.SUMMARY.unlink(missing_ok=True)
    shutil.rmtree(paths.PLOTS, ignore_errors=True)


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
    start_on_machines()
    run(main, "mix", on_machines=True)
