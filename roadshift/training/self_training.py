"""Self-training on a domain without labels: DACS, with a teacher of averaged weights."""

from typing import NamedTuple

import keras
import tensorflow as tf

from roadshift.records.pipeline import TO_GUESS
from roadshift.training.settings import SelfTrainingSettings


class Unlabelled(NamedTuple):
    """A batch of `roadshift.records.pipeline.unlabelled_batches`."""

    weak: tf.Tensor
    """float32 (N, H, W, 3) in 0..255, for the teacher."""
    shown: tf.Tensor
    """bool (N, H, W), whether a pixel of these is the picture's."""
    mixed: tf.Tensor
    """The same crops with classes of a labelled picture pasted in, as the network sees them."""
    labels: tf.Tensor
    """uint8 (N, H, W), theirs: a class where it is given, `TO_GUESS` where it is not."""


class Guessed(NamedTuple):
    """The labels of mixed pictures, in part given and in part guessed."""

    labels: tf.Tensor
    """uint8 (N, H, W), `IGNORE_ID` where a pixel does not count."""
    confidence: tf.Tensor
    """float32 (N, H, W) in 0..1: 1 where the label is given, else how far the guess is trusted."""


class SelfTraining:
    """Domain adaptation via cross-domain mixed sampling (DACS).

    A teacher, whose weights are the exponential moving average of the network's, labels the
    pictures. Half of the classes of a labelled picture are pasted into each, label and all
    (ClassMix), and the mixture is augmented as a whole. What the teacher said counts as much as
    the share of the picture that it is surer of than a threshold; what was pasted counts in full
    (Tranheden et al. 2021, https://arxiv.org/abs/2007.08702).

    The teacher normalizes by its moving statistics, as it would when it is scored. Its decay is
    min(ema, (1 + t) / (10 + t)) in step t = 1, 2, …, so that it soon forgets how it began.
    """

    def __init__(
        self, network: keras.Model, teacher: keras.Model, settings: SelfTrainingSettings
    ) -> None:
        """Makes the teacher a copy of the network.

        Args:
            network: what is trained.
            teacher: built as the network was; it is changed.
            settings: the loss's weight, which the loop applies, threshold, decay and warm-up.
        """
        self.weight = settings.weight
        self._settings = settings
        self._teacher = teacher
        teacher.set_weights(network.get_weights())
        self._pairs = list(zip(teacher.weights, network.weights, strict=True))
        self._step = tf.Variable(0.0, trainable=False)

    def warmup_steps(self, steps_per_epoch: int) -> int:
        """How many steps come first that only the teacher learns from."""
        return round(self._settings.warmup_epochs * steps_per_epoch)

    @property
    def variables(self) -> list[tf.Variable]:
        """All that `update` changes."""
        return [self._step, *(mine.value for mine, _ in self._pairs)]

    def update(self) -> None:
        """Takes the network's weights, after a step, into the teacher's average."""
        self._step.assign_add(1.0)
        decay = tf.minimum(self._settings.ema, (1 + self._step) / (10 + self._step))
        for mine, others in self._pairs:
            mine.assign(mine + (1 - decay) * (others - mine))

    def label(self, unlabelled: Unlabelled) -> Guessed:
        """Labels mixed pictures by the teacher, where they show the picture without labels."""
        logits = self._teacher(unlabelled.weak, training=False)
        sure = tf.exp(tf.reduce_max(logits, -1) - tf.reduce_logsumexp(logits, -1))
        shown = tf.cast(unlabelled.shown, tf.float32)
        sure_pixels = tf.cast(sure > self._settings.threshold, tf.float32) * shown
        trust = tf.math.divide_no_nan(
            tf.reduce_sum(sure_pixels, [1, 2], keepdims=True),
            tf.reduce_sum(shown, [1, 2], keepdims=True),
        )
        to_guess = tf.equal(unlabelled.labels, TO_GUESS)
        guess = tf.cast(tf.argmax(logits, -1), tf.uint8)
        return Guessed(tf.where(to_guess, guess, unlabelled.labels), tf.where(to_guess, trust, 1.0))
