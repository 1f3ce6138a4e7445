"""The policy: the operations that are switched on, chained into one function for `Dataset.map`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import tensorflow as tf

# Importing the modules of operations is what fills the registry.
from roadshift.augment import geometric, photometric, regions, transfer, weather  # noqa: F401
from roadshift.augment.keys import draw_uniform, operation_key
from roadshift.augment.registry import (
    COVER_OPS,
    FRAME_OPS,
    IMAGE_OPS,
    MIX_OPS,
    PAIR_OPS,
    TRANSFER_OPS,
    WEATHER_OPS,
    Frame,
    ImageOp,
    Pair,
)
from roadshift.augment.settings import AugmentSettings

Operation = TypeVar("Operation")
# Whether something is done: a bool scalar, or True where that is known beforehand.
Chance: TypeAlias = Any


@dataclass(frozen=True)
class Policy:
    """A pure function that augments one sample; made by `build_policy`."""

    settings: AugmentSettings
    crop_height: int
    crop_width: int

    def __call__(
        self,
        image: tf.Tensor,
        label: tf.Tensor,
        key: tf.Tensor,
        partner: Callable[[], Pair] | None = None,
    ) -> Pair:
        """Augments a sample.

        H and W may differ from sample to sample. With all strengths 0 the centre is cut and no
        value changed.

        Args:
            image: uint8 (H, W, 3).
            label: uint8 (H, W).
            key: int32 or int64 [2], see `roadshift.augment.keys.sample_key`.
            partner: returns image and label, of the same types, of the picture to mix with. It
                is called inside `tf.cond`, only for samples that `draw_partner` wants one for.

        Returns:
            Image float32 (crop_height, crop_width, 3) in 0..255 and label uint8
            (crop_height, crop_width), with static shapes.

        Raises:
            tf.errors.InvalidArgumentError: image and label differ in size.
            ValueError: the policy takes partners, and there is none.
        """
        # Not of the partner, too: under op determinism tf.data runs a function with an assertion
        # inside a condition on one sample at a time.
        tf.debugging.assert_equal(
            tf.shape(image)[:2], tf.shape(label), "image and label differ in size"
        )
        image, label = self._crop(image, label, key)
        if self.takes_partners:
            if partner is None:
                raise ValueError("this policy mixes pictures: it needs a partner")
            fetch, crop = partner, (image, label)
            image, label = _when(
                self._any_applied(key),
                lambda: self._mixed(*crop, *self._partner_crop(fetch, key), key),
                crop,
            )
        weather_ops, image_ops = self._on(WEATHER_OPS), self._on(IMAGE_OPS)
        image = self._applied_to(image, key, weather_ops, self.settings.weather_probability)
        image = self._applied_to(image, key, image_ops, self.settings.photometric_probability)
        transfer_ops = self._on(TRANSFER_OPS)
        if transfer_ops or weather_ops or image_ops:
            image = tf.clip_by_value(image, 0.0, photometric.FULL_RANGE)
        for name, (cover_op, strength) in self._on(COVER_OPS).items():
            image, label = cover_op(image, label, operation_key(key, name), strength)
        return (
            tf.ensure_shape(image, (self.crop_height, self.crop_width, 3)),
            tf.ensure_shape(label, (self.crop_height, self.crop_width)),
        )

    @property
    def takes_partners(self) -> bool:
        """Whether any operation that is switched on needs another picture."""
        return bool(self._on(TRANSFER_OPS)) or bool(self._on(MIX_OPS))

    def draw_partner(self, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws whether a sample needs a partner, and which.

        Returns:
            A bool scalar, and a float32 scalar in 0..1 (1 excluded): the partner's place in a
            list of candidates.
        """
        wanted = tf.convert_to_tensor(self._any_applied(key))
        return wanted, draw_uniform(operation_key(key, "partner"), 0.0, 1.0)

    def _on(self, kind: Mapping[str, Operation]) -> dict[str, tuple[Operation, float]]:
        """The operations of a kind that are switched on, with their strengths."""
        strengths = {name: getattr(self.settings, name) for name in kind}
        return {name: (kind[name], value) for name, value in strengths.items() if value > 0}

    def _crop(self, image: tf.Tensor, label: tf.Tensor, key: tf.Tensor) -> Pair:
        frame = Frame()
        for name, (frame_op, strength) in self._on(FRAME_OPS).items():
            frame = frame_op(frame, operation_key(key, name), strength)
        image, label = geometric.cut_frame(image, label, frame, self.crop_height, self.crop_width)
        for name, (pair_op, strength) in self._on(PAIR_OPS).items():
            image, label = pair_op(image, label, operation_key(key, name), strength)
        return image, label

    def _partner_crop(self, partner: Callable[[], Pair], key: tf.Tensor) -> Pair:
        return self._crop(*partner(), operation_key(key, "partner.crop"))

    def _chances(self, key: tf.Tensor) -> dict[str, Chance]:
        """By operation that takes a partner, whether it is applied to the sample."""
        shares = dict.fromkeys(self._on(TRANSFER_OPS), self.settings.transfer_probability)
        shares |= {name: strength for name, (_, strength) in self._on(MIX_OPS).items()}
        return {name: _chance(key, name, share) for name, share in shares.items()}

    def _any_applied(self, key: tf.Tensor) -> Chance:
        chances = list(self._chances(key).values())
        return True if any(c is True for c in chances) else tf.reduce_any(tf.stack(chances))

    def _mixed(
        self,
        image: tf.Tensor,
        label: tf.Tensor,
        other_image: tf.Tensor,
        other_label: tf.Tensor,
        key: tf.Tensor,
    ) -> Pair:
        chances = self._chances(key)
        for name, (transfer_op, strength) in self._on(TRANSFER_OPS).items():
            arguments = (image, other_image, operation_key(key, name), strength)
            image = _when(chances[name], _call(transfer_op, *arguments), image)
        for name, (mix_op, _) in self._on(MIX_OPS).items():
            operands = (image, label, other_image, other_label, operation_key(key, name))
            image, label = _when(chances[name], _call(mix_op, *operands), (image, label))
        return image, label

    @staticmethod
    def _applied_to(
        image: tf.Tensor,
        key: tf.Tensor,
        operations: Mapping[str, tuple[ImageOp, float]],
        probability: float,
    ) -> tf.Tensor:
        for name, (operation, strength) in operations.items():
            act = _call(operation, image, operation_key(key, name), strength)
            image = _when(_chance(key, name, probability), act, image)
        return image


