"""Scores the network of a mix on images that may choose, of the sources alone."""

from pathlib import Path

from roadshift.determinism import enable_determinism
from roadshift.environment import write_provenance
from roadshift.errors import RoadshiftError
from roadshift.inference.scorers import build_scorers
from roadshift.inference.transfer import score_transfer
from roadshift.networks.build import check_classes
from roadshift.networks.files import load_network
from roadshift.networks.settings import InferenceSettings
from roadshift.records.reader import check_records, open_shards, same_classes
from roadshift.scoring.transfer import TransferScores, mean_miou
from roadshift.training.history import count_target_images
from stages import paths
from stages.entry import run
from stages.params import Params
from stages.source_digests import checked_digests, read_digests


def main(params: Params, mix: str) -> None:
    """Score a mix's network on the sources it never saw, and on val of its own; never on test."""
    enable_determinism(params.seed)
    roles = [*read_digests(paths.ALL_SOURCES)]
    if not roles:
        raise RoadshiftError(f"{paths.ALL_SOURCES}: missing; run `dvc repro hash_sources` first")
    sources = {role: open_shards(paths.TRAINVAL / role) for role in roles}
    taxonomy, class_names = same_classes(sources.values())
    for shards in sources.values():
        check_records(shards)
    checked_digests(paths.ALL_SOURCES, {role: s.folder for role, s in sources.items()})
    trained = paths.trained_network_file(mix)
    network = load_network(trained)
    check_classes(network, trained, taxonomy=taxonomy, class_names=class_names)
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
    found = score_transfer(
        scorers, sources, own=params.mixes[mix], settings=params.evaluate, seed=params.seed
    )
    scores = TransferScores(
        mix=mix,
        taxonomy=taxonomy,
        held_out=mean_miou(found.scores, held_out=True),
        val=mean_miou(found.scores, held_out=False),
        target_images=count_target_images(paths.history_file(mix), ()),
        domains=found.scores,
    )
    scores.save(paths.transfer_file(mix))
    found.matrices.save(paths.transfer_matrices_file(mix))
    record = paths.provenance_file("transfer", mix)
    write_provenance(record, paths.transfer_file(mix), repository=Path(), code=paths.CODE)


if __name__ == "__main__":
    run(main, "mix")
