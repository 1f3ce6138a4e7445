import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.networks.build import build_network, class_names_of, taxonomy_of
from roadshift.networks.files import load_network, save_network
from roadshift.networks.settings import InferenceSettings, ModelSettings

SETTINGS = ModelSettings(weights="none", decoder_channels=16)
CLASSES = ("road", "sky")


@pytest.fixture(scope="module")
def network():
    return build_network(SETTINGS, CLASSES, dropout=0.1, taxonomy="two")


@pytest.fixture
def path(tmp_path, network):
    path = tmp_path / "model.keras"
    save_network(network, path, InferenceSettings())
    return path


def test_a_network_is_read_as_it_was_written(network, path):
    read = load_network(path)
    assert (class_names_of(read), taxonomy_of(read)) == (CLASSES, "two")
    images = np.random.default_rng(0).uniform(0, 255, (1, 32, 64, 3)).astype(np.float32)
    np.testing.assert_array_equal(read(images), network(images))
    assert len(read.trainable_variables) == len(network.trainable_variables)


def test_frozen_stages_and_kept_statistics_stay_so(tmp_path):
    path = tmp_path / "frozen.keras"
    written = build_network(ModelSettings(frozen_stages=2, decoder_channels=16), CLASSES)
    save_network(written, path, InferenceSettings())
    read = load_network(path)
    assert [v.path for v in read.trainable_variables] == [
        v.path for v in written.trainable_variables
    ]
    assert read.get_layer("encoder_block3_expand").norm.frozen_batch_norm


@pytest.mark.slow
def test_the_same_network_gives_the_same_bytes(path, tmp_path):
    again = tmp_path / "again.keras"
    code = (
        "import sys, pathlib;"
        "from roadshift.networks.files import save_network;"
        "from roadshift.networks.build import build_network;"
        "from roadshift.networks.settings import InferenceSettings, ModelSettings;"
        "settings = ModelSettings(weights='none', decoder_channels=16);"
        "network = build_network(settings, ('road', 'sky'), dropout=0.1, taxonomy='two');"
        "save_network(network, pathlib.Path(sys.argv[1]), InferenceSettings())"
    )
    subprocess.run([sys.executable, "-c", code, str(again)], check=True)
    assert path.read_bytes() == again.read_bytes()
    save_network(load_network(path), again, InferenceSettings())
    assert path.read_bytes() == again.read_bytes()


def test_nothing_is_left_beside_the_file(path):
    assert [file.name for file in path.parent.iterdir()] == ["model.keras"]


def test_loading_a_network_writes_nothing_to_the_disk(path):
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from roadshift.networks.files import load_network\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "load_network(Path(sys.argv[1]))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RoadshiftError, match=r"none\.keras: there is no such file"):
        load_network(tmp_path / "none.keras")


def test_a_damaged_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RoadshiftError, match=r"model\.keras: not a whole \.keras file"):
        load_network(path)


def test_a_flipped_bit_anywhere_is_refused(path):
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        members = [(m.header_offset + 30 + len(m.filename), m.file_size) for m in file.infolist()]
    for start, size in members:
        for place in (start, start + size // 2, start + size - 1):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(RoadshiftError, match="is damaged"):
                load_network(path)


def test_a_file_without_weights_is_refused(path):
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in ("metadata.json", "config.json")}
    with zipfile.ZipFile(path, "w") as part:
        for name, content in parts.items():
            part.writestr(name, content)
    with pytest.raises(RoadshiftError, match="not a whole"):
        load_network(path)


def test_a_foreign_network_is_refused(tmp_path):
    path = tmp_path / "foreign.keras"
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(path)
    with pytest.raises(RoadshiftError, match="not one that roadshift wrote"):
        load_network(path)


def test_code_in_a_file_is_refused(tmp_path):
    path = tmp_path / "lambda.keras"
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(path)
    with pytest.raises(RoadshiftError, match=r"lambda\.keras: holds code, which is not run"):
        load_network(path)
