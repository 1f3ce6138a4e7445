"""Learns from a mix's sources how sure its network may be, for estimates without labels."""

from collections.abc import Collection

from roadshift.determinism import enable_determinism
from roadshift.errors import RoadshiftError
from roadshift.estimation.network import EstimatingNetwork
from roadshift.estimation.sources import learn_from_sources
from roadshift.inference.trained_network import TrainedNetwork
from roadshift.networks.build import check_classes
from roadshift.networks.files import load_network
from roadshift.networks.settings import InferenceSettings
from roadshift.records.reader import open_shards, same_classes
from roadshift.taxonomy import load_taxonomy
from stages import paths
from stages.entry import run
from stages.params import TARGET, Params
from stages.source_digests import checked_digests, read_digests


def main(params: Params, mix: str) -> None:
    """Calibrate a mix's network on val of its sources, and try it on those it never saw."""
    enable_determinism(params.seed)
    roles = [*read_digests(paths.ALL_SOURCES)]
    if not roles:
        raise RoadshiftError(f"{paths.ALL_SOURCES}: missing; run `dvc repro hash_sources` first")
    sources = {role: open_shards(paths.TRAINVAL / role) for role in roles}
    taxonomy, class_names = same_classes(sources.values())
    checked_digests(paths.ALL_SOURCES, sources)
    own: Collection[str] = params.mixes[mix]
    if params.adapt.labelled.target_only:
        # The oracle has seen the target's own train split, and none of the sources.
        sources[TARGET], own = open_shards(paths.ADAPT / "labelled"), [TARGET]
    trained = paths.trained_network_file(mix)
    network = load_network(trained)
    check_classes(network, trained, taxonomy=taxonomy, class_names=class_names)
    inference = InferenceSettings(
        max_height=params.data.max_height,
        tta_flip=params.evaluate.tta_flip,
        tta_scales=tuple(params.evaluate.tta_scales),
    )
    estimating = EstimatingNetwork.of(TrainedNetwork(network, load_taxonomy(taxonomy), inference))
    learned = learn_from_sources(
        estimating,
        sources,
        mix=mix,
        own=own,
        looked_at=("val",) if params.data.stored_height else ("train", "val"),
    )
    learned.save(paths.calibration_file(mix))
    for cell in learned.cells:
        print(cell.sentence)


if __name__ == "__main__":
    run(main, "mix")
