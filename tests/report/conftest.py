"""A page of real scores: coloured blocks, and networks that take one class for another."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from roadshift.datasets.card import load_card
from roadshift.report.page import Origin, PageDomain, page_html
from roadshift.report.views import ScoredNetwork, domain_views
from roadshift.scoring.results import DomainScores, MixScores
from roadshift.scoring.settings import EvaluateSettings
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")
SOURCES = {"a": ["a"], "b": ["b"], "ab": ["a", "b"]}
SETS = {"a": "synthetic_noon", "b": "synthetic_overcast", "target": "synthetic_dusk"}


@pytest.fixture(scope="session")
def block_shards(tmp_path_factory, draw_blocks, save_image):
    """(name, seed, number of images) -> shards of coloured blocks, their left column ignored."""
    from roadshift.datasets.samples import Sample
    from roadshift.records.reader import open_shards
    from roadshift.records.writer import write_shards

    def write(name, seed, number=4):
        source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("shards")
        samples = []
        for k in range(number):
            image, label = draw_blocks(seed + k)
            # No fence where the seed is even: a class that the ground truth lacks.
            label[label == 3] = 255 if seed % 2 == 0 else 3
            label[:, :8] = 255
            samples.append(Sample(f"{name}_{k}", "test", "", f"{k}.png", f"{k}.png", 96, 64))
            save_image(source / f"images/{k}.png", image)
            save_image(source / f"labels/{k}.png", label)
        write_shards(
            samples,
            ("test",),
            images=source / "images",
            labels=source / "labels",
            taxonomy=TAXONOMY,
            dataset=name,
            shard_megabytes=1,
            folder=folder,
        )
        return open_shards(folder)

    return write


@pytest.fixture(scope="session")
def flawed_segmenters(colour_network):
    """By mix, a segmenter that takes one class for the next, another class in each mix."""
    from roadshift.inference.segmenter import Segmentation, Segmenter
    from roadshift.networks.files import load_network
    from roadshift.networks.settings import InferenceSettings

    right = Segmenter(load_network(colour_network), InferenceSettings())

    def flawed(wrong):
        def segment(image):
            found = right(image)
            ids = np.where(found.ids == wrong, wrong + 1, found.ids).astype(np.uint8)
            return Segmentation(ids, found.confidence)

        return segment

    return {mix: flawed(wrong) for wrong, mix in enumerate(SOURCES)}


@pytest.fixture(scope="session")
def scored_network():
    """(segmenter, shards) -> the `ScoredNetwork` of their test images."""
    from roadshift.inference.evaluation import score_and_keep

    def score(segment, shards):
        found, predictions = score_and_keep(segment, shards)
        return ScoredNetwork(found.matrices, predictions)

    return score


@dataclass
class PageParts:
    """The parts of a page; `html` writes the page from what they are now."""

    scores: dict[str, dict[str, DomainScores]]
    """By mix and role."""
    domains: dict[str, PageDomain]
    origin: Origin
    target_images: dict[str, dict[str, int]] = field(default_factory=dict)
    """By mix, as in `MixScores`; a mix that is not in it saw none."""

    def change(self, mix, role, **update):
        """Puts other values into the scores of a mix on a domain."""
        self.scores[mix][role] = self.scores[mix][role].model_copy(update=update)

    def mix_scores(self):
        return {
            mix: MixScores(
                mix=mix,
                taxonomy=TAXONOMY.name,
                target_images=self.target_images.get(mix, {}),
                domains=row,
            )
            for mix, row in self.scores.items()
        }

    def html(self):
        return page_html(
            self.mix_scores(),
            sources=SOURCES,
            target="target",
            domains=self.domains,
            taxonomy=TAXONOMY,
            origin=self.origin,
            confidence_level=0.95,
        )


@pytest.fixture(scope="session")
def scored_parts(block_shards, flawed_segmenters):
    from roadshift.inference.evaluation import score_and_keep
    from roadshift.scoring.domain_metrics import score_domain

    scores: dict[str, dict[str, DomainScores]] = {mix: {} for mix in SOURCES}
    domains = {}
    for seed, (role, name) in enumerate(SETS.items()):
        shards = block_shards(name, 10 * seed + seed)
        networks = {}
        for mix, segment in flawed_segmenters.items():
            found, predictions = score_and_keep(segment, shards)
            scores[mix][role] = score_domain(
                found.matrices,
                found.calibration,
                data_set=name,
                class_names=TAXONOMY.class_names,
                settings=EvaluateSettings(bootstrap_samples=20),
            )
            networks[mix] = ScoredNetwork(found.matrices, predictions)
        domains[role] = PageDomain(
            card=load_card(name),
            images={"train": 0, "val": 0, "test": 4},
            views=domain_views(shards, "test", scored=networks, taxonomy=TAXONOMY),
        )
    origin = Origin("seed: 0\n", {"metrics/a.json": "0f" * 16}, {"x": "1"})
    return PageParts(scores, domains, origin)


@pytest.fixture
def parts(scored_parts):
    """The parts of a page, free to be changed."""
    return replace(
        scored_parts,
        scores={mix: {**row} for mix, row in scored_parts.scores.items()},
        domains={**scored_parts.domains},
        target_images={},
    )
