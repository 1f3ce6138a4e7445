"""Writes the page: the cross-domain table, and the networks' predictions behind its cells."""

from roadshift import __version__
from roadshift.atomic import atomic_file
from roadshift.checksum import dvc_hash
from roadshift.datasets.card import load_card
from roadshift.environment import environment
from roadshift.records.reader import open_shards
from roadshift.report.page import Origin, PageDomain, page_html
from roadshift.report.views import ScoredNetwork, domain_views
from roadshift.scoring.results import ExamplePredictions, MixMatrices, MixScores
from roadshift.taxonomy import load_taxonomy
from stages import paths
from stages.entry import run
from stages.params import PARAMS, TARGET, Params


def main(params: Params) -> None:
    """Write report/index.html, which needs no other file."""
    taxonomy = load_taxonomy(params.data.taxonomy)
    matrices = {mix: MixMatrices.load(paths.matrices_file(mix)) for mix in params.mixes}
    predictions = {
        mix: ExamplePredictions.load(paths.predictions_file(mix)) for mix in params.mixes
    }
    domains = {}
    for role, name in params.domains.items():
        shards, trainval = open_shards(paths.TEST / role), open_shards(paths.TRAINVAL / role)
        counts = {split: trainval.count(split) for split in ("train", "val")}
        networks = {
            mix: ScoredNetwork(matrices[mix].domains[role], predictions[mix].domains[role])
            for mix in params.mixes
        }
        domains[role] = PageDomain(
            card=load_card(name),
            images={**counts, "test": shards.count("test")},
            views=domain_views(shards, "test", scored=networks, taxonomy=taxonomy),
        )
    inputs = [
        *(paths.scores_file(mix) for mix in params.mixes),
        PARAMS,
        *(paths.TRAINED / mix for mix in params.mixes),
        *(folder / role for role in domains for folder in (paths.TRAINVAL, paths.TEST)),
    ]
    made_with = environment()
    page = page_html(
        {mix: MixScores.load(paths.scores_file(mix)) for mix in params.mixes},
        sources={mix: list(weights) for mix, weights in params.mixes.items()},
        target=TARGET,
        domains=domains,
        taxonomy=taxonomy,
        origin=Origin(
            params=PARAMS.read_text("utf-8"),
            hashes={path.as_posix(): dvc_hash(path) for path in inputs},
            versions={
                "roadshift": __version__,
                "Python": made_with["python"],
                "TensorFlow": made_with["packages"]["tensorflow"],
                "Keras": made_with["packages"]["keras"],
            },
        ),
        confidence_level=params.evaluate.confidence_level,
    )
    with atomic_file(paths.PAGE) as file:
        file.write_text(page, "utf-8", newline="\n")
    print(f"{paths.PAGE}: {len(page.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
