import io
import itertools
import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format
from PIL import Image

from roadshift.errors import RoadshiftError
from roadshift.networks.architectures import ENCODERS
from roadshift.networks.batch_norm import ConvBatchNorm, batch_norms
from roadshift.networks.build import build_network
from roadshift.networks.encoders import encode
from roadshift.networks.imagenet import checkpoint_file, load_efficientnet_lite
from roadshift.networks.settings import ModelSettings
from roadshift.networks.torch_checkpoint import read_torch_checkpoint

# traffic light, cab, minivan, station wagon
STREET = (920, 468, 656, 436)
MIRROR = os.environ.get("ROADSHIFT_MIRROR", "")


def street_scenes(archive, folder, step):
    with zipfile.ZipFile(archive) as pack:
        names = sorted(n for n in pack.namelist() if folder in n and n.endswith(".png"))[::step]
        for name in names:
            image = Image.open(io.BytesIO(pack.read(name))).convert("RGB")
            side = min(image.size)
            left, top = ((length - side) // 2 for length in image.size)
            square = image.crop((left, top, left + side, top + side))
            yield np.asarray(square.resize((224, 224), Image.Resampling.BICUBIC), np.float32)


def build_imagenet_classifier(encoder):
    """An EfficientNet-Lite with its head: images (N, H, W, 3) to logits (N, 1000) of ImageNet.

    It proves that the encoder's weights are read correctly: wrong ones still train, only worse.
    """
    images = keras.Input((None, None, 3))
    architecture = ENCODERS[encoder].architecture
    assert architecture is not None
    *_, features = encode(images, architecture, seeds=itertools.count(), frozen_batch_norm=True)
    head, classes = ConvBatchNorm(1280, 1), keras.layers.Dense(1000)
    pooled = keras.layers.GlobalAveragePooling2D()(head(features))
    network = keras.Model(images, classes(pooled), name=encoder)
    load_efficientnet_lite(network)
    tensors = read_torch_checkpoint(checkpoint_file(encoder))
    kernel = tensors["_conv_head.weight"].transpose(2, 3, 1, 0)
    norm = [tensors[f"_bn1.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    head.set_weights([kernel, *norm])
    classes.set_weights([tensors["_fc.weight"].T, tensors["_fc.bias"]])
    return network


@pytest.mark.parametrize("encoder", ["efficientnet_lite0", "efficientnet_lite2"])
@pytest.mark.parametrize(
    ("archive", "folder"),
    [("data_semantics.zip", "training/image_2/"), ("camvid.zip", "CamVid/test/")],
)
@pytest.mark.real_data
def test_street_scenes_are_classified_as_such(archive, folder, encoder):
    path = Path(MIRROR) / archive
    if not MIRROR or not path.is_file():
        pytest.skip(f"the environment variable ROADSHIFT_MIRROR names no folder with {archive}")
    images = np.stack(list(street_scenes(path, folder, 5)))
    logits = build_imagenet_classifier(encoder)(images).numpy()
    first_five = np.argsort(-logits, axis=1)[:, :5]
    hit = np.isin(first_five, STREET).any(axis=1)
    # By chance it would be 1 in 50: four classes of 1000, five guesses.
    assert hit.mean() >= 0.75


def smooth_noise():
    """Random images whose spectrum is about that of natural images."""
    generator = np.random.default_rng(0)
    total = np.zeros((4, 224, 224, 3), np.float32)
    for side, weight in [(4, 1.0), (14, 0.7), (56, 0.4), (112, 0.2)]:
        noise = generator.normal(0.0, 60.0 * weight, (4, side, side, 1)).astype(np.float32)
        total += tf.image.resize(noise, (224, 224), method="bicubic").numpy()
    return np.clip(total + 115.0, 0.0, 255.0)


@pytest.mark.parametrize(
    ("encoder", "count"), [("efficientnet_lite0", 48), ("efficientnet_lite2", 63)]
)
def test_kernels_fit_the_statistics_that_follow_them(encoder, count):
    # The moving means are those of ImageNet's features. A kernel whose axes or strides were read
    # wrongly gives features with other means, from its layer on.
    settings = ModelSettings(encoder=encoder, frozen_batch_norm=False, decoder_channels=8)
    network = build_network(settings, ("road",))
    norms = batch_norms(network)[:count]
    stored = [norm.moving_mean.numpy() for norm in norms]
    network(smooth_noise(), training=True)
    for norm, before in zip(norms, stored, strict=True):
        batch = (norm.moving_mean.numpy() - 0.9 * before) / 0.1
        assert np.corrcoef(before, batch)[0, 1] > 0.9


@pytest.mark.slow
def test_mobilenet_v2_computes_what_keras_does(tmp_path):
    reference = keras.applications.MobileNetV2((64, 96, 3), include_top=False, weights=None)
    generator = np.random.default_rng(0)
    for variable in reference.weights:
        if variable.name == "moving_variance":
            variable.assign(generator.uniform(0.5, 2.0, variable.shape))
        elif variable.name in ("beta", "moving_mean"):
            variable.assign(generator.normal(0.0, 0.1, variable.shape))
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, reference)
    settings = ModelSettings(encoder="mobilenet_v2", weights=str(path), decoder_channels=16)
    network = build_network(settings, ("road", "sky"))
    images = generator.uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)

    def outputs(model, names, inputs):
        features = [model.get_layer(name).output for name in names]
        return keras.Model(model.input, features)(inputs)

    ours = ["encoder_block2_add", "encoder_block5_add", "encoder_block12_add"]
    theirs = [name.removeprefix("encoder_").replace("block", "block_") for name in ours]
    computed = outputs(network, [*ours, "encoder_block16_project"], images)
    expected = outputs(reference, [*theirs, "block_16_project_BN"], images / 127.5 - 1.0)
    for one, other in zip(computed, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_a_file_that_is_not_mobilenets_is_refused(tmp_path):
    path = tmp_path / "wrong.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(RoadshiftError, match=r"wrong\.h5: not MobileNetV2's weights"):
        build_network(ModelSettings(encoder="mobilenet_v2", weights=str(path)), ("road",))
