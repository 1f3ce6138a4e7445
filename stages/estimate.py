"""Estimates a network on the test images of every domain, without their labels."""

from roadshift.determinism import enable_determinism
from roadshift.estimation.expected import DomainExpectation, MixExpectations
from roadshift.estimation.images import SetEstimate
from roadshift.estimation.network import EstimatingNetwork
from roadshift.estimation.source_profile import SourceProfile
from roadshift.inference.trained_network import load_trained_network
from roadshift.records.reader import examples, open_shards
from roadshift.scoring.numbers import percent
from roadshift.scoring.results import MixScores
from stages import paths
from stages.entry import run
from stages.params import Params


def main(params: Params, mix: str) -> None:
    """Write what is expected of a mix's network on every domain beside what is true."""
    enable_determinism(params.seed)
    profile = SourceProfile.load(paths.estimate_file(mix))
    trained = load_trained_network(paths.network_file(mix))
    network = EstimatingNetwork.of(trained)
    profile.check_network(network.digest, paths.estimate_file(mix))
    true = MixScores.load(paths.scores_file(mix))
    domains = {}
    for role in params.domains:
        shards = open_shards(paths.TEST / role)
        found = SetEstimate(profile, trained.taxonomy.class_names)
        for example in examples(shards, "test"):
            # The label is not looked at.
            found.add(example.id, example.image, network)
        expected, score = found.expected, true.domains[role]
        domains[role] = DomainExpectation(
            data_set=shards.name,
            miou=score.miou,
            pixel_accuracy=score.pixel_accuracy,
            expected=expected,
        )
        shown = f"{percent(expected.pixel_accuracy)} %, true {percent(score.pixel_accuracy)} %"
        print(f"{role} ({shards.name}): expected pixel accuracy {shown}")
    MixExpectations(mix=mix, taxonomy=trained.taxonomy.name, domains=domains).save(
        paths.expected_file(mix)
    )


if __name__ == "__main__":
    run(main, "mix")
