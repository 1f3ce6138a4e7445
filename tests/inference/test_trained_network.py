import json
import re
import zipfile

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.inference.segmenter import Segmenter
from roadshift.inference.trained_network import load_trained_network
from roadshift.networks.build import build_network
from roadshift.networks.files import copy_network, load_network, save_network
from roadshift.networks.settings import InferenceSettings, ModelSettings
from roadshift.taxonomy import load_taxonomy

VIEWS = InferenceSettings(max_height=384, tta_flip=True, tta_scales=(0.5, 1.0))


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def rewrite(source, target, change):
    """Writes a copy of a .keras file with the members that `change` returns."""
    with zipfile.ZipFile(target, "w") as file:
        for name, content in change(members(source)).items():
            file.writestr(name, content)
    return target


def with_settings(whole, content):
    """The members of a file with other inference settings, JSON as bytes, or with none."""
    metadata = json.loads(whole["metadata.json"])
    del metadata["inference"]
    changed = json.dumps(metadata).encode()
    if content is not None:
        changed = changed[:-1] + b', "inference": ' + content + b"}"
    return whole | {"metadata.json": changed}


@pytest.fixture
def silent(colour_network, tmp_path):
    """The file of a network without inference settings."""
    path = tmp_path / "silent.keras"
    return rewrite(colour_network, path, lambda whole: with_settings(whole, None))


def test_a_network_carries_its_taxonomy_and_its_settings(colour_network, tmp_path):
    path = tmp_path / "network.keras"
    save_network(load_network(colour_network), path, VIEWS)
    trained = load_trained_network(path)
    assert trained.inference == VIEWS
    assert trained.taxonomy == load_taxonomy("driving11")
    assert trained.network.output_shape == (None, None, None, 11)


def test_another_height_takes_the_place_of_the_file_s_own_and_views_stay(colour_network, tmp_path):
    path = tmp_path / "network.keras"
    save_network(load_network(colour_network), path, VIEWS)
    for height in (0, 96):
        trained = load_trained_network(path, max_height=height)
        assert trained.inference == VIEWS.model_copy(update={"max_height": height})


def test_a_network_without_settings_is_refused_unless_the_height_is_given(silent):
    expected = (
        f"{silent}: has no inference settings; give --max-height, the data.max_height of its "
        "training"
    )
    with pytest.raises(RoadshiftError, match=f"^{re.escape(expected)}$"):
        load_trained_network(silent)
    for height in (0, 384):
        trained = load_trained_network(silent, max_height=height)
        assert trained.inference == InferenceSettings(max_height=height)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"max_height": -1}', "max_height: input should be greater than or equal to 0, not -1"),
        (b'{"max_hight": 384}', "max_hight: unknown key; did you mean 'max_height'?"),
        (b'{"max_height": 3', "Invalid JSON"),
    ],
)
def test_settings_that_are_damaged_are_refused_in_one_line(
    colour_network, tmp_path, content, reason
):
    path = rewrite(
        colour_network,
        tmp_path / "damaged.keras",
        lambda whole: with_settings(whole, content),
    )
    with pytest.raises(RoadshiftError) as refused:
        load_trained_network(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: its inference settings are damaged (")
    assert reason.lower() in message.lower()
    assert message.endswith("; get it anew, or train it again")
    assert "\n" not in message


def test_a_copy_has_the_bytes_of_the_network_and_other_settings(tmp_path, draw_blocks):
    model = ModelSettings(encoder="unet", weights="none", base_filters=4)
    names = load_taxonomy("driving11").class_names
    network = build_network(model, names, dropout=0.1, seed=3, taxonomy="driving11")
    first, second, saved = (tmp_path / f"{name}.keras" for name in ("first", "second", "saved"))
    save_network(network, first, InferenceSettings(max_height=16))
    copy_network(first, second, VIEWS)
    before, after = members(first), members(second)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"metadata.json"}
    # The same file as if the network had been saved with these settings at once.
    save_network(network, saved, VIEWS)
    assert second.read_bytes() == saved.read_bytes()
    copied = load_trained_network(second)
    assert copied.inference == VIEWS
    for weight, original in zip(copied.network.weights, network.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), original.numpy())
    image, _ = draw_blocks(4)
    np.testing.assert_array_equal(
        Segmenter(copied.network, VIEWS)(image).confidence,
        Segmenter(network, VIEWS)(image).confidence,
    )


def test_a_copy_of_a_copy_is_the_file_itself(colour_network, tmp_path):
    there, back = tmp_path / "there.keras", tmp_path / "back.keras"
    copy_network(colour_network, there, VIEWS)
    copy_network(there, back, InferenceSettings())
    assert there.read_bytes() != colour_network.read_bytes()
    assert back.read_bytes() == colour_network.read_bytes()


def test_a_network_without_settings_gets_some_by_a_copy(silent, colour_network, tmp_path):
    copy_network(silent, tmp_path / "copy.keras", InferenceSettings())
    assert members(tmp_path / "copy.keras") == members(colour_network)


def test_a_failed_copy_leaves_what_was_there(colour_network, tmp_path):
    target = tmp_path / "network.keras"
    copy_network(colour_network, target, VIEWS)
    content = target.read_bytes()
    broken = tmp_path / "broken.keras"
    broken.write_bytes(content[: len(content) // 2])
    with pytest.raises(zipfile.BadZipFile):
        copy_network(broken, target, InferenceSettings())
    assert target.read_bytes() == content
    assert {file.name for file in tmp_path.iterdir()} == {"network.keras", "broken.keras"}
