"""Writes the page: the cross-domain table, and what the networks make of pictures."""

import json
import platform

import keras
import numpy as np
import tensorflow as tf

from roadshift import __version__
from roadshift.checksum import dvc_hash
from roadshift.datasets.card import load_card
from roadshift.determinism import be_deterministic
from roadshift.networks.files import load_network
from roadshift.outputs import whole_file
from roadshift.pictures.page import Domain, Origin, page_html
from roadshift.pictures.views import Scored, domain_views
from roadshift.records.reader import open_shards
from roadshift.scoring.inference import Segmenter
from roadshift.taxonomy import load_taxonomy
from stages.entry import run
from stages.params import PARAMS, TARGET, Params
from stages.paths import PAGE, network, pictures, scores, test, trainval


def main(params: Params, mixes: list[str]) -> None:
    """Write report/index.html, which needs nothing beside it."""
    be_deterministic(params.seed)
    taxonomy = load_taxonomy(params.data.taxonomy)
    flip, scales = params.evaluate.flip, params.evaluate.scales
    segmenters, kept = {}, {}
    for mix in mixes:
        model = load_network(network(mix))
        segmenters[mix] = Segmenter(model, params.data.max_height, flip, scales)
        kept[mix] = dict(np.load(pictures(mix), allow_pickle=False))
    domains = {}
    for role, name in params.domains.items():
        shards = open_shards(test(role))
        counts = {split: open_shards(trainval(role)).count(split) for split in ("train", "val")}
        results = {
            mix: Scored(segment, kept[mix][f"{role}/ids"], kept[mix][f"{role}/matrices"])
            for mix, segment in segmenters.items()
        }
        domains[role] = Domain(
            load_card(name),
            {**counts, "test": shards.count("test")},
            domain_views(shards, "test", results, taxonomy),
        )
    inputs = [
        *(scores(mix) for mix in mixes),
        PARAMS,
        *(network(mix).parent for mix in mixes),
        *(part(role) for role in domains for part in (trainval, test)),
    ]
    versions = {
        "roadshift": __version__,
        "Python": platform.python_version(),
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
    }
    scored = {mix: json.loads(scores(mix).read_text("utf-8")) for mix in mixes}
    page = page_html(
        {mix: found["domains"] for mix, found in scored.items()},
        {mix: found["target_pictures"] for mix, found in scored.items()},
        {mix: list(params.mixes[mix]) for mix in mixes},
        TARGET,
        domains,
        taxonomy,
        Origin(
            PARAMS.read_text("utf-8"),
            {path.as_posix(): dvc_hash(path) for path in inputs},
            versions,
        ),
        params.evaluate.confidence_level,
    )
    with whole_file(PAGE) as file:
        file.write_text(page, "utf-8", newline="\n")
    print(f"{PAGE}: {len(page.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main, "mixes")
