import numpy as np
import pytest
import tensorflow as tf

from roadshift.inference.resizing import limit_height, resize_to_stride


def fitted(height, width, max_height):
    label = np.random.default_rng(0).choice([0, 3, 10, 255], (height, width)).astype(np.uint8)
    image = np.dstack([label] * 3)
    result = limit_height(tf.constant(image), tf.constant(label), max_height)
    return image, label, result[0].numpy(), result[1].numpy()


@pytest.mark.parametrize("max_height", [0, 20, 21])
def test_an_image_low_enough_stays_as_it_is(max_height):
    image, label, new_image, new_label = fitted(20, 30, max_height)
    assert (new_image == image).all()
    assert (new_label == label).all()


def test_a_tall_image_keeps_its_shape():
    # 375×1242, KITTI's, at 256 rows: 1242 * 256 / 375 = 847.9.
    _, _, image, label = fitted(375, 1242, 256)
    assert image.shape == (256, 848, 3)
    assert label.shape == (256, 848)
    assert image.dtype == label.dtype == np.uint8
    assert set(np.unique(label)) == {0, 3, 10, 255}


def test_the_smaller_image_is_the_mean_and_the_smaller_label_a_pixel():
    label = np.kron(np.arange(16).reshape(4, 4), np.ones((2, 2))).astype(np.uint8)
    image = np.dstack([label * 10] * 3)
    new_image, new_label = limit_height(tf.constant(image), tf.constant(label), 4)
    assert (new_label.numpy() == np.arange(16).reshape(4, 4)).all()
    # The kernel, widened to two pixels a side, reaches a quarter into each neighbour.
    inner = new_image.numpy()[1:3, 1:3, 0]
    assert (inner == 10 * np.arange(16).reshape(4, 4)[1:3, 1:3]).all()


def test_the_mean_is_rounded_to_the_nearest():
    image = np.zeros((2, 4, 3), np.uint8)
    image[:, 2:] = [[5], [9]]
    small, _ = limit_height(tf.constant(image), tf.constant(image[..., 0]), 1)
    exact = tf.image.resize(image.astype(np.float32), (1, 2), antialias=True).numpy()
    assert exact[0, 0, 0] == pytest.approx(5 / 7)  # the kernel reaches the third column
    assert (small.numpy() == np.rint(exact)).all()


def test_an_image_is_averaged_as_a_network_takes_it_smaller():
    # Stripes as fine as a pixel are grey at a third of the size, not black and white.
    image = np.zeros((96, 96, 3), np.uint8)
    image[:, ::2] = 255
    small = resize_to_stride(image, 32)
    assert small.shape == (32, 32, 3)
    assert np.abs(small[:, 1:-1] - 127.5).max() < 30


def test_a_very_narrow_image_keeps_a_column():
    _, _, image, label = fitted(100, 2, 10)
    assert image.shape == (10, 1, 3)
    assert label.shape == (10, 1)


@pytest.mark.parametrize(
    ("size", "max_height", "scale", "fitted"),
    [
        ((360, 480), 0, 1.0, (352, 480)),
        ((375, 1242), 384, 1.0, (384, 1248)),
        ((1024, 2048), 384, 1.0, (384, 768)),
        ((720, 960), 384, 0.75, (288, 384)),
        ((720, 960), 384, 1.5, (576, 768)),
        ((1, 1), 0, 1.0, (32, 32)),
    ],
)
def test_an_image_is_resized_to_the_nearest_size_that_a_network_takes(
    size, max_height, scale, fitted
):
    image = resize_to_stride(np.full((*size, 3), 7, np.uint8), max_height, scale)
    assert image.shape == (*fitted, 3)
    np.testing.assert_allclose(image, 7, rtol=1e-6)


def test_pixels_of_an_image_that_fits_stay_as_they_are():
    image = np.random.default_rng(5).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    np.testing.assert_array_equal(resize_to_stride(image, 64), image)
