"""Split schemes: how a set is split into train, val and test."""

import hashlib
import random
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from roadshift.errors import RoadshiftError
from roadshift.settings import ParameterDoc, Settings, suggestion

SPLITS = ("train", "val", "test")
Split = Literal["train", "val", "test"]
Share = Annotated[float, Field(gt=0, lt=1)]
SCHEMES = ("official", "group", "random")
"""The split schemes that every card has; a card may name others."""


class SplitShares(Settings):
    """Settings of all sets that are split by seed."""

    seed: int = Field(
        ge=0,
        description="seed of the splits by group and by random",
        json_schema_extra=ParameterDoc(detail="Trainings by another seed have the same splits."),
    )
    val: Share = Field(
        description="val's share of images, or of groups, for group and random",
        json_schema_extra=ParameterDoc(
            detail="It is the share that becomes val where a set is split anew."
        ),
    )
    test: Share = Field(
        description="the same for test, the rest is for training",
        json_schema_extra=ParameterDoc(limit="with val below 1"),
    )

    @model_validator(mode="after")
    def _train_is_left(self) -> "SplitShares":
        if self.val + self.test >= 1:
            raise ValueError(f"val {self.val} and test {self.test} leave no share for train")
        return self


class SplitConfig(SplitShares):
    """Settings of how one set is split.

    Attributes:
        by: split scheme: 'official' (the card's own), 'group', 'random', or one that the card
            names.
    """

    by: str


class Shuffled(Settings):
    """A split of the sorted ids, shuffled with Python's `random` and cut from the front.

    Attributes:
        seed: seed of the shuffle.
        counts: number of images of each split, in the order in which they are cut off. They sum to
            the whole set, since fewer images would be shuffled differently.
    """

    seed: int
    counts: dict[Split, Annotated[int, Field(gt=0)]]


