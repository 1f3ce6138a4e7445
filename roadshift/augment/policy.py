"""The policy: the operations that are switched on, chained into one function for `Dataset.map`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import tensorflow as tf

# Importing the operations' modules fills the registry.
from roadshift.augment import geometric, photometric, regions, style_transfer, weather  # noqa: F401
from roadshift.augment.keys import draw_uniform, operation_key
from roadshift.augment.registry import (
    CropWindow,
    ImageAndLabel,
    Kind,
    Operation,
    operations_of,
)
from roadshift.augment.settings import AugmentSettings

# Whether an operation is applied: a bool scalar, or True if that is known beforehand.
Chance: TypeAlias = Any


@dataclass(frozen=True)
class Policy:
    """A pure function that augments one sample; made by `build_policy`.

    Attributes:
        settings: strength of each operation, and probability of each family.
        crop_height: rows of every result, > 0.
        crop_width: columns of every result, > 0.
    """

    settings: AugmentSettings
    crop_height: int
    crop_width: int

    def __call__(
        self,
        image: tf.Tensor,
        label: tf.Tensor,
        key: tf.Tensor,
        partner: Callable[[], ImageAndLabel] | None = None,
    ) -> ImageAndLabel:
        """Augments a sample.

        H and W may differ from sample to sample. With all strengths 0 the centre is cut and no
        value changes.

        Args:
            image: uint8 (H, W, 3).
            label: uint8 (H, W).
            key: int32 or int64 [2], see `roadshift.augment.keys.sample_key`.
            partner: function that returns the partner's image and label, of the same types. It is
                called inside `tf.cond`, only for samples for which `draw_partner` wants one.

        Returns:
            Image float32 (crop_height, crop_width, 3) in 0..255 and label uint8
            (crop_height, crop_width), with static shapes.

        Raises:
            tf.errors.InvalidArgumentError: image and label differ in size.
            ValueError: the policy takes partners, but none is given.
        """
        # The partner is not checked: under op determinism, tf.data runs a function with an
        # assertion inside a condition on one sample at a time.
        tf.debugging.assert_equal(
            tf.shape(image)[:2], tf.shape(label), "image and label differ in size"
        )
        image, label = self._crop(image, label, key)
        if self.takes_partners:
            if partner is None:
                raise ValueError("this policy mixes images: it needs a partner")
            fetch, crop = partner, (image, label)
            image, label = _when(
                self._any_applied(key),
                lambda: self._mixed(*crop, *self._partner_crop(fetch, key), key),
                crop,
            )
        weather_ops, image_ops = self._on("weather"), self._on("photometric")
        image = self._applied_to(image, key, weather_ops, self.settings.weather_probability)
        image = self._applied_to(image, key, image_ops, self.settings.photometric_probability)
        if weather_ops or image_ops or self._on("transfer"):
            image = tf.clip_by_value(image, 0.0, photometric.FULL_RANGE)
        for each, strength in self._on("occlusion"):
            image, label = each.apply(image, label, operation_key(key, each.stream), strength)
        return (
            tf.ensure_shape(image, (self.crop_height, self.crop_width, 3)),
            tf.ensure_shape(label, (self.crop_height, self.crop_width)),
        )

    @property
    def takes_partners(self) -> bool:
        """Whether any operation that is switched on needs another image."""
        return bool(self._on("transfer", "mix"))

    def draw_partner(self, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws whether a sample is mixed with a partner, and with which.

        Returns:
            A bool scalar, and the partner's index as a fraction of the list of candidates, a
            float32 scalar in 0..1 (1 excluded).
        """
        wanted = tf.convert_to_tensor(self._any_applied(key))
        return wanted, draw_uniform(operation_key(key, "partner"), 0.0, 1.0)

    def _on(self, *kinds: Kind) -> list[tuple[Operation, float]]:
        """Returns the operations of some kinds that are switched on, with their strengths."""
        strengths = [(each, getattr(self.settings, each.name)) for each in operations_of(*kinds)]
        return [(each, strength) for each, strength in strengths if strength > 0]

    def _crop(self, image: tf.Tensor, label: tf.Tensor, key: tf.Tensor) -> ImageAndLabel:
        window = CropWindow(label=label)
        for each, strength in self._on("crop"):
            window = each.apply(window, operation_key(key, each.stream), strength)
        image, label = geometric.cut_window(
            image, label, window, crop_height=self.crop_height, crop_width=self.crop_width
        )
        for each, strength in self._on("geometric"):
            image, label = each.apply(image, label, operation_key(key, each.stream), strength)
        return image, label

    def _partner_crop(self, partner: Callable[[], ImageAndLabel], key: tf.Tensor) -> ImageAndLabel:
        return self._crop(*partner(), operation_key(key, "partner.crop"))

    def _chances(self, key: tf.Tensor) -> dict[Operation, Chance]:
        """Draws, for each operation that takes a partner, whether it is applied to the sample."""
        shares = {each: self.settings.transfer_probability for each, _ in self._on("transfer")}
        shares |= dict(self._on("mix"))
        return {each: _chance(key, each, share) for each, share in shares.items()}

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
    ) -> ImageAndLabel:
        chances = self._chances(key)
        for each, strength in self._on("transfer"):
            arguments = (image, other_image, operation_key(key, each.stream), strength)
            image = _when(chances[each], _call(each.apply, *arguments), image)
        for each, _ in self._on("mix"):
            operands = (image, label, other_image, other_label, operation_key(key, each.stream))
            image, label = _when(chances[each], _call(each.apply, *operands), (image, label))
        return image, label

    @staticmethod
    def _applied_to(
        image: tf.Tensor,
        key: tf.Tensor,
        operations: Sequence[tuple[Operation, float]],
        probability: float,
    ) -> tf.Tensor:
        for each, strength in operations:
            act = _call(each.apply, image, operation_key(key, each.stream), strength)
            image = _when(_chance(key, each, probability), act, image)
        return image


