"""Finding the pictures of a set, and pairing them with their labels."""

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from roadshift.datasets.card import Card, Layout
from roadshift.datasets.splits import SPLITS, Parting, Way
from roadshift.errors import RoadshiftError
from roadshift.settings import nearest, printable

_AGAIN = "run the remap stage again"

Matches = dict[tuple[tuple[str, str], ...], str]
"""Files by the values of their pattern's placeholders."""


class Pair(NamedTuple):
    """A picture and its label."""

    parts: dict[str, str]
    """The values of the layout's placeholders."""
    image: str
    """Path relative to the set's folder, with forward slashes."""
    label: str


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


def find_samples(card: Card, folder: Path, parting: Parting) -> list[Sample]:
    """Pairs pictures with labels by the card's layout and gives each its split.

    The order, by split and id, does not depend on the order of directory listings.

    Args:
        card: the set's card.
        folder: where the publisher's files lie.
        parting: how to part the set.

    Raises:
        RoadshiftError: there are no pictures, a picture has no label or the reverse, two
            pictures share an id, the set cannot be parted so, or a split has no picture.
    """
    way = card.way(parting)
    wanted: Mapping[str, str] = way.official or card.splits.official or {}
    found = [
        Sample(
            id=f"{parts['group']}/{parts['id']}" if "group" in parts else parts["id"],
            split=wanted[parts.get("split", "")] if wanted else "",
            group=parts.get("group") or _group(card.layout, parts["id"]),
            image=image,
            label=label,
        )
        for parts, image, label in pair_files(card, folder, wanted or None)
    ]
    ids = [sample.id for sample in found]
    if len(set(ids)) != len(ids):
        twice = sorted({i for i in ids if ids.count(i) > 1})
        raise RoadshiftError(f"{card.name}: the id '{twice[0]}' stands for two pictures")
    try:
        split_of = way.part(
            {s.id: s.group for s in found}, {s.id: s.split for s in found}, parting.seed
        )
    except RoadshiftError as error:
        raise RoadshiftError(f"{card.name}, split '{parting.by}': {error}") from None
    parted = [replace(sample, split=split_of[sample.id]) for sample in found]
    _check_counts(card, way, found, parted)
    return sorted(parted, key=lambda s: (s.split, s.id))


def pair_files(card: Card, folder: Path, wanted: Collection[str] | None) -> list[Pair]:
    """The pictures and labels that fit the card's layout, sorted.

    Args:
        card: the set's card.
        folder: where the set's files lie.
        wanted: the publisher's names of the splits to look at; None for all.

    Raises:
        RoadshiftError: there are no pictures, a picture has no label or the reverse, two files
            are the same picture, or a name does not print.
    """
    root = folder / card.layout.root
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    images = _matches(card, card.layout.image, files, wanted)
    labels = _matches(card, card.layout.label, files, wanted)
    _check_pairs(card, folder, images, labels)
    prefix = "" if card.layout.root == "." else f"{card.layout.root}/"
    return [Pair(dict(key), prefix + images[key], prefix + labels[key]) for key in images]


def _matches(
    card: Card, pattern: str, files: Iterable[str], wanted: Collection[str] | None
) -> Matches:
    """Files that fit a layout pattern, by the values of its placeholders."""
    seen: set[str] = set()

    def placeholder(match: re.Match[str]) -> str:
        name = match[1]
        again = name in seen
        seen.add(name)
        form = card.layout.id if name == "id" else "[^/]+"
        return f"(?P={name})" if again else f"(?P<{name}>{form})"

    escaped = re.escape(pattern).replace(r"\*", "[^/]*")
    regex = re.compile(re.sub(r"\\{(\w+)\\}", placeholder, escaped))
    found: Matches = {}
    for file in files:
        match = regex.fullmatch(file)
        if match and (wanted is None or match.groupdict().get("split", "") in wanted):
            key = tuple(sorted(match.groupdict().items()))
            if key in found:
                raise RoadshiftError(
                    f"{card.name}: '{found[key]}' and '{file}' both fit '{pattern}' as "
                    f"'{match['id']}'; remove one"
                )
            if not file.isprintable():
                # No manifest in UTF-8 could hold some of them, and no line of an error others.
                raise RoadshiftError(
                    f"{card.name}: {file!r} has characters in its name that do not print; rename it"
                )
            found[key] = file
    return found


def _check_pairs(card: Card, folder: Path, images: Matches, labels: Matches) -> None:
    if not images:
        raise RoadshiftError(
            f"{card.name}: no picture fits '{card.layout.root}/{card.layout.image}' in {folder}; "
            "compare the card's layout with what lies there"
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


def _check_counts(card: Card, way: Way, found: list[Sample], parted: list[Sample]) -> None:
    if empty := way.makes - {s.split for s in parted}:
        raise RoadshiftError(f"{card.name}: no picture in split '{min(empty)}'")
    official: Mapping[str, str] = card.splits.official or {}
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
        RoadshiftError: it is missing or empty, a row is not as written, or two rows share an id.
    """
    names = [f.name for f in fields(Sample)]
    try:
        with file.open(encoding="utf-8", newline="") as source:
            reader = csv.DictReader(source, strict=True)
            samples: dict[str, Sample] = {}
            for row in reader:
                where = f"{file}, line {reader.line_num}"
                if list(row) != names or None in row.values():
                    raise RoadshiftError(f"{where}: expected {','.join(names)}; {_AGAIN}")
                width, height = int(row.pop("width")), int(row.pop("height"))
                sample = Sample(**row, width=width, height=height)
                _check_row(sample, where)
                if sample.id in samples:
                    raise RoadshiftError(f"{where}: the id '{sample.id}' comes twice; {_AGAIN}")
                samples[sample.id] = sample
    except RoadshiftError as error:
        raise RoadshiftError(printable(str(error))) from None
    except FileNotFoundError:
        raise RoadshiftError(f"{file}: missing; run the remap stage") from None
    except (ValueError, csv.Error) as error:
        reason = printable(str(error))
        raise RoadshiftError(f"{file}: not a manifest ({reason}); {_AGAIN}") from None
    if not samples:
        raise RoadshiftError(f"{file}: has no rows; {_AGAIN}")
    return [*samples.values()]


def _check_row(sample: Sample, where: str) -> None:
    if not sample.id:
        raise RoadshiftError(f"{where}: has no id; {_AGAIN}")
    if sample.split not in SPLITS:
        raise RoadshiftError(
            f"{where}: '{sample.split}' is no split{nearest(sample.split, SPLITS)}; {_AGAIN}"
        )
    for path in (sample.image, sample.label):
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise RoadshiftError(f"{where}: '{path}' is no path within its folder; {_AGAIN}")


def check_labels(samples: Iterable[Sample], folder: Path) -> None:
    """Makes sure that a manifest's rows are those of the labels that were written with it.

    A row that was lost would make a shorter data set, and nobody would see it.

    Args:
        samples: the rows.
        folder: of the manifest, in which the labels lie too.

    Raises:
        RoadshiftError: a label has no row, or a row has no label.
    """
    named = {sample.label for sample in samples}
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*.png") if p.is_file()}
    if lost := sorted(there - named):
        raise RoadshiftError(
            f"{folder}: '{lost[0]}' has no row in the manifest ({len(lost)} such); {_AGAIN}"
        )
    if missing := sorted(named - there):
        raise RoadshiftError(f"{folder / missing[0]}: missing ({len(missing)} such); {_AGAIN}")