def build_policy(settings: AugmentSettings, crop_height: int, crop_width: int) -> Policy:
    """Builds the function that augments one sample.

    A sample's key alone decides what is done to it. Operations that are off are left out of the
    graph, and so are the draws of a probability of 1.

    Args:
        settings: a strength an operation, and the probabilities of the families.
        crop_height: rows of every result, > 0.
        crop_width: columns of every result, > 0.

    Raises:
        ValueError: the crop is empty.
    """
    if crop_height < 1 or crop_width < 1:
        raise ValueError(f"crop of {crop_height}×{crop_width} pixels: both sides must be positive")
    return Policy(settings, crop_height, crop_width)


def weak_and_strong(
    settings: AugmentSettings, crop_height: int, crop_width: int
) -> tuple[Policy, Policy]:
    """The two policies of self-training: of a sample with one key both show the same crop.

    Args:
        settings: of the training.
        crop_height: rows of every result, > 0.
        crop_width: columns of every result, > 0.

    Returns:
        One that places the crop and mirrors it and does no more; and one that then mixes it with
        a partner by ClassMix, always, and does all the rest to the mixture, as DACS does: what is
        pasted must not be told by its colours.
    """
    alone = dict.fromkeys((*TRANSFER_OPS, *MIX_OPS), 0.0)
    plain = dict.fromkeys((*WEATHER_OPS, *IMAGE_OPS, *COVER_OPS), 0.0) | alone
    weak, strong = (settings.model_copy(update=u) for u in (plain, alone | {"classmix": 1.0}))
    return (
        build_policy(weak, crop_height, crop_width),
        build_policy(strong, crop_height, crop_width),
    )


def _chance(key: tf.Tensor, name: str, probability: float) -> Chance:
    """Draws whether an operation is applied, with a key apart from the operation's own."""
    if probability >= 1:
        return True
    return draw_uniform(operation_key(key, f"{name}.applied"), 0.0, 1.0) < probability


def _call(operation, *arguments):  # type: ignore[no-untyped-def]
    return lambda: operation(*arguments)


def _when(chance, act, unchanged):  # type: ignore[no-untyped-def]
    return act() if chance is True else tf.cond(chance, act, lambda: unchanged)
