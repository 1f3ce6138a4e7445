"""Random draws of images: one that shows a rare class, or a partner to mix with."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from roadshift.input_pipeline.index import ImageIndex, join


def class_probabilities(pixels: Sequence[int], temperature: float) -> np.ndarray:
    """Computes the probability that rare-class sampling draws each class.

    P(c) = exp((1 - f_c) / T) / Σ exp((1 - f_c') / T), as in DAFormer
    (https://arxiv.org/abs/2111.14887), with f_c the share of the labelled pixels that are of
    class c. A class without any is never drawn. The lower T, the rarer the classes
    that are drawn.

    Args:
        pixels: number of pixels of each class, one of them > 0.
        temperature: T > 0.

    Returns:
        float64 (classes,), its sum 1.
    """
    counts = np.asarray(pixels, np.float64)
    exponent = (1 - counts / counts.sum()) / temperature
    weights = np.where(counts > 0, np.exp(exponent - exponent[counts > 0].max()), 0.0)
    return weights / weights.sum()


def rare_class_draw(index: ImageIndex, temperature: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that draws images by rare-class sampling.

    Args:
        index: the images; at least one has a labelled pixel.
        temperature: T > 0 of `class_probabilities`.

    Returns:
        A function from two random numbers, float32 [2] in 0..1 (1 excluded), to the number of an
        image in the index, int64. The first chooses the class, the second an image among those
        with at least one pixel of it, each as likely.
    """
    probabilities = class_probabilities(index.pixels.sum(axis=0).tolist(), temperature)
    classes = np.flatnonzero(probabilities)
    members = [np.flatnonzero(index.pixels[:, c]) for c in classes]
    counts = np.array([len(numbers) for numbers in members])
    starts = np.cumsum(counts) - counts
    bounds = np.cumsum(probabilities[classes]).astype(np.float32)

    def draw(draws: tf.Tensor) -> tf.Tensor:
        passed = tf.searchsorted(tf.constant(bounds), draws[:1], side="right")[0]
        chosen = tf.minimum(passed, len(classes) - 1)
        place = tf.gather(tf.constant(starts), chosen) + _share(
            draws[1], tf.gather(tf.constant(counts), chosen)
        )
        return tf.gather(tf.constant(np.concatenate(members)), place)

    return draw


def partner_draw(
    own: ImageIndex, others: Sequence[ImageIndex]
) -> tuple[ImageIndex, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
    """Makes the function that draws partners: from the other sources, each as likely, if any.

    Args:
        own: the images of the sample's source.
        others: the images of the other sources, each with at least one. If there is no other
            source, partners are drawn from `own`.

    Returns:
        The candidates, and a function from a random number, float32 in 0..1 (1 excluded), and the
        sample's id to the number of a candidate, int64. A partner from the same source is another
        image, unless there is none.
    """
    candidates = join(list(others)) if others else own
    counts = np.array([len(index.ids) for index in others] or [max(len(own.ids) - 1, 1)])
    starts = np.cumsum(counts) - counts
    last = len(own.ids) - 1

    def draw(place: tf.Tensor, sample_id: tf.Tensor) -> tf.Tensor:
        scaled = place * len(counts)
        source = _share(place, tf.constant(len(counts), tf.int64))
        within = scaled - tf.cast(source, tf.float32)
        number = tf.gather(tf.constant(starts), source) + _share(
            within, tf.gather(tf.constant(counts), source)
        )
        if others:
            return number
        # The draw leaves out the last image, which takes the place of the sample itself.
        itself = tf.gather(tf.constant(own.ids), number) == sample_id
        return tf.where(itself, tf.constant(last, tf.int64), number)

    return candidates, draw


def _share(draw: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Maps a random number in 0..1 to an integer in 0..count - 1, each as likely."""
    return tf.minimum(tf.cast(draw * tf.cast(count, tf.float32), tf.int64), count - 1)
