"""Self-training on a domain without labels: DACS, with a teacher of averaged weights."""

from typing import NamedTuple

import keras
import tensorflow as tf

from roadshift.input_pipeline.batches import PSEUDO_LABEL_ID
from roadshift.training.adapt_settings import SelfTrainingSettings


class UnlabelledBatch(NamedTuple):
    """A batch of `roadshift.input_pipeline.batches.unlabelled_batches`.

    Attributes:
        weak: float32 (N, H, W, 3) in 0..255, crops for the teacher.
        shown: bool (N, H, W), whether a pixel of `weak` lies inside the image.
        mixed: float32 (N, H, W, 3) in 0..255, crops for the network: the same ones with classes of
            a labelled image pasted in.
        labels: uint8 (N, H, W), labels of `mixed`: a class where one is pasted, `IGNORE_ID` where a
            pixel does not count, `PSEUDO_LABEL_ID` elsewhere.
    """

    weak: tf.Tensor
    shown: tf.Tensor
    mixed: tf.Tensor
    labels: tf.Tensor


class PseudoLabels(NamedTuple):
    """The labels of mixed images: pasted labels and pseudo-labels.

    Attributes:
        labels: uint8 (N, H, W), `IGNORE_ID` where a pixel does not count.
        confidence: float32 (N, H, W) in 0..1, weight of the label; 1 for a pasted one.
    """

    labels: tf.Tensor
    confidence: tf.Tensor


class SelfTraining:
    """Domain adaptation via cross-domain mixed sampling (DACS).

    A teacher, whose weights are the exponential moving average of the network's, labels the
    images. Half of the classes of a labelled image are pasted into each, label and all
    (ClassMix), and the mixture is augmented as a whole. Pseudo-labels are weighted by the share of
    the image's pixels whose confidence exceeds the threshold; pasted labels have weight 1
    (Tranheden et al. 2021, https://arxiv.org/abs/2007.08702).

    The teacher normalizes by its moving statistics, as it would when it is scored. Its decay is
    min(teacher_ema_decay, (1 + t) / (10 + t)) in step t = 1, 2, …, so that it soon forgets its
    first weights. `roadshift.training.ema` has the same warm-up, but averages other variables.
    """

    def __init__(
        self, network: keras.Model, teacher: keras.Model, settings: SelfTrainingSettings
    ) -> None:
        """Makes the teacher a copy of the network.

        Args:
            network: the network to train.
            teacher: a network that was built in the same way; its weights are changed.
            settings: weight of the loss, which the loop applies, threshold, decay and warm-up.
        """
        self.weight = settings.weight
        self._settings = settings
        self._teacher = teacher
        teacher.set_weights(network.get_weights())
        self._pairs = list(zip(teacher.weights, network.weights, strict=True))
        self._step = tf.Variable(0.0, trainable=False)

    def warmup_steps(self, steps_per_epoch: int) -> int:
        """Returns the number of first steps without pseudo-labels; the teacher averages in them."""
        return round(self._settings.warmup_epochs * steps_per_epoch)

    @property
    def variables(self) -> list[tf.Variable]:
        """The variables that `update` changes."""
        return [self._step, *(mine.value for mine, _ in self._pairs)]

    def update(self) -> None:
        """Adds the network's weights after a step to the teacher's average."""
        self._step.assign_add(1.0)
        decay = tf.minimum(self._settings.teacher_ema_decay, (1 + self._step) / (10 + self._step))
        for mine, others in self._pairs:
            mine.assign(mine + (1 - decay) * (others - mine))

    def label(self, unlabelled: UnlabelledBatch) -> PseudoLabels:
        """Adds the teacher's pseudo-labels where mixed images show the unlabelled image."""
        logits = self._teacher(unlabelled.weak, training=False)
        sure = tf.exp(tf.reduce_max(logits, -1) - tf.reduce_logsumexp(logits, -1))
        shown = tf.cast(unlabelled.shown, tf.float32)
        sure_pixels = tf.cast(sure > self._settings.threshold, tf.float32) * shown
        trust = tf.math.divide_no_nan(
            tf.reduce_sum(sure_pixels, [1, 2], keepdims=True),
            tf.reduce_sum(shown, [1, 2], keepdims=True),
        )
        missing = tf.equal(unlabelled.labels, PSEUDO_LABEL_ID)
        predicted = tf.cast(tf.argmax(logits, -1), tf.uint8)
        return PseudoLabels(
            tf.where(missing, predicted, unlabelled.labels), tf.where(missing, trust, 1.0)
        )
