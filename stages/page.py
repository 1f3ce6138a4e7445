"""Writes the page: the cross-domain table, and the networks' predictions behind its cells."""

from collections.abc import Mapping

from roadshift import __version__
from roadshift.atomic import atomic_file
from roadshift.checksum import dvc_hash
from roadshift.datasets.card import load_card
from roadshift.environment import environment
from roadshift.records.reader import open_shards
from roadshift.report.advice import Advice, RunFacts, findings, next_steps
from roadshift.report.conclusions import widest
from roadshift.report.page import Origin, PageDomain, page_html
from roadshift.report.views import IMAGE_BYTES, DomainViews, ScoredNetwork, domain_views
from roadshift.scoring.results import ExamplePredictions, MixMatrices, MixScores
from roadshift.scoring.tables import domain_gap
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
    scores = {mix: MixScores.load(paths.scores_file(mix)) for mix in params.mixes}
    sources = {mix: list(weights) for mix, weights in params.mixes.items()}
    tests = {role: open_shards(paths.TEST / role) for role in params.domains}
    views: dict[str, DomainViews] = {}
    left = IMAGE_BYTES
    # What a small domain does not need, a larger one may take.
    for role in sorted(tests, key=lambda role: tests[role].count("test")):
        networks = {
            mix: ScoredNetwork(matrices[mix].domains[role], predictions[mix].domains[role])
            for mix in params.mixes
        }
        share = left // (len(tests) - len(views))
        views[role] = domain_views(
            tests[role], "test", scored=networks, taxonomy=taxonomy, most_bytes=share
        )
        left -= views[role].size
    domains = {}
    for role, name in params.domains.items():
        trainval = open_shards(paths.TRAINVAL / role)
        counts = {split: trainval.count(split) for split in ("train", "val")}
        domains[role] = PageDomain(
            card=load_card(name),
            images={**counts, "test": tests[role].count("test")},
            views=views[role],
        )
    inputs = [
        *(paths.scores_file(mix) for mix in params.mixes),
        PARAMS,
        *(paths.TRAINED / mix for mix in params.mixes),
        *(folder / role for role in domains for folder in (paths.TRAINVAL, paths.TEST)),
    ]
    made_with = environment()
    page = page_html(
        scores,
        sources=sources,
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
        advice=_advice(params, scores, matrices, domains),
    )
    with atomic_file(paths.PAGE) as file:
        file.write_text(page, "utf-8", newline="\n")
    print(f"{paths.PAGE}: {len(page.encode()) / 1e6:.1f} MB")


def _advice(
    params: Params,
    scores: Mapping[str, MixScores],
    matrices: Mapping[str, MixMatrices],
    domains: Mapping[str, PageDomain],
) -> Advice:
    sources = {mix: list(weights) for mix, weights in params.mixes.items()}
    mix = widest(sources)
    facts = RunFacts(
        seed=params.seed,
        strengths=dict(params.aug),
        cards={role: domain.card for role, domain in domains.items()},
        network=mix,
        target_train=domains[TARGET].images["train"],
        saw_target=any(found.target_use for found in scores.values()),
    )
    return Advice(
        seed=params.seed,
        findings=findings(
            scores,
            matrices,
            sources=sources,
            target=TARGET,
            settings=params.evaluate,
            seed=params.seed,
        ),
        steps=next_steps(
            facts,
            target=TARGET,
            gap=domain_gap(scores[mix].domains, sources[mix], TARGET),
        ),
    )


if __name__ == "__main__":
    run(main)
