"""A page of real scores: coloured blocks, and a network that sees some of them wrongly."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from roadshift.datasets.card import load_card
from roadshift.pictures.page import Domain, Origin, page_html
from roadshift.pictures.views import Scored, domain_views
from roadshift.scoring.settings import EvaluateSettings
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")
SOURCES = {"a": ["a"], "b": ["b"], "ab": ["a", "b"]}
SETS = {"a": "synthetic_noon", "b": "synthetic_overcast", "target": "synthetic_dusk"}


@pytest.fixture(scope="session")
def block_shards(tmp_path_factory, draw_blocks, save_picture):
    """(name, seed, pictures) -> shards of coloured blocks whose left column is ignored."""
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
            save_picture(source / f"images/{k}.png", image)
            save_picture(source / f"labels/{k}.png", label)
        pictures = source / "images", source / "labels"
        write_shards(samples, ("test",), *pictures, TAXONOMY, name, 1, folder)
        return open_shards(folder)

    return write


@pytest.fixture(scope="session")
def flawed_segmenters(colour_network):
    """By mix, a segmenter that takes a class, another one in each mix, for its neighbour."""
    from roadshift.networks.files import load_network
    from roadshift.scoring.inference import Segmenter

    right = Segmenter(load_network(colour_network), 0)

    def flawed(wrong):
        def segment(image):
            prediction, confidence = right(image)
            return np.where(prediction == wrong, wrong + 1, prediction).astype(np.uint8), confidence

        return segment

    return {mix: flawed(wrong) for wrong, mix in enumerate(SOURCES)}


@dataclass
class PageParts:
    """What a page is made of; change it, and write the page anew."""

    scores: dict
    domains: dict
    origin: Origin
    seen: dict = field(default_factory=lambda: {mix: {} for mix in SOURCES})

    def html(self):
        return page_html(
            self.scores, self.seen, SOURCES, "target", self.domains, TAXONOMY, self.origin, 0.95
        )


@pytest.fixture(scope="session")
def scored_parts(block_shards, flawed_segmenters):
    from roadshift.scoring.inference import score_pictures
    from roadshift.scoring.report import score_domain

    settings, classes = EvaluateSettings(bootstrap_samples=20), TAXONOMY.class_names
    scores: dict = {mix: {} for mix in SOURCES}
    domains = {}
    for seed, (role, name) in enumerate(SETS.items()):
        shards, scored = block_shards(name, 10 * seed + seed), {}
        for mix, segment in flawed_segmenters.items():
            found = score_pictures(segment, shards, "test")
            described = score_domain(
                found.ids, found.matrices, found.calibration, classes, settings
            )
            scores[mix][role] = {"data_set": name, **described}
            scored[mix] = Scored(segment, found.ids, found.matrices)
        views = domain_views(shards, "test", scored, TAXONOMY)
        domains[role] = Domain(load_card(name), {"train": 0, "val": 0, "test": 4}, views)
    return PageParts(
        scores, domains, Origin("seed: 0\n", {"metrics/a.json": "0f" * 16}, {"x": "1"})
    )


@pytest.fixture
def parts(scored_parts):
    """The parts of a page, free to be changed."""
    scores = {m: {d: {**c} for d, c in row.items()} for m, row in scored_parts.scores.items()}
    return replace(scored_parts, scores=scores, domains={**scored_parts.domains})
