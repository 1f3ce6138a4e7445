"""Samples: pairs of images and labels with their splits, and the manifest that lists them."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path, PurePosixPath

from roadshift.datasets.card import Card
from roadshift.datasets.file_pairs import FilePair
from roadshift.datasets.layout import Layout
from roadshift.datasets.pairing import pair_files
from roadshift.datasets.split_lists import read_split_lists
from roadshift.datasets.splits import SPLITS, SplitConfig
from roadshift.datasets.walk import find_files
from roadshift.errors import RoadshiftError, listed
from roadshift.settings import printable, suggestion

_AGAIN = "run the remap stage again"


@dataclass(frozen=True, slots=True)
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

    The order, by split and id, does not depend on the order of directory listings. A line says
    which numbers of images differ from the publisher's.

    Args:
        card: the set's card.
        folder: folder with the publisher's files.
        split_config: how the set is split.

    Raises:
        RoadshiftError: there are no images, an image has no label or the reverse, two
            images share an id, the set cannot be split this way, or a split has no image.
    """
    pairs = pair_files(card, folder, wanted_splits(card, split_config))
    counts, found = unexpected_counts(card, pairs), samples_of(card, pairs)
    del pairs  # a set may have a million
    samples = split_samples(card, found, split_config, folder=folder)
    for line in counts:
        print(f"{card.name}: {line}")
    return samples


def wanted_splits(card: Card, split_config: SplitConfig) -> Mapping[str, str] | None:
    """Returns the publisher's splits that a set is made of, each with ours; None for all files.

    Raises:
        RoadshiftError: the card has no scheme of that name, or the set has no groups for it.
    """
    return card.split_scheme(split_config).official or card.splits.official or None


def samples_of(card: Card, pairs: Iterable[FilePair]) -> list[Sample]:
    """Makes samples of pairs, as yet with the publisher's names of their splits, '' for none."""
    return [
        Sample(
            id=pair.sample_id,
            split=pair.split,
            group=pair.group or _group(card.layout, pair.id),
            image=pair.image,
            label=pair.label,
        )
        for pair in pairs
    ]


def split_samples(
    card: Card, found: Sequence[Sample], split_config: SplitConfig, *, folder: Path
) -> list[Sample]:
    """Assigns samples their splits; returns them sorted by split and id.

    Samples that are in none of the publisher's lists are left out, and a line says how many.

    Args:
        card: the set's card.
        found: samples with the publisher's names of their splits.
        split_config: how the set is split.
        folder: folder with the publisher's files.

    Raises:
        RoadshiftError: two samples share an id, the set cannot be split this way, or a split has
            no image.
    """
    scheme, official = card.split_scheme(split_config), wanted_splits(card, split_config)
    if len({sample.id for sample in found}) < len(found):
        counts = Counter(sample.id for sample in found)
        twice = sorted(i for i, count in counts.items() if count > 1)
        head = f"{card.name}: two images have the id '{twice[0]}'; rename one"
        raise RoadshiftError(listed(head, [f"two images have the id '{i}'" for i in twice[1:]]))
    published = {s.id: official[s.split] if official else "" for s in found}
    try:
        if scheme.lists is not None:
            images = {s.id: card.layout.in_root(s.image) for s in found}
            lists = {str(split): file for split, file in scheme.lists.items()}
            published = read_split_lists(lists, folder / card.layout.root, images)
            if left_out := len(found) - len(published):
                print(f"{card.name}: left out {left_out} images that are in no list of a split")
            found = [sample for sample in found if sample.id in published]
        groups = {s.id: s.group for s in found}
        split_of = scheme.assign_splits(groups, published, split_config.seed)
    except RoadshiftError as error:
        raise RoadshiftError(f"{card.name}, split '{split_config.by}': {error}") from None
    if empty := scheme.makes - {*split_of.values()}:
        raise RoadshiftError(
            f"{card.name}: no image in split '{min(empty)}'; get the whole set, or choose another "
            "data.split.by"
        )
    samples = [replace(sample, split=split_of[sample.id]) for sample in found]
    return sorted(samples, key=lambda s: (s.split, s.id))


def _group(layout: Layout, sample_id: str) -> str:
    match = re.search(layout.group, sample_id) if layout.group else None
    return match[1] if match else ""


def unexpected_counts(card: Card, pairs: Sequence[FilePair]) -> list[str]:
    """Returns a line for each number of labelled images that differs from the publisher's."""
    lines = []
    for name, number in card.samples.items():
        if name != "all" and card.splits.lists:
            continue
        one = name in (card.splits.published or ())
        count = sum(not one or pair.split == name for pair in pairs)
        if count != number:
            shown = name if one else "all"
            lines.append(f"found {count} of the publisher's {number} images ({shown})")
    return lines


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
    present = {*find_files(folder).files}
    if extra := sorted(name for name in present - named if name.endswith(".png")):
        head = f"{folder}: '{extra[0]}' has no row in the manifest ({len(extra)} such); {_AGAIN}"
        raise RoadshiftError(listed(head, [f"'{name}' has no row" for name in extra[1:]]))
    if missing := sorted(n for n in named - present if not (folder / n).is_file()):
        head = f"{folder / missing[0]}: missing ({len(missing)} such); {_AGAIN}"
        raise RoadshiftError(listed(head, [f"{folder / name}: missing" for name in missing[1:]]))
