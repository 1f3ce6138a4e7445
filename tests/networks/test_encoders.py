import ast
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from roadshift.errors import RoadshiftError
from roadshift.networks.architectures import ENCODERS
from roadshift.networks.build import BUILDERS, build_network, encoder
from roadshift.networks.imagenet import (
    FILE_LOADERS,
    IMAGENET_LOADERS,
    imagenet_weights,
    weights_file,
)
from roadshift.networks.settings import Encoder, ModelSettings

PROJECT = Path(__file__).parents[2]


def test_every_encoder_is_a_value_of_the_parameter_and_the_reverse():
    assert get_args(Encoder) == tuple(ENCODERS)
    assert all(spec.name == name for name, spec in ENCODERS.items())


def test_every_encoder_has_the_builder_and_the_loaders_that_its_spec_promises():
    assert BUILDERS.keys() == ENCODERS.keys()
    assert IMAGENET_LOADERS.keys() == {
        name for name, spec in ENCODERS.items() if spec.has_imagenet_weights
    }
    assert FILE_LOADERS.keys() == {
        (name, suffix)
        for name, spec in ENCODERS.items()
        for suffix in spec.weights_suffixes
        if suffix != ".keras"
    }


@pytest.mark.parametrize("name", ENCODERS)
def test_what_a_spec_says_is_so_of_its_network(name):
    spec = ENCODERS[name]
    settings = ModelSettings(
        encoder=name,
        weights="none",
        decoder_channels=8,
        base_filters=4,
        ibn_stages=int(spec.has_ibn_stages),
    )
    network = build_network(settings, ("road", "sky"), stochastic_depth=0.2)
    layers = network.layers
    skips = [layer for layer in layers if layer.name.endswith("_skip") and hasattr(layer, "rate")]
    assert bool(skips) == spec.has_residual_branches
    assert any(type(layer).__name__ == "IBNConv" for layer in layers) == spec.has_ibn_stages
    assert network.name == name


@pytest.mark.parametrize(
    "register",
    [
        encoder("unet"),
        encoder("resnet"),
        imagenet_weights("unet"),
        imagenet_weights("mobilenet_v2"),
        imagenet_weights("resnet"),
        weights_file("unet", ".h5"),
        weights_file("mobilenet_v2", ".h5"),
        weights_file("resnet", ".h5"),
    ],
)
def test_nothing_is_registered_twice_or_for_what_is_unknown(register):
    before = BUILDERS.copy(), IMAGENET_LOADERS.copy(), FILE_LOADERS.copy()
    with pytest.raises(ValueError, match=r"encoder '\w+' has a "):
        register(print)
    assert before == (BUILDERS, IMAGENET_LOADERS, FILE_LOADERS)


def test_a_file_of_a_suffix_that_the_encoder_does_not_take_is_refused():
    with pytest.raises(RoadshiftError) as error:
        ModelSettings(weights="mine.h5")
    assert str(error.value) == (
        "model.weights is mine.h5, but .h5 files are of mobilenet_v2: set "
        "model.encoder=mobilenet_v2, or model.weights to a .keras file"
    )
    assert ModelSettings(encoder="mobilenet_v2", weights="mine.h5").weights == "mine.h5"


def test_ibn_is_refused_where_an_encoder_has_no_stages_for_it():
    with pytest.raises(RoadshiftError) as error:
        ModelSettings(encoder="unet", weights="none", ibn_stages=2)
    assert str(error.value) == (
        "model.ibn_stages is 2, but model.encoder unet has no stages to put it into: set "
        "model.ibn_stages=0, or another encoder"
    )


def comparisons(source):
    """The lines of a program that compare something with the name of an encoder."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare | ast.MatchValue) and any(
            isinstance(part, ast.Constant) and part.value in ENCODERS for part in ast.walk(node)
        ):
            yield node.lineno


def test_no_program_outside_the_networks_compares_with_the_name_of_an_encoder():
    files = [
        file
        for package in ("roadshift", "stages", "ablation")
        for file in (PROJECT / package).rglob("*.py")
        if PROJECT / "roadshift/networks" not in file.parents
    ]
    assert len(files) > 50
    found = [
        f"{file.relative_to(PROJECT)}:{line}"
        for file in files
        for line in comparisons(file.read_text("utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        'x = model.encoder == "unet"',
        'x = "unet" != encoder',
        'x = encoder in ("unet", "mobilenet_v2")',
        'match encoder:\n    case "unet":\n        pass',
    ],
)
def test_a_comparison_with_the_name_of_an_encoder_is_found(source):
    assert [*comparisons(source)]
    assert not [*comparisons(source.replace("unet", "vgg").replace("mobilenet_v2", "vgg"))]


def test_the_tables_do_not_import_tensorflow():
    code = (
        "import sys, roadshift.networks.architectures;"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
