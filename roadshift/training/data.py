"""What a training reads: the shards of its sources, and what it is given of the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from roadshift.augment.keys import sample_key
from roadshift.augment.policy import build_policy, weak_and_strong
from roadshift.augment.settings import AugmentSettings
from roadshift.records.contents import read_contents
from roadshift.records.pictures import Pictures, open_pictures
from roadshift.records.pipeline import Source, training_batches, unlabelled_batches
from roadshift.records.reader import ShardSet
from roadshift.training.settings import TrainSettings


@dataclass(frozen=True)
class TrainingData:
    """The shards that a training reads, each by its train split."""

    sources: Mapping[str, ShardSet]
    """By role; they weigh the classes and, by their val splits, choose the epoch."""
    shares: Mapping[str, int]
    """How many pictures of each batch are of a role, a source or the labelled target."""
    labelled: ShardSet | None = None
    """Pictures of the target with their labels; where it is among the sources, it is alone."""
    unlabelled: ShardSet | None = None
    """Pictures of the target without theirs."""
    unlabelled_share: int = 0
    """How many of them there are in a step."""

    def batches(
        self, aug: AugmentSettings, train: TrainSettings, max_height: int, seed: int, epoch: int
    ) -> tf.data.Dataset:
        """Endless batches of a training from some epoch on, as `training.loop.train` takes them.

        Args:
            aug: augmentation.
            train: batch, crop and rare-class sampling.
            max_height: pixels; a taller picture is scaled down to it; 0 = never.
            seed: of order and augmentation.
            epoch: how many are over.
        """
        size = train.crop_height, train.crop_width
        sets = self.all_shards
        opened = open_pictures(sets, max_height)

        def pictures(shards: ShardSet) -> Pictures:
            return opened[sets.index(shards)]

        known = dict(self.sources)
        if self.labelled:
            known |= {role: self.labelled for role in self.shares if role not in known}
        parts = [Source(pictures(known[role]), share) for role, share in self.shares.items()]
        batches = training_batches(
            parts,
            build_policy(aug, *size),
            sample_key,
            seed,
            train.steps_per_epoch,
            epoch,
            train.rare_class_temperature,
        )
        if not self.unlabelled:
            return batches
        further = unlabelled_batches(
            Source(pictures(self.unlabelled), self.unlabelled_share),
            parts,
            *weak_and_strong(aug, *size),
            sample_key,
            seed,
            train.steps_per_epoch,
            epoch,
        )
        both = tf.data.Dataset.zip(batches, further)
        return both.map(lambda given, added: (*given, *added))

    @property
    def all_shards(self) -> list[ShardSet]:
        """Each of them once."""
        further = [shards for shards in (self.labelled, self.unlabelled) if shards]
        sources = list(self.sources.values())
        return [*sources, *(shards for shards in further if shards not in sources)]

    @property
    def pixels(self) -> list[Sequence[int]]:
        """Of each source, its training pixels of each class."""
        return [shards.pixels["train"] for shards in self.sources.values()]

    def target_pictures(self) -> dict[str, list[str]]:
        """The ids of the target's pictures by their use, 'labelled' and 'unlabelled'."""
        uses = {"labelled": self.labelled, "unlabelled": self.unlabelled}
        return {
            use: list(read_contents(shards.folder, "train", shards.class_names).ids)
            for use, shards in uses.items()
            if shards
        }
