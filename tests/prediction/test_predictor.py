import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roadshift.inference.tiles import Part
from roadshift.prediction.inputs import Input
from roadshift.prediction.log import LOG, open_log
from roadshift.prediction.predictor import Predictor, predict_all
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


def halves(image):
    """All road on the left, all sky on the right."""
    height, width = image.shape[:2]
    for class_id, columns in ((0, slice(0, width // 2)), (7, slice(width // 2, width))):
        ids = np.full((height, columns.stop - columns.start), class_id, np.uint8)
        yield Part(slice(0, height), columns, ids, np.full(ids.shape, 0.5, np.float32))


@pytest.fixture
def inputs(tmp_path):
    files = [tmp_path / f"images/{name}.png" for name in "abc"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        Image.new("RGB", (60, 40), "grey").save(file)
    return [Input(file, Path(file.stem)) for file in files]


@pytest.fixture
def run(tmp_path, inputs):
    """Predicts the inputs with a function for segmenting, and returns the log."""

    def predict(segment, given=inputs):
        out = tmp_path / "out"
        log = open_log(out, tmp_path / "m.keras", TAXONOMY, inputs=len(given))
        predictor = Predictor(segment=segment, taxonomy=TAXONOMY, out=out, probabilities=True)
        predict_all(given, predictor, log)
        return written(out)

    return predict


def written(out):
    return json.loads((out / LOG).read_text("utf-8"))


def files(out, kind):
    return sorted(file.name for file in (out / kind).rglob("*") if file.is_file())


def failing(error, on=2):
    """A function for segmenting that raises an error on the second image."""
    calls = []

    def segment(image):
        calls.append(image)
        if len(calls) == on:
            raise error
        return halves(image)

    return segment


def surer_on_the_right(image):
    """0.5 on the left quarter, 0.9 on the rest."""
    for part in halves(image[:, : image.shape[1] // 2]):
        share = 0.5 if part.columns.start == 0 else 0.9
        yield Part(part.rows, part.columns, part.ids, np.full(part.ids.shape, share, np.float32))
    ids = np.zeros((image.shape[0], image.shape[1] - image.shape[1] // 2), np.uint8)
    columns = slice(image.shape[1] // 2, image.shape[1])
    yield Part(slice(0, image.shape[0]), columns, ids, np.full(ids.shape, 0.9, np.float32))


def test_an_image_has_its_mean_confidence(run):
    assert [entry["confidence"] for entry in run(surer_on_the_right)["done"]] == [0.8] * 3


def test_the_parts_of_an_image_are_put_together(run, tmp_path):
    (entry, *_) = run(halves)["done"]
    assert (entry["classes"]["road"], entry["classes"]["sky"]) == (0.5, 0.5)
    label = np.asarray(Image.open(tmp_path / "out/labels/a.png"))
    assert (label[:, :30] == 0).all()
    assert (label[:, 30:] == 7).all()
    assert (np.asarray(Image.open(tmp_path / "out/probabilities/a.png")) == 128).all()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(36, "File name too long", "x.png"), "its name is too long"),
        (PermissionError(13, "Permission denied", "x.png"), "Permission denied: x.png"),
        (OSError("a device without a name"), "OSError: a device without a name"),
        (ValueError("first line\nsecond line"), "ValueError: first line second line"),
        (MemoryError(), "needs more memory than there is"),
        (StopIteration(), "StopIteration"),
        (RecursionError("deep"), "RecursionError: deep"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_an_input_raises_is_the_line_of_that_input(
    run, inputs, tmp_path, capsys, error, reason
):
    log = run(failing(error))
    assert [Path(entry["input"]).stem for entry in log["done"]] == ["a", "c"]
    ((failed, message),) = log["failed"].items()
    assert failed == str(inputs[1].file)
    assert message.startswith(f"{failed}: ")
    assert reason in message
    assert "\n" not in message
    assert f"Error: {message}\n" in capsys.readouterr().err
    for kind in ("labels", "overlays", "probabilities"):
        assert files(tmp_path / "out", kind) == ["a.png", "c.png"]


def test_an_input_whose_outputs_cannot_be_written_leaves_none(run, inputs, tmp_path):
    taken = tmp_path / "out/overlays/b.png"
    run(halves)
    for kind in ("labels", "overlays"):
        (tmp_path / f"out/{kind}/b.png").unlink()
    taken.mkdir()
    (taken / "x").write_text("x")
    long = Input(inputs[0].file, Path("n" * 260))
    log = run(halves, [*inputs, long, inputs[0]])
    assert [*log["failed"]] == [str(inputs[1].file), str(long.file)]
    assert "its name is too long" in log["failed"][str(long.file)]
    assert not (tmp_path / "out/labels/b.png").exists()
    assert len(log["done"]) == 3
    assert not [*(tmp_path / "out").rglob("*.partial")]


def test_the_log_is_written_as_it_goes(run, tmp_path):
    seen = []

    def segment(image):
        log = written(tmp_path / "out")
        seen.append((log["inputs"], len(log["done"]), len(log["failed"])))
        if len(seen) == 2:
            raise ValueError("bad")
        return halves(image)

    run(segment)
    assert seen == [(3, 0, 0), (3, 1, 0), (3, 1, 1)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_ends_the_run_and_the_log_has_what_is_done(run, tmp_path, error):
    with pytest.raises(error):
        run(failing(error(), on=3))
    log = written(tmp_path / "out")
    assert (log["inputs"], len(log["done"]), log["failed"]) == (3, 2, {})
    assert files(tmp_path / "out", "labels") == ["a.png", "b.png"]


MEASURE = """
import sys
from pathlib import Path
from roadshift.inference.tiles import TiledSegmenter
from roadshift.inference.trained_network import load_trained_network
from roadshift.prediction.inputs import Input
from roadshift.prediction.predictor import Predictor

def peak():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])

model, out, *files = sys.argv[1:]
trained = load_trained_network(Path(model))
segmenter = TiledSegmenter(trained.network, trained.inference)
predictor = Predictor(
    segment=segmenter.parts, taxonomy=trained.taxonomy, out=Path(out),
    cityscapes=True, probabilities=True,
)
for file in files:
    predictor.predict(Input(Path(file), Path(Path(file).stem)))
    print(peak())
"""
BYTES_A_PIXEL = 12
"""Bound on the memory for each pixel of an image, as docs/how-to/use-a-network.md states it."""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("size", [(10000, 6000), (24000, 1500)], ids=["large", "panorama"])
def test_memory_grows_by_a_few_bytes_a_pixel(colour_network, tmp_path, size):
    blocks = np.random.default_rng(1).integers(0, 2, (60, 60, 3)) * 255
    names, small = [], (2000, 1500)
    # The first image warms up: what TensorFlow keeps after it is not what an image takes.
    for number, (width, height) in enumerate((small, small, size)):
        names.append(tmp_path / f"{number}.png")
        image = Image.fromarray(blocks.astype(np.uint8)).resize((width, height), 0)
        image.save(names[-1], compress_level=1)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, colour_network, tmp_path / "out", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, before, peak = map(int, done.stdout.split())
    assert (peak - before) / (np.prod(size) - np.prod(small)) < BYTES_A_PIXEL
    # TensorFlow, and tiles of two megapixels.
    assert before < 2**31
