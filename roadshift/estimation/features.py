"""One vector an image: the mean of a network's coarsest features."""

import keras
import numpy as np
import tensorflow as tf

from roadshift.inference.resizing import resize_to_stride
from roadshift.networks.decoder import Classifier
from roadshift.networks.encoders import PREFIX

_SIDE = 256


class ImageFeatures:
    """Computes the features of images: what the encoder sees in them, averaged over the image."""

    def __init__(self, network: keras.Model, max_height: int, max_pixels: int = 2**21) -> None:
        """Compiles the function.

        Args:
            network: network that is run in inference mode.
            max_height: height limit of the images in pixels; 0 for none.
            max_pixels: limit on the pixels of an image; a larger one is scaled down to it.
        """
        model = keras.Model(network.inputs, coarsest_layer(network).output)

        @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)])
        def features(image: tf.Tensor) -> tf.Tensor:
            size = tf.cast(tf.shape(image)[:2], tf.float32)
            height = tf.minimum(size[0], float(max_height)) if max_height else size[0]
            pixels = height * height * size[1] / size[0]
            scale = tf.minimum(1.0, tf.sqrt(max_pixels / pixels))
            fitted = resize_to_stride(image, max_height, scale)
            return tf.reduce_mean(model(fitted[tf.newaxis], training=False)[0], [0, 1])

        self._features = features

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Returns the features of an image, uint8 RGB (H, W, 3), as float32 (channels,)."""
        return self._features(image).numpy()


def coarsest_layer(network: keras.Model) -> keras.layers.Layer:
    """Returns the last layer of the encoder; of a network without one, its coarsest layer."""
    encoder = [layer for layer in network.layers if layer.name.startswith(PREFIX)]
    if encoder:
        return encoder[-1]
    before = []
    for layer in network.layers:
        if isinstance(layer, Classifier):
            break
        before.append(layer)
    layers = [layer for layer in before if len(layer.output.shape) == 4] or network.layers[:1]
    outputs = keras.Model(network.inputs, [layer.output for layer in layers])
    spec = outputs.compute_output_spec(keras.KerasTensor((1, _SIDE, _SIDE, 3)))
    heights = [int(each.shape[1]) for each in (spec if isinstance(spec, list) else [spec])]
    return layers[max(k for k, height in enumerate(heights) if height == min(heights))]
