import json
import os
import subprocess
import sys

import numpy as np
import pytest

from roadshift.deployment.check import Check
from roadshift.deployment.formats import describe, write_onnx, write_savedmodel, write_tflite
from roadshift.deployment.runtimes import TimedNetwork, open_exported
from roadshift.networks.build import build_network
from roadshift.networks.files import load_network
from roadshift.networks.settings import ModelSettings
from roadshift.taxonomy import load_taxonomy
from roadshift.tensorflow_log import quiet_stderr

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


QUIET = """
import sys
from pathlib import Path
from roadshift import runtime
runtime.prepare()
import numpy as np
from roadshift.deployment.formats import describe, write_tflite
from roadshift.deployment.runtimes import open_exported
from roadshift.networks.files import load_network
from roadshift.taxonomy import load_taxonomy
network, size = load_network(Path(sys.argv[1])), (64, 96)
images = np.zeros((1, *size, 3), np.float32)
for name, calibration in (("tflite", []), ("tflite-int8", [images, images])):
    description, file = describe(load_taxonomy("driving11"), size), Path(sys.argv[2]) / name
    write_tflite(network, description, file, size=size, calibration=calibration)
    print(open_exported(file, name)[0](images).shape)
"""


@pytest.mark.slow
def test_tensorflow_lite_prints_nothing_of_its_own(colour_network, tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_CPP_")}
    command = [sys.executable, "-c", QUIET, str(colour_network), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (2 * "(1, 64, 96, 11)\n", "")


LITE = (
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "fully_quantize: 0, inference_type: 6, input_inference_type: UINT8",
)
LITE_ERRORS = ("ERROR: Regular TensorFlow ops are not supported", "INFO: Created something else")


@pytest.mark.parametrize(("level", "shown"), [("2", LITE_ERRORS), ("0", (*LITE, *LITE_ERRORS))])
def test_an_error_of_tensorflow_lite_is_not_hidden(capfd, monkeypatch, level, shown):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with quiet_stderr():
        os.write(2, "".join(f"{line}\n" for line in (*LITE, *LITE_ERRORS)).encode())
    assert capfd.readouterr().err.splitlines() == [*shown]
