"""Finding the pictures of a set, pairing them with their labels, and parting them into splits."""

import csv
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from roadshift.datasets.card import Card, Layout, Split
from roadshift.errors import RoadshiftError

Matches = dict[tuple[tuple[str, str], ...], str]
"""Files by the values of their pattern's placeholders."""


@dataclass(frozen=True)
class Sample:
    """A picture with its label; a row of the manifest."""

    id: str
    split: str
    """Ours: train, val or test."""
    group: str
    """Drive or city, '' where the set has none."""
    image: str
    """Path of the picture, relative to the set's folder, with forward slashes."""
    label: str
    """Path of the label, relative to its folder, with forward slashes."""
    width: int = 0
    height: int = 0


def find_samples(card: Card, folder: Path, split_seed: int) -> list[Sample]:
    """Pairs pictures with labels by the card's layout and gives each its split.

    The order, by split and id, does not depend on the order of directory listings.

    Args:
        card: the set's card.
        folder: where the publisher's files lie.
        split_seed: the seed of a random split.

    Raises:
        RoadshiftError: there are no pictures, a picture has no label or the reverse, two
            pictures share an id, or a split of the card has no picture.
    """
    root = folder / card.layout.root
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    wanted = card.splits.official
    images = _matches(card.layout, card.layout.image, files, wanted)
    labels = _matches(card.layout, card.layout.label, files, wanted)
    _check_pairs(card, images, labels)
    prefix = "" if card.layout.root == "." else f"{card.layout.root}/"
    found = [
        Sample(
            id=f"{parts['group']}/{parts['id']}" if "group" in parts else parts["id"],
            split=wanted[parts.get("split", "")] if wanted else "",
            group=parts.get("group") or _group(card.layout, parts["id"]),
            image=prefix + images[key],
            label=prefix + labels[key],
        )
        for key, parts in ((key, dict(key)) for key in images)
    ]
    ids = [sample.id for sample in found]
    if len(set(ids)) != len(ids):
        twice = sorted({i for i in ids if ids.count(i) > 1})
        raise RoadshiftError(f"{card.name}: the id '{twice[0]}' stands for two pictures")
    parted = _part(card, found, split_seed)
    _check_counts(card, found, parted)
    return sorted(parted, key=lambda s: (s.split, s.id))


def _matches(
    layout: Layout, pattern: str, files: Iterable[str], wanted: Collection[str] | None
) -> Matches:
    """Files that fit a layout pattern, by the values of its placeholders."""
    seen: set[str] = set()

    def placeholder(match: re.Match[str]) -> str:
        name = match[1]
        again = name in seen
        seen.add(name)
        form = layout.id if name == "id" else "[^/]+"
        return f"(?P={name})" if again else f"(?P<{name}>{form})"

    regex = re.compile(re.sub(r"\\{(\w+)\\}", placeholder, re.escape(pattern)))
    found = {}
    for file in files:
        match = regex.fullmatch(file)
        if match and (wanted is None or match.groupdict().get("split", "") in wanted):
            found[tuple(sorted(match.groupdict().items()))] = file
    return found


def _check_pairs(card: Card, images: Matches, labels: Matches) -> None:
    if not images:
        raise RoadshiftError(
            f"{card.name}: no picture fits '{card.layout.root}/{card.layout.image}'; is this the "
            "publisher's archive?"
        )
    for have, lack, pattern in (
        (images, labels, card.layout.label),
        (labels, images, card.layout.image),
    ):
        alone = [key for key in have if key not in lack]
        if alone:
            raise RoadshiftError(
                f"{card.name}: '{have[alone[0]]}' has no '{pattern.format(**dict(alone[0]))}' "
                f"({len(alone)} such); add the missing files or remove the extra ones"
            )


def _group(layout: Layout, sample_id: str) -> str:
    match = re.search(layout.group, sample_id) if layout.group else None
    return match[1] if match else ""


def seeded_order(ids: Iterable[str], seed: int) -> list[str]:
    """Ids in an order that depends on nothing but the ids and the seed."""
    return sorted(ids, key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).digest())


def _part(card: Card, samples: list[Sample], seed: int) -> list[Sample]:
    """The samples with the splits that the card asks for beyond the publisher's own."""
    splits = card.splits
    if splits.random is not None:
        return _share(samples, splits.random, seed, splits.by_group)
    if splits.groups is not None:
        unknown = sorted({s.group for s in samples} - {*splits.groups})
        if unknown:
            raise RoadshiftError(f"{card.name}: the card has no split for the group '{unknown[0]}'")
        return [replace(s, split=splits.groups[s.group]) for s in samples]
    if splits.val_share is not None:
        # Val first, so that a small share of few groups is not rounded away.
        shares: dict[Split, float] = {"val": splits.val_share, "train": 1 - splits.val_share}
        train = [s for s in samples if s.split == "train"]
        others = [s for s in samples if s.split != "train"]
        return others + _share(train, shares, seed, splits.by_group)
    return samples


def _share(
    samples: list[Sample], shares: Mapping[Split, float], seed: int, by_group: bool
) -> list[Sample]:
    order = seeded_order({s.group if by_group else s.id for s in samples}, seed)
    split_of: dict[str, Split] = {}
    start, share_so_far = 0, 0.0
    for split, share in shares.items():
        share_so_far += share
        end = round(share_so_far * len(order))
        split_of.update(dict.fromkeys(order[start:end], split))
        start = end
    return [replace(s, split=split_of[s.group if by_group else s.id]) for s in samples]


def _check_counts(card: Card, found: list[Sample], parted: list[Sample]) -> None:
    splits = card.splits
    ours = {*(splits.groups or splits.official or splits.random or {}).values()}
    if splits.random is not None:
        ours = {*splits.random}
    if splits.val_share is not None:
        ours.add("val")
    for split in sorted(ours):
        if not any(s.split == split for s in parted):
            raise RoadshiftError(f"{card.name}: no picture in split '{split}'")
    official: Mapping[str, str] = splits.official or {}
    for name, number in card.samples.items():
        split = official.get(name, "all")
        here = sum(split in ("all", s.split) for s in found)
        if here != number:
            print(f"{card.name}: {here} of the publisher's {number} pictures ({split}) are here")


def write_manifest(samples: Iterable[Sample], file: Path) -> None:
    """Writes the manifest, one row a sample, as CSV."""
    with file.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, [f.name for f in fields(Sample)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(sample) for sample in samples)


def read_manifest(file: Path) -> list[Sample]:
    """Reads what `write_manifest` wrote.

    Raises:
        RoadshiftError: it is missing, or a row is not as written.
    """
    names = [f.name for f in fields(Sample)]
    try:
        with file.open(encoding="utf-8", newline="") as source:
            rows = list(csv.DictReader(source))
        samples = []
        for number, row in enumerate(rows, 2):
            if list(row) != names or None in row.values():
                raise RoadshiftError(f"{file}, line {number}: expected {','.join(names)}")
            width, height = int(row.pop("width")), int(row.pop("height"))
            samples.append(Sample(**row, width=width, height=height))
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; run the remap stage") from None
    except (ValueError, csv.Error) as error:
        raise RoadshiftError(f"{file}: not a manifest ({error}); run remap again") from None
    return samples
