"""The data of a training: shards of its sources and, for adaptation, of the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from roadshift.augment.policy import build_policy, weak_and_strong
from roadshift.augment.settings import AugmentSettings
from roadshift.input_pipeline.batches import (
    WHOLE,
    BatchSource,
    Share,
    training_batches,
    unlabelled_batches,
)
from roadshift.input_pipeline.image_cache import TrainImages, open_train_images
from roadshift.records.contents import read_contents
from roadshift.records.reader import ShardSet, all_partial_labels
from roadshift.taxonomy import PartialLabel, spread_pixels
from roadshift.training.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The shards whose train splits a training reads.

    Attributes:
        sources: the sources by role. Their labels determine the class weights, their val splits
            validate each epoch.
        shares: number of images of each batch by role, of a source or the labelled target.
        labelled: labelled images of the target; for the oracle they are also the only source.
        unlabelled: unlabelled images of the target.
        unlabelled_share: number of unlabelled images in a step.
    """

    sources: Mapping[str, ShardSet]
    shares: Mapping[str, int]
    labelled: ShardSet | None = None
    unlabelled: ShardSet | None = None
    unlabelled_share: int = 0

    def batches(
        self,
        *,
        aug: AugmentSettings,
        train: TrainSettings,
        max_height: int,
        seed: int,
        epoch: int,
        share: Share = WHOLE,
    ) -> tf.data.Dataset:
        """Makes the endless batches that `roadshift.training.loop.train` takes.

        Args:
            aug: settings of the augmentation.
            train: settings of batch, crop and rare-class sampling.
            max_height: pixels; a taller image is scaled down to it; 0 for no limit.
            seed: seed of order and augmentation.
            epoch: number of epochs that are over; the batches are those that follow.
            share: the part of each batch to make; default all.
        """
        size = train.crop_height, train.crop_width
        sets = self.all_shards
        opened = open_train_images(sets, max_height)

        def images(shards: ShardSet) -> TrainImages:
            return opened[sets.index(shards)]

        known = dict(self.sources)
        if self.labelled:
            known |= {role: self.labelled for role in self.shares if role not in known}
        parts = [BatchSource(images(known[role]), share) for role, share in self.shares.items()]
        batches = training_batches(
            parts,
            build_policy(aug, *size),
            seed=seed,
            steps_per_epoch=train.steps_per_epoch,
            first_epoch=epoch,
            rare_class_temperature=train.rare_class_temperature,
            share=share,
        )
        if not self.unlabelled:
            return batches
        weak, strong = weak_and_strong(aug, *size)
        further = unlabelled_batches(
            BatchSource(images(self.unlabelled), self.unlabelled_share),
            parts,
            weak=weak,
            strong=strong,
            seed=seed,
            steps_per_epoch=train.steps_per_epoch,
            first_epoch=epoch,
            share=share,
        )
        both = tf.data.Dataset.zip(batches, further)
        return both.map(lambda given, added: (*given, *added))

    def check_share(self, share: Share) -> None:
        """Checks that devices can share each batch evenly.

        Raises:
            RoadshiftError: they cannot.
        """
        for role, count in self.shares.items():
            share.per_device(f"train.batch_size: source '{role}'", count)
        if self.unlabelled:
            share.per_device("adapt.self_training.batch_size: the target", self.unlabelled_share)

    @property
    def all_shards(self) -> list[ShardSet]:
        """All shards of the training, each once."""
        further = [shards for shards in (self.labelled, self.unlabelled) if shards]
        sources = list(self.sources.values())
        return [*sources, *(shards for shards in further if shards not in sources)]

    @property
    def pixels(self) -> list[Sequence[float]]:
        """Number of training pixels of each class, one sequence for each source.

        Those of partial labels are spread over their classes.
        """
        return [
            spread_pixels(
                np.array(shards.pixels["train"]), shards.partial_labels, len(shards.class_names)
            ).tolist()
            for shards in self.sources.values()
        ]

    @property
    def partial_labels(self) -> tuple[PartialLabel, ...]:
        """The partial labels in the shards of the training.

        Raises:
            RoadshiftError: an id stands for other classes in one set than in another.
        """
        return all_partial_labels(self.all_shards)

    def target_images(self) -> dict[str, list[str]]:
        """Returns the ids of the target's images by their use, 'labelled' and 'unlabelled'."""
        uses = {"labelled": self.labelled, "unlabelled": self.unlabelled}
        return {
            use: list(read_contents(shards.folder, "train", shards.label_names).ids)
            for use, shards in uses.items()
            if shards
        }