def build_policy(settings: AugmentSettings, crop_height: int, crop_width: int) -> Policy:
    """Builds the function that augments one sample.

    A sample's key alone decides what is done to it. Operations that are off are left out of the
    graph, and so are the draws of a probability of 1.

    Args:
        settings: strength of each operation, and probability of each family.
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
    """Builds the two policies of self-training; with the same key both make the same crop.

    Args:
        settings: augmentation of the training.
        crop_height: rows of every result, > 0.
        crop_width: columns of every result, > 0.

    Returns:
        The weak policy only crops and flips. The strong one then always mixes the crop with a
        partner by ClassMix, and applies all other operations to the mixture, as DACS does, so that
        pasted regions cannot be recognised by their colours. Neither crops by class, since the
        target has no labels here.
    """
    settings = settings.model_copy(update={"class_crop": 0.0})
    alone = {each.name: 0.0 for each in operations_of("transfer", "mix")}
    plain = {each.name: 0.0 for each in operations_of("weather", "photometric", "occlusion")}
    plain |= alone
    weak, strong = (settings.model_copy(update=u) for u in (plain, alone | {"classmix": 1.0}))
    return (
        build_policy(weak, crop_height, crop_width),
        build_policy(strong, crop_height, crop_width),
    )


def _chance(key: tf.Tensor, operation: Operation, probability: float) -> Chance:
    """Draws whether an operation is applied, with a key apart from the operation's own."""
    if probability >= 1:
        return True
    return draw_uniform(operation_key(key, f"{operation.stream}.applied"), 0.0, 1.0) < probability


def _call(operation, *arguments):  # type: ignore[no-untyped-def]
    return lambda: operation(*arguments)


def _when(chance, act, unchanged):  # type: ignore[no-untyped-def]
    return act() if chance is True else tf.cond(chance, act, lambda: unchanged)