class SplitScheme(Settings):
    """A split scheme: by the publisher's own splits, by group, or by share and seed.

    Exactly one of `official`, `groups`, `lists`, `random` and `shuffled` is set.

    Attributes:
        official: the publisher's name of a split to 'train', 'val' or 'test'.
        groups: group to split, regardless of the publisher's own splits.
        lists: split to the publisher's list of its images, a text file relative to the layout's
            root.
        random: split to its share of the ids, or of the groups, in a seeded order. The shares sum
            to 1.
        shuffled: split that was published as a seed of Python's shuffle.
        val_share: share of a published train split that becomes val, by seed, if the publisher's
            own validation split is scored as test.
        by_group: whether shares are of groups, which stay whole, instead of images.
    """

    official: dict[str, Split] | None = None
    groups: dict[str, Split] | None = None
    lists: dict[Split, str] | None = None
    random: dict[Split, Annotated[float, Field(gt=0, le=1)]] | None = None
    shuffled: Shuffled | None = None
    val_share: Share | None = None
    by_group: bool = False

    @model_validator(mode="after")
    def _exactly_one_scheme(self) -> "SplitScheme":
        schemes = [self.official, self.groups, self.lists, self.random, self.shuffled]
        if sum(scheme is not None for scheme in schemes) != 1:
            raise ValueError("needs exactly one of official, groups, lists, random and shuffled")
        if self.random is not None and abs(sum(self.random.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of random sum to {sum(self.random.values())}, not to 1")
        if self.val_share and (self.groups or self.random or "train" not in self.makes):
            raise ValueError("val_share needs a published train split")
        return self

    @property
    def makes(self) -> set[str]:
        """The splits that have images under this scheme."""
        made: set[str] = {*(self.official or {}).values(), *(self.groups or {}).values()}
        made.update(
            self.lists or {}, self.random or {}, self.shuffled.counts if self.shuffled else {}
        )
        return made | {"val"} if self.val_share else made

    @property
    def needs_groups(self) -> bool:
        """Whether the scheme needs a set with groups (drives, cities)."""
        return self.by_group or self.groups is not None

    def assign_splits(
        self, groups: Mapping[str, str], published: Mapping[str, str], seed: int
    ) -> Mapping[str, str]:
        """Assigns every image a split.

        Args:
            groups: id to drive or city, '' for an image without one.
            published: id to split by `official` or `lists`; the other schemes do not read it.
            seed: seed of the random choices by share.

        Returns:
            Id to split.

        Raises:
            RoadshiftError: an image has no group, or one that the scheme does not list; there are
                fewer images or groups than splits; or images of a published shuffle are missing.
        """
        if self.needs_groups and (alone := sorted(i for i, group in groups.items() if not group)):
            raise RoadshiftError(
                f"'{alone[0]}' has no group (drive, city) to split by; choose another data.split.by"
            )
        if self.groups is not None:
            if unknown := sorted({*groups.values()} - {*self.groups}):
                raise RoadshiftError(
                    f"the group '{unknown[0]}' has no split; add it to the card's splits"
                )
            return {i: self.groups[group] for i, group in groups.items()}
        if self.random is not None:
            return _by_share(groups, self.random, seed=seed, by_group=self.by_group)
        split_of = _shuffled(groups, self.shuffled) if self.shuffled else published
        if self.val_share is not None:
            # Val first, so that the val of a larger share contains the val of a smaller share.
            shares: dict[Split, float] = {"val": self.val_share, "train": 1 - self.val_share}
            train = {i: groups[i] for i, split in split_of.items() if split == "train"}
            split_of_train = _by_share(train, shares, seed=seed, by_group=self.by_group)
            return {**split_of, **split_of_train}
        return split_of


class Splits(SplitScheme):
    """A set's own split scheme, and others that its card names.

    Attributes:
        named: name to split scheme.
    """

    named: dict[str, SplitScheme] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_free(self) -> "Splits":
        if taken := {*self.named} & {*SCHEMES}:
            raise ValueError(
                f"named: '{min(taken)}' is a split scheme of every card; choose another name"
            )
        return self

    @property
    def published(self) -> set[str] | None:
        """The publisher's names of the labelled splits; None if the set has no such splits."""
        names = {name for scheme in (self, *self.named.values()) for name in scheme.official or ()}
        return names or None

    def split_scheme(self, split_config: SplitConfig) -> SplitScheme:
        """Returns the split scheme that a configuration names.

        Raises:
            RoadshiftError: there is no scheme of that name.
        """
        if split_config.by == "official":
            return self
        if split_config.by in ("group", "random"):
            train = 1 - split_config.val - split_config.test
            shares: dict[Split, float] = {
                "train": train,
                "val": split_config.val,
                "test": split_config.test,
            }
            return SplitScheme(random=shares, by_group=split_config.by == "group")
        if split_config.by not in self.named:
            known = (*SCHEMES, *self.named)
            raise RoadshiftError(
                f"'{split_config.by}' is not a split scheme of this set"
                f"{suggestion(split_config.by, known)}"
            )
        return self.named[split_config.by]


def seeded_order(ids: Iterable[str], seed: int) -> list[str]:
    """Returns the ids in an order that depends only on the ids and the seed."""
    return sorted(ids, key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).digest())


def _by_share(
    groups: Mapping[str, str], shares: Mapping[Split, float], *, seed: int, by_group: bool
) -> dict[str, str]:
    order = seeded_order({*groups.values()} if by_group else groups, seed)
    if len(order) < len(shares):
        raise RoadshiftError(
            f"{len(order)} {'groups (drives, cities)' if by_group else 'images'} are too few for "
            f"{len(shares)} splits ({', '.join(shares)}); choose another data.split.by"
        )
    split_of: dict[str, str] = {}
    start, share_so_far = 0, 0.0
    for remaining, (split, share) in zip(range(len(shares))[::-1], shares.items(), strict=True):
        share_so_far += share
        # Each split gets at least one, so that a small share of few groups is not rounded to 0.
        end = min(max(round(share_so_far * len(order)), start + 1), len(order) - remaining)
        split_of.update(dict.fromkeys(order[start:end], split))
        start = end
    return {i: split_of[group if by_group else i] for i, group in groups.items()}


def _shuffled(ids: Iterable[str], shuffled: Shuffled) -> dict[str, str]:
    order = sorted(ids)
    if len(order) != sum(shuffled.counts.values()):
        raise RoadshiftError(
            f"this split needs all {sum(shuffled.counts.values())} images of the set, found "
            f"{len(order)}, and published scores are for all of them; get the whole set, or "
            "choose another data.split.by"
        )
    random.Random(shuffled.seed).shuffle(order)  # noqa: S311 - a published order, no secret
    ids_in_order = iter(order)
    return {
        next(ids_in_order): split for split, count in shuffled.counts.items() for _ in range(count)
    }
