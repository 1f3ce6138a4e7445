import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.inference.network_facts import NetworkFacts, feature_shifts, network_facts
from roadshift.networks.build import build_network
from roadshift.networks.settings import ModelSettings
from roadshift.records.reader import open_shards
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture(scope="module")
def network():
    settings = ModelSettings(encoder="unet", weights="none", base_filters=4)
    return build_network(settings, TAXONOMY.class_names)


@pytest.fixture
def shards(tmp_path, toy_samples):
    samples = toy_samples(tmp_path, {"test": 2})
    folder = tmp_path / "shards"
    folder.mkdir()
    write_shards(
        samples,
        ("test",),
        images=tmp_path / "images",
        labels=tmp_path / "labels",
        taxonomy=TAXONOMY,
        dataset="toy",
        shard_megabytes=1,
        folder=folder,
    )
    return open_shards(folder)


def test_a_networks_parameters_are_counted(network, shards):
    facts = network_facts(network, {"a": shards}, own=["a"], max_height=0)
    assert facts.encoder == "unet"
    assert facts.classes == 11
    assert facts.stride == 16
    assert facts.parameters == facts.trainable + facts.frozen
    assert facts.trainable == sum(int(np.prod(w.shape)) for w in network.trainable_weights)
    # Two moving statistics of each channel of 18 batch norms: 2 · 2 · (2 · 60 + 64).
    assert facts.frozen == 4 * (2 * (4 + 8 + 16 + 32) + 64)
    assert 0 < facts.encoder_parameters < facts.parameters
    assert {domain: len(shifts) for domain, shifts in facts.feature_shifts.items()} == {"a": 18}


def test_facts_are_read_as_they_were_written(network, shards, tmp_path):
    facts = network_facts(network, {"a": shards}, own=["a"], max_height=0)
    file = tmp_path / "facts.json"
    file.write_text(facts.model_dump_json(), "utf-8")
    assert NetworkFacts.load(file) == facts
    file.write_text("{}", "utf-8")
    with pytest.raises(RoadshiftError, match=r"facts\.json: not facts of a network"):
        NetworkFacts.load(file)


def test_features_of_other_images_lie_farther_away(network, draw_blocks):
    near, _ = draw_blocks(0, 48, 64)
    found = {"a": [near], "same": [near], "dark": [near // 8]}
    shifts = feature_shifts(network, found, own=["a"], max_height=0)
    assert len(shifts["a"]) == 18
    assert max(shifts["a"]) < 1e-6
    assert shifts["same"] == shifts["a"]
    assert np.mean(shifts["dark"]) > 0.1
