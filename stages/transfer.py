"""Scores the network of a mix on images that may choose, of the sources alone."""

from pathlib import Path

from roadshift.determinism import enable_determinism
from roadshift.environment import write_provenance
from roadshift.errors import RoadshiftError
from roadshift.inference.transfer import score_transfer
from roadshift.records.reader import open_shards
from roadshift.scoring.transfer import TransferScores, mean_miou
from roadshift.training.history import count_target_images
from stages import paths
from stages.entry import run
from stages.params import Params
from stages.source_digests import checked_digests, read_digests
from stages.trained import open_trained


def main(params: Params, mix: str) -> None:
    """Score a mix's network on the sources it never saw, and on val of its own; never on test."""
    enable_determinism(params.seed)
    roles = [*read_digests(paths.ALL_SOURCES)]
    if not roles:
        raise RoadshiftError(f"{paths.ALL_SOURCES}: missing; run `dvc repro hash_sources` first")
    sources = {role: open_shards(paths.TRAINVAL / role) for role in roles}
    checked_digests(paths.ALL_SOURCES, sources)
    trained = open_trained(params, mix, sources.values())
    # A network of target images alone has seen no source.
    own = [] if params.adapt.labelled.target_only else params.mixes[mix]
    found = score_transfer(
        trained.scorers, sources, own=own, settings=params.evaluate, seed=params.seed
    )
    scores = TransferScores(
        mix=mix,
        taxonomy=trained.taxonomy,
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
