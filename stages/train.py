"""Trains a network on the sources of a mix."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from dvclive import Live

from roadshift.augment.keys import sample_key
from roadshift.augment.policy import build_policy
from roadshift.determinism import be_deterministic
from roadshift.environment import write_environment
from roadshift.networks.files import save_network
from roadshift.networks.network import build_network, pretrained_variables
from roadshift.outputs import whole_folder
from roadshift.records.pipeline import Source, batch_shares, training_batches
from roadshift.records.reader import ShardSet, check_records, open_shards, same_classes
from roadshift.scoring.inference import Segmenter, score_pictures
from roadshift.scoring.metrics import mean_iou
from roadshift.training.loop import Epoch, train
from roadshift.training.losses import class_weights
from stages.entry import run
from stages.params import Params
from stages.paths import MODELS, curves, network, training_environment, trainval


def main(params: Params, mix: str) -> None:
    """Train on the training splits of a mix's sources, and choose the epoch by their val splits."""
    be_deterministic(params.seed)
    shares = batch_shares(mix, params.mixes[mix], params.train.batch_size)
    shards = {role: open_shards(trainval(role)) for role in shares}
    taxonomy, class_names = same_classes(shards.values())
    for source in shards.values():
        check_records(source)
    reg = params.reg
    model = build_network(
        params.model, class_names, reg.dropout, params.seed, taxonomy, reg.stochastic_depth
    )
    policy = build_policy(params.aug, params.train.crop_height, params.train.crop_width)
    batches = training_batches(
        [Source(shards[role], share) for role, share in shares.items()],
        policy,
        sample_key,
        params.data.max_height,
        params.seed,
        params.train.steps_per_epoch,
        rare_class_temperature=params.train.rare_class_temperature,
    )
    pixels = [source.pixels["train"] for source in shards.values()]
    weights = class_weights(pixels, params.train.class_weighting)
    segmenter = Segmenter(model, params.data.max_height)

    with (
        whole_folder(MODELS / mix) as folder,
        whole_folder(curves(mix)) as live_folder,
        Live(str(live_folder), save_dvc_exp=False, dvcyaml=None) as live,
    ):

        def on_epoch(epoch: Epoch) -> None:
            live.log_metric("loss", round(epoch.loss, 6))
            live.log_metric("learning_rate", round(epoch.learning_rate, 9))
            for role, miou in epoch.val_miou.items():
                live.log_metric(f"val_miou/{role}", round(miou, 6))
            live.next_step()

        history = train(
            model,
            batches,
            lambda: validation_miou(segmenter, shards),
            params.train,
            reg,
            pretrained_variables(model, params.model),
            weights,
            on_epoch,
            f"train {mix}",
        )
        save_network(model, folder / network(mix).name)
        write_environment(folder / training_environment(mix).name)
        chosen = {"selected": asdict(history.best), "epochs": [asdict(e) for e in history.epochs]}
        (folder / "history.json").write_text(json.dumps(chosen, indent=1) + "\n", "utf-8")


def validation_miou(segmenter: Segmenter, shards: Mapping[str, ShardSet]) -> dict[str, float]:
    """MIoU on each source's validation split."""
    matrices = {r: score_pictures(segmenter, s, "val").matrices.sum(0) for r, s in shards.items()}
    return {role: mean_iou(matrix) or 0.0 for role, matrix in matrices.items()}


if __name__ == "__main__":
    run(main, "mix")
