"""The U-Net of the course "Automated and Connected Driving Challenges", for comparison.

Its architecture is the one of the assignment on semantic image segmentation: five levels of two
3x3 convolutions with bias, ReLU, then batch normalization; max pooling down, transposed 3x3
convolutions up, skip connections by concatenation, dropout after pooling and concatenation, and a
3x3 convolution as classifier. Two things differ: the logits have no ReLU, which would rule out
evidence against a class, and the momentum of batch normalization suits short schedules.

References:
    Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015.
"""

from collections.abc import Iterator

import keras

from roadshift.networks.batch_norm import BatchNormalization
from roadshift.networks.encoders import PREFIX

_LEVELS = 5


def unet(
    images: keras.KerasTensor, *, base_filters: int, dropout: float, seeds: Iterator[int]
) -> keras.KerasTensor:
    """Builds the network up to its classifier.

    Args:
        images: (N, H, W, 3), RGB in 0..255.
        base_filters: number of filters of the first level; each further level doubles it.
        dropout: share of the features zeroed at each of the eight dropouts in training, 0..1.
        seeds: seeds of the initial kernels and of dropout; each layer takes the next one.

    Returns:
        Features (N, H, W, base_filters).
    """

    def initializer() -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=next(seeds))

    def drop(features: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return keras.layers.Dropout(dropout, seed=next(seeds), name=f"{name}_dropout")(features)

    def convolve_twice(features: keras.KerasTensor, name: str, filters: int) -> keras.KerasTensor:
        for number in range(2):
            features = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=initializer(),
                name=f"{name}_convolution{number}",
            )(features)
            features = BatchNormalization(name=f"{name}_norm{number}")(features)
        return features

    features = keras.layers.Rescaling(1.0 / 255.0, name="scale_images")(images)
    skipped = []
    for level in range(_LEVELS):
        name = f"{PREFIX}level{level}"
        if level > 0:
            features = keras.layers.MaxPooling2D(2, name=f"{name}_pool")(features)
            features = drop(features, name)
        features = convolve_twice(features, name, base_filters * 2**level)
        skipped.append(features)
    for level in reversed(range(_LEVELS - 1)):
        name = f"decoder_level{level}"
        features = keras.layers.Conv2DTranspose(
            base_filters * 2**level,
            3,
            strides=2,
            padding="same",
            kernel_initializer=initializer(),
            name=f"{name}_up",
        )(features)
        features = keras.layers.Concatenate(name=f"{name}_skip")([skipped[level], features])
        features = drop(features, name)
        features = convolve_twice(features, name, base_filters * 2**level)
    return features
