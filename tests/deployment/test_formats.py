import json

import numpy as np
import pytest

from roadshift.deployment.check import Check
from roadshift.deployment.formats import describe, write_onnx, write_savedmodel, write_tflite
from roadshift.deployment.runtimes import TimedNetwork, open_exported
from roadshift.networks.files import load_network
from roadshift.networks.network import build_network
from roadshift.networks.settings import ModelSettings
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")
SIZE = (64, 96)


@pytest.fixture(scope="module", params=["efficientnet_lite0", "unet"])
def network(request):
    settings = ModelSettings(
        encoder=request.param, weights="none", decoder_channels=8, base_filters=4
    )
    return build_network(settings, TAXONOMY.class_names, dropout=0.1, taxonomy="driving11")


@pytest.mark.parametrize("form", ["savedmodel", "tflite", "onnx"])
def test_every_architecture_gives_the_same_logits_and_its_classes(network, form, tmp_path):
    path, size = tmp_path / "export", SIZE if form == "tflite" else None
    description = describe(TAXONOMY, size)
    if form == "savedmodel":
        write_savedmodel(network, description, path)
    elif form == "tflite":
        write_tflite(network, description, SIZE, path)
    else:
        pytest.importorskip("tf2onnx", reason="tf2onnx (the extra 'onnx') is not installed")
        pytest.importorskip("onnxruntime", reason="onnxruntime (extra 'onnx') is not installed")
        write_onnx(network, description, path)
    run, found = open_exported(path, form)
    assert found == description
    sizes = [SIZE] if size else [SIZE, (32, 160)]
    for height, width in sizes:
        shape = (1, height, width, 3)
        pictures = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
        expected = network(pictures, training=False).numpy()
        logits = run(pictures)
        assert np.mean(logits.argmax(-1) == expected.argmax(-1)) >= 0.995
        np.testing.assert_allclose(logits, expected, atol=1e-3 * np.abs(expected).max())


def test_the_description_names_classes_and_what_goes_in():
    description = json.loads(json.dumps(describe(TAXONOMY, (384, 480))))
    assert description["taxonomy"] == "driving11"
    assert [entry["name"] for entry in description["classes"]] == list(TAXONOMY.class_names)
    assert description["pictures"]["size"] == [384, 480]


def test_integers_take_bytes_as_they_are(colour_network, draw_blocks, tmp_path):
    import tensorflow as tf

    path = tmp_path / "int8.tflite"
    pictures = (draw_blocks(seed, *SIZE)[0][np.newaxis].astype(np.float32) for seed in range(4))
    # Without black and white in the calibration, too.
    greyed = (picture * 0.5 + 60 for picture in pictures)
    write_tflite(load_network(colour_network), describe(TAXONOMY, SIZE), SIZE, path, greyed)
    interpreter = tf.lite.Interpreter(str(path))
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] == result["dtype"] == np.uint8
    assert given["quantization"] == (1.0, 0)


def test_a_smaller_picture_is_filled_up_and_cut_back():
    seen = []

    def run(pictures):
        seen.append(pictures.shape)
        return pictures

    network = TimedNetwork(run, (64, 96))
    pictures = np.arange(32 * 64 * 3, dtype=np.float32).reshape(1, 32, 64, 3)
    np.testing.assert_array_equal(network(pictures), pictures)
    assert set(seen) == {(1, 64, 96, 3)}
    assert len(network.milliseconds) == 1


@pytest.mark.parametrize(
    ("agreement", "before", "after", "integers", "expected"),
    [
        (0.996, 0.5, 0.495, False, ""),
        (0.994, 0.5, 0.5, False, "agrees on 99.40% of the pixels, expected 99.5%"),
        (0.97, 0.5, 0.491, True, ""),
        (0.97, 0.5, 0.488, True, "loses 1.2 points of mIoU, expected at most 1"),
        (1.0, None, None, True, ""),
    ],
)
def test_bars(agreement, before, after, integers, expected):
    assert Check(1, agreement, before, after, 1.0, 1.0).failure(integers) == expected
