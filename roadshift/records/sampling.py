"""Which picture is drawn: one that shows a rare class, or a partner to mix with."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from roadshift.records.index import PictureIndex, join


def class_probabilities(pixels: Sequence[int], temperature: float) -> np.ndarray:
    """How often rare-class sampling draws each class.

    P(c) = exp((1 - f_c) / T) / Σ exp((1 - f_c') / T), as in DAFormer
    (https://arxiv.org/abs/2111.14887), with f_c the share of the labelled pixels that are of
    class c. A class without any is never drawn. The lower T, the rarer what is drawn.

    Args:
        pixels: of each class, one of them > 0.
        temperature: T > 0.

    Returns:
        float64 (classes,), its sum 1.
    """
    counts = np.asarray(pixels, np.float64)
    exponent = (1 - counts / counts.sum()) / temperature
    weights = np.where(counts > 0, np.exp(exponent - exponent[counts > 0].max()), 0.0)
    return weights / weights.sum()


def rare_class_draw(index: PictureIndex, temperature: float) -> Callable[[tf.Tensor], tf.Tensor]:
    """Draws of pictures that show a class drawn by `class_probabilities`.

    Args:
        index: the pictures, one of them with a labelled pixel.
        temperature: T > 0.

    Returns:
        A function of two draws, float32 [2] in 0..1 (1 excluded), to the number of a picture in
        the index, int64: the first chooses the class, the second a picture among those that show
        it on at least one pixel, each as likely.
    """
    probabilities = class_probabilities(index.pixels.sum(axis=0).tolist(), temperature)
    classes = np.flatnonzero(probabilities)
    members = [np.flatnonzero(index.pixels[:, c]) for c in classes]
    counts = np.array([len(pictures) for pictures in members])
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
    own: PictureIndex, others: Sequence[PictureIndex]
) -> tuple[PictureIndex, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]]:
    """Draws of partners: of another source, each as likely, or else of the same source.

    Args:
        own: the pictures of the sample's source.
        others: those of the other sources, each with at least one.

    Returns:
        The candidates, and a function of a draw, float32 in 0..1 (1 excluded), and the sample's
        id to the number of a candidate, int64. Where the partner is of the same source it is
        another picture, unless there is none.
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
        # The last picture is not among those drawn from: it stands in for the sample itself.
        itself = tf.gather(tf.constant(own.ids), number) == sample_id
        return tf.where(itself, tf.constant(last, tf.int64), number)

    return candidates, draw


def _share(draw: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """The whole number in 0..count - 1 that a draw in 0..1 falls on."""
    return tf.minimum(tf.cast(draw * tf.cast(count, tf.float32), tf.int64), count - 1)
