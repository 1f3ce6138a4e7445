"""How a set is parted into train, val and test: by its publisher, by group, or by seed."""

import hashlib
import random
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, nearest

SPLITS = ("train", "val", "test")
Split = Literal["train", "val", "test"]
Share = Annotated[float, Field(gt=0, lt=1)]
WAYS = ("official", "group", "random")
"""The ways to part a set that every card has; a card may name others."""


class SplitShares(Settings):
    """What holds for every set that is parted by seed."""

    seed: int = Field(ge=0)
    """Of every choice by seed."""
    val: Share
    """The share of pictures, or of groups, that becomes val where a set is parted anew."""
    test: Share

    @model_validator(mode="after")
    def _train_is_left(self) -> "SplitShares":
        if self.val + self.test >= 1:
            raise ValueError(f"val {self.val} and test {self.test} leave nothing to train on")
        return self


class Parting(SplitShares):
    """How one set is to be parted."""

    by: str
    """'official' (the card's own way), 'group', 'random', or a split that the card names."""


class Shuffled(Settings):
    """The ids in sorted order, shuffled with Python's `random`, and cut from the front."""

    seed: int
    counts: dict[Split, Annotated[int, Field(gt=0)]]
    """Pictures a split, in the order in which they are cut off. They are all of the set's, for
    the shuffle of fewer would be another one."""


class Way(Settings):
    """One way to part a set: by the publisher's own splits, by group, or by share and seed."""

    official: dict[str, Split] | None = None
    """The publisher's name of a split to ours."""
    groups: dict[str, Split] | None = None
    """A group to our split, whatever the publisher's own is."""
    random: dict[Split, Annotated[float, Field(gt=0, le=1)]] | None = None
    """Shares, which sum to 1, of a seeded order of the ids, or of the groups."""
    shuffled: Shuffled | None = None
    """A split that was published as a seed of Python's shuffle."""
    val_share: Share | None = None
    """The share of a published train split that is kept back for val, by seed, where the
    publisher's own validation is what is scored."""
    by_group: bool = False
    """Whether shares are of groups, which stay whole, and not of pictures."""

    @model_validator(mode="after")
    def _one_way(self) -> "Way":
        ways = [self.official, self.groups, self.random, self.shuffled]
        if sum(way is not None for way in ways) != 1:
            raise ValueError("needs exactly one of official, groups, random and shuffled")
        if self.random is not None and abs(sum(self.random.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of random sum to {sum(self.random.values())}, not to 1")
        if self.val_share and (self.groups or self.random or "train" not in self.makes):
            raise ValueError("val_share needs a published train split")
        return self

    @property
    def makes(self) -> set[str]:
        """The splits that have pictures when a set is parted this way."""
        made: set[str] = {*(self.official or {}).values(), *(self.groups or {}).values()}
        made.update(self.random or {}, self.shuffled.counts if self.shuffled else {})
        return made | {"val"} if self.val_share else made

    @property
    def needs_groups(self) -> bool:
        """Whether a set without drives or cities cannot be parted this way."""
        return self.by_group or self.groups is not None

    def part(
        self, groups: Mapping[str, str], published: Mapping[str, str], seed: int
    ) -> Mapping[str, str]:
        """Gives every picture its split.

        Args:
            groups: the drive or city of each id, '' where it has none.
            published: the split of each id by `official`; not read by the other ways.
            seed: of the choices by share.

        Raises:
            RoadshiftError: a picture has no group or one that the table does not know, there are
                fewer pictures or groups than splits, or not all pictures of a published shuffle.
        """
        if self.needs_groups and (alone := sorted(i for i, group in groups.items() if not group)):
            raise RoadshiftError(f"'{alone[0]}' names no group (drive, city) to part it by")
        if self.groups is not None:
            if unknown := sorted({*groups.values()} - {*self.groups}):
                raise RoadshiftError(f"the card has no split for the group '{unknown[0]}'")
            return {i: self.groups[group] for i, group in groups.items()}
        if self.random is not None:
            return _by_share(groups, self.random, seed, self.by_group)
        parted = _shuffled(groups, self.shuffled) if self.shuffled else published
        if self.val_share is not None:
            # Val first, so that a larger share keeps all that a smaller one held back.
            shares: dict[Split, float] = {"val": self.val_share, "train": 1 - self.val_share}
            train = {i: groups[i] for i, split in parted.items() if split == "train"}
            return {**parted, **_by_share(train, shares, seed, self.by_group)}
        return parted


class Splits(Way):
    """A set's own way of parting it, and others that its card names."""

    named: dict[str, Way] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_free(self) -> "Splits":
        if taken := {*self.named} & {*WAYS}:
            raise ValueError(f"named: '{min(taken)}' is a split that every card has")
        return self

    @property
    def published(self) -> set[str] | None:
        """The publisher's splits that are labelled; None where there is but one."""
        names = {name for way in (self, *self.named.values()) for name in way.official or ()}
        return names or None

    def way(self, parting: Parting) -> Way:
        """What the name of a split stands for.

        Raises:
            RoadshiftError: there is no split of that name.
        """
        if parting.by == "official":
            return self
        if parting.by in ("group", "random"):
            train = 1 - parting.val - parting.test
            shares: dict[Split, float] = {"train": train, "val": parting.val, "test": parting.test}
            return Way(random=shares, by_group=parting.by == "group")
        if parting.by not in self.named:
            known = (*WAYS, *self.named)
            raise RoadshiftError(f"'{parting.by}' is not a split of it{nearest(parting.by, known)}")
        return self.named[parting.by]


def seeded_order(ids: Iterable[str], seed: int) -> list[str]:
    """Ids in an order that depends on nothing but the ids and the seed."""
    return sorted(ids, key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).digest())


def _by_share(
    groups: Mapping[str, str], shares: Mapping[Split, float], seed: int, by_group: bool
) -> dict[str, str]:
    order = seeded_order({*groups.values()} if by_group else groups, seed)
    if len(order) < len(shares):
        raise RoadshiftError(
            f"{len(order)} {'groups (drives, cities)' if by_group else 'pictures'} cannot be "
            f"parted into {len(shares)} splits ({', '.join(shares)}); choose another data.split.by"
        )
    split_of: dict[str, str] = {}
    start, share_so_far = 0, 0.0
    for later, (split, share) in zip(range(len(shares))[::-1], shares.items(), strict=True):
        share_so_far += share
        # One at least for each split, so that a small share of few groups is not rounded away.
        end = min(max(round(share_so_far * len(order)), start + 1), len(order) - later)
        split_of.update(dict.fromkeys(order[start:end], split))
        start = end
    return {i: split_of[group if by_group else i] for i, group in groups.items()}


def _shuffled(ids: Iterable[str], how: Shuffled) -> dict[str, str]:
    order = sorted(ids)
    if len(order) != sum(how.counts.values()):
        raise RoadshiftError(
            f"this split is of {sum(how.counts.values())} pictures and {len(order)} are here; "
            "figures published for it hold for all of them: get the whole set, or choose another "
            "data.split.by"
        )
    random.Random(how.seed).shuffle(order)  # noqa: S311 - no secret, but published figures
    cut = iter(order)
    return {next(cut): split for split, count in how.counts.items() for _ in range(count)}
