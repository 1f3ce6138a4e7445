"""Scores the network of a mix on the test split of every domain."""

from pathlib import Path

from roadshift.determinism import enable_determinism
from roadshift.environment import write_provenance
from roadshift.inference.evaluation import evaluate_network
from roadshift.inference.network_facts import network_facts
from roadshift.networks.files import copy_network
from roadshift.records.contents import read_contents
from roadshift.records.reader import open_shards
from roadshift.scoring.results import MixScores
from roadshift.scoring.tables import write_confusion
from roadshift.training.history import count_target_images
from stages import paths
from stages.entry import run
from stages.params import TARGET, Params
from stages.trained import open_trained


def main(params: Params, mix: str) -> None:
    """Score a mix's network on all domains, and write it ready for use."""
    # A summary that still counts this mix's former scores would be shown as this run's, if the run
    # ends before summarize.
    paths.SUMMARY.unlink(missing_ok=True)
    enable_determinism(params.seed)
    domains = {role: open_shards(paths.TEST / role) for role in params.domains}
    trained = open_trained(params, mix, domains.values())
    target_ids = read_contents(domains[TARGET].folder, "test", domains[TARGET].label_names).ids
    target_images = count_target_images(paths.history_file(mix), target_ids)
    results = evaluate_network(trained.scorers, domains, settings=params.evaluate, seed=params.seed)
    scores = MixScores(
        mix=mix, taxonomy=trained.taxonomy, target_images=target_images, domains=results.scores
    )
    scores.save(paths.scores_file(mix))
    results.matrices.save(paths.matrices_file(mix))
    results.predictions.save(paths.predictions_file(mix))
    write_confusion(
        results.matrices.domains,
        trained.class_names,
        paths.confusion_file(mix),
        partial_labels={role: shards.partial_labels for role, shards in domains.items()},
    )
    facts = network_facts(
        trained.network,
        domains,
        own=list(params.mixes[mix]),
        max_height=trained.inference.max_height,
    )
    facts.save(paths.facts_file(mix))
    copy_network(trained.file, paths.network_file(mix), trained.inference)
    record = paths.provenance_file("evaluate", mix)
    write_provenance(record, paths.scores_file(mix), repository=Path(), code=paths.CODE)


if __name__ == "__main__":
    run(main, "mix")
