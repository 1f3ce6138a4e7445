"""Samples: pairs of images and labels, found in a set's files or read from a manifest."""

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from roadshift.datasets.card import Card, Layout
from roadshift.datasets.splits import SPLITS, SplitConfig, SplitScheme
from roadshift.errors import RoadshiftError
from roadshift.settings import printable, suggestion

_AGAIN = "run the remap stage again"

Matches = dict[tuple[tuple[str, str], ...], str]
"""Values of a pattern's placeholders, as (name, value) pairs, to the file that has them."""


class FilePair(NamedTuple):
    """An image file and its label file.

    Attributes:
        parts: name of each placeholder in the layout's patterns, to its value.
        image: path of the image, relative to the set's folder, with forward slashes.
        label: path of the label, likewise.
    """

    parts: dict[str, str]
    image: str
    label: str


@dataclass(frozen=True)
class Sample:
    """An image with its label; a row of the manifest.

    Attributes:
        id: name of the sample, unique in its set.
        split: 'train', 'val' or 'test'.
        group: drive or city; '' if the set has none.
        image: path of the image, relative to the set's folder, with forward slashes.
        label: path of the label, relative to the labels' folder, with forward slashes.
        width: width in pixels; 0 if not yet read.
        height: height in pixels; 0 if not yet read.
    """

    id: str
    split: str
    group: str
    image: str
    label: str
    width: int = 0
    height: int = 0


def find_samples(card: Card, folder: Path, split_config: SplitConfig) -> list[Sample]:
    """Pairs images with labels by the card's layout, and assigns each pair a split.

    The order, by split and id, does not depend on the order of directory listings.

    Args:
        card: the set's card.
        folder: folder with the publisher's files.
        split_config: how the set is split.

    Raises:
        RoadshiftError: there are no images, an image has no label or the reverse, two
            images share an id, the set cannot be split this way, or a split has no image.
    """
    scheme = card.split_scheme(split_config)
    official: Mapping[str, str] = scheme.official or card.splits.official or {}
    found = [
        Sample(
            id=f"{parts['group']}/{parts['id']}" if "group" in parts else parts["id"],
            split=official[parts.get("split", "")] if official else "",
            group=parts.get("group") or _group(card.layout, parts["id"]),
            image=image,
            label=label,
        )
        for parts, image, label in pair_files(card, folder, official or None)
    ]
    ids = [sample.id for sample in found]
    if len(set(ids)) != len(ids):
        twice = sorted({i for i in ids if ids.count(i) > 1})
        raise RoadshiftError(f"{card.name}: two images have the id '{twice[0]}'; rename one")
    try:
        split_of = scheme.assign_splits(
            {s.id: s.group for s in found}, {s.id: s.split for s in found}, split_config.seed
        )
    except RoadshiftError as error:
        raise RoadshiftError(f"{card.name}, split '{split_config.by}': {error}") from None
    samples = [replace(sample, split=split_of[sample.id]) for sample in found]
    _check_counts(card, scheme, found=found, samples=samples)
    return sorted(samples, key=lambda s: (s.split, s.id))


def pair_files(card: Card, folder: Path, wanted: Collection[str] | None) -> list[FilePair]:
    """Finds the images and labels that fit the card's layout; returns them sorted.

    Args:
        card: the set's card.
        folder: folder with the set's files.
        wanted: the publisher's names of the splits to search; None for all.

    Raises:
        RoadshiftError: there are no images, an image has no label or the reverse, two files
            have the same placeholders, or a name has unprintable characters.
    """
    root = folder / card.layout.root
    files = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    images = _matches(card, card.layout.image, files=files, wanted=wanted)
    labels = _matches(card, card.layout.label, files=files, wanted=wanted)
    _check_pairs(card, folder, images=images, labels=labels)
    prefix = "" if card.layout.root == "." else f"{card.layout.root}/"
    return [FilePair(dict(key), prefix + images[key], prefix + labels[key]) for key in images]


def _matches(
    card: Card, pattern: str, *, files: Iterable[str], wanted: Collection[str] | None
) -> Matches:
    """Returns the files that fit a layout pattern, by the values of its placeholders."""
    seen: set[str] = set()

    def placeholder(match: re.Match[str]) -> str:
        name = match[1]
        repeated = name in seen
        seen.add(name)
        form = card.layout.id if name == "id" else "[^/]+"
        return f"(?P={name})" if repeated else f"(?P<{name}>{form})"

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
                # Some cannot be written to a UTF-8 manifest, others would break an error's line.
                raise RoadshiftError(
                    f"{card.name}: {file!r} has unprintable characters in its name; rename it"
                )
            found[key] = file
    return found


def _check_pairs(card: Card, folder: Path, *, images: Matches, labels: Matches) -> None:
    if not images:
        raise RoadshiftError(
            f"{card.name}: no image fits '{card.layout.root}/{card.layout.image}' in {folder}; "
            "compare the card's layout with the files there"
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


def _check_counts(
    card: Card, scheme: SplitScheme, *, found: list[Sample], samples: list[Sample]
) -> None:
    if empty := scheme.makes - {s.split for s in samples}:
        raise RoadshiftError(
            f"{card.name}: no image in split '{min(empty)}'; get the whole set, or choose another "
            "data.split.by"
        )
    official: Mapping[str, str] = card.splits.official or {}
    for name, number in card.samples.items():
        split = official.get(name, "all")
        count = sum(split in ("all", s.split) for s in found)
        if count != number:
            print(f"{card.name}: found {count} of the publisher's {number} images ({split})")


def write_manifest(samples: Iterable[Sample], file: Path) -> None:
    """Writes the manifest, a CSV file with one row for each sample."""
    with file.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, [f.name for f in fields(Sample)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(sample) for sample in samples)


def read_manifest(file: Path) -> list[Sample]:
    """Reads a manifest that `write_manifest` wrote.

    Raises:
        RoadshiftError: the file is missing or empty, a row is malformed, or two rows share an id.
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
            f"{where}: '{sample.split}' is not a split{suggestion(sample.split, SPLITS)}; {_AGAIN}"
        )
    for path in (sample.image, sample.label):
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise RoadshiftError(f"{where}: '{path}' is not a path within its folder; {_AGAIN}")


def check_labels(samples: Iterable[Sample], folder: Path) -> None:
    """Checks that a manifest's rows match the labels in its folder.

    A lost row would make the data set shorter, unnoticed.

    Args:
        samples: the manifest's rows.
        folder: folder of the manifest and of the labels.

    Raises:
        RoadshiftError: a label has no row, or a row has no label.
    """
    named = {sample.label for sample in samples}
    present = {p.relative_to(folder).as_posix() for p in folder.rglob("*.png") if p.is_file()}
    if extra := sorted(present - named):
        raise RoadshiftError(
            f"{folder}: '{extra[0]}' has no row in the manifest ({len(extra)} such); {_AGAIN}"
        )
    if missing := sorted(named - present):
        raise RoadshiftError(f"{folder / missing[0]}: missing ({len(missing)} such); {_AGAIN}")
