import json

import numpy as np
import pytest

from roadshift.deployment.check import Check
from roadshift.deployment.formats import describe, write_onnx, write_savedmodel, write_tflite
from roadshift.deployment.runtimes import TimedNetwork, open_exported
from roadshift.networks.build import build_network
from roadshift.networks.files import load_network
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


@pytest.mark.parametrize("format_name", ["savedmodel", "tflite", "onnx"])
@pytest.mark.slow
def test_every_architecture_gives_the_same_logits_and_its_classes(network, format_name, tmp_path):
    path, size = tmp_path / "export", SIZE if format_name == "tflite" else None
    description = describe(TAXONOMY, size)
    if format_name == "savedmodel":
        write_savedmodel(network, description, path)
    elif format_name == "tflite":
        write_tflite(network, description, path, size=SIZE)
    else:
        pytest.importorskip("tf2onnx", reason="tf2onnx (the extra 'onnx') is not installed")
        pytest.importorskip("onnxruntime", reason="onnxruntime (extra 'onnx') is not installed")
        write_onnx(network, description, path)
    run, found = open_exported(path, format_name)
    assert found == description
    sizes = [SIZE] if size else [SIZE, (32, 160)]
    for height, width in sizes:
        shape = (1, height, width, 3)
        images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
        expected = network(images, training=False).numpy()
        logits = run(images)
        assert np.mean(logits.argmax(-1) == expected.argmax(-1)) >= 0.995
        np.testing.assert_allclose(logits, expected, atol=1e-3 * np.abs(expected).max())


def test_the_description_names_classes_and_what_goes_in():
    description = json.loads(json.dumps(describe(TAXONOMY, (384, 480))))
    assert description["taxonomy"] == "driving11"
    assert [entry["name"] for entry in description["classes"]] == list(TAXONOMY.class_names)
    assert description["images"]["size"] == [384, 480]


def test_integers_take_bytes_as_they_are(colour_network, draw_blocks, tmp_path):
    import tensorflow as tf

    path = tmp_path / "int8.tflite"
    images = (draw_blocks(seed, *SIZE)[0][np.newaxis].astype(np.float32) for seed in range(4))
    # The calibration images have neither black nor white.
    greyed = (image * 0.5 + 60 for image in images)
    network, description = load_network(colour_network), describe(TAXONOMY, SIZE)
    write_tflite(network, description, path, size=SIZE, calibration=greyed)
    interpreter = tf.lite.Interpreter(str(path))
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] == result["dtype"] == np.uint8
    assert given["quantization"] == (1.0, 0)


def test_a_smaller_image_is_filled_up_and_cut_back():
    seen = []

    def run(images):
        seen.append(images.shape)
        return images

    network = TimedNetwork(run, (64, 96))
    images = np.arange(32 * 64 * 3, dtype=np.float32).reshape(1, 32, 64, 3)
    np.testing.assert_array_equal(network(images), images)
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
def test_an_export_that_misses_a_limit_says_so(agreement, before, after, integers, expected):
    check = Check(
        images=1,
        agreement=agreement,
        miou_before=before,
        miou_after=after,
        milliseconds_before=1.0,
        milliseconds_after=1.0,
    )
    assert check.failure(integers) == expected
