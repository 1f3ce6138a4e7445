"""Samples: pairs of images and labels, found in a set's files or read from a manifest."""

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from roadshift.datasets.card import Card, Layout
from roadshift.datasets.splits import SPLITS, SplitConfig, SplitScheme
from roadshift.datasets.walk import find_files, is_image
from roadshift.errors import RoadshiftError, listed
from roadshift.settings import printable, suggestion

_AGAIN = "run the remap stage again"
_ANY_SUFFIX = ".*"
_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that a name must not have: control characters, surrogates (bytes that are not
UTF-8) and line breaks. They cannot be written to the manifest, or would break an error's line."""

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
    counts = Counter(sample.id for sample in found)
    if twice := sorted(sample_id for sample_id, count in counts.items() if count > 1):
        head = f"{card.name}: two images have the id '{twice[0]}'; rename one"
        raise RoadshiftError(listed(head, [f"two images have the id '{i}'" for i in twice[1:]]))
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

    Links are followed, hidden files are left out, and the suffix may be in upper case. Where a
    pattern ends in `.*`, files that are not images by their suffix are left out, and a line says
    so.

    Args:
        card: the set's card.
        folder: folder with the set's files.
        wanted: the publisher's names of the splits to search; None for all.

    Raises:
        RoadshiftError: there are no images, an image has no label or the reverse, two files
            have the same placeholders, a name has control characters, a folder cannot be read, or
            a link leads nowhere.
    """
    root = folder / card.layout.root
    files = _files(card, root)
    images = _matches(card, card.layout.image, files=files, wanted=wanted)
    labels = _matches(card, card.layout.label, files=files, wanted=wanted)
    _check_pairs(card, folder, images=images, labels=labels)
    prefix = "" if card.layout.root == "." else f"{card.layout.root}/"
    return [FilePair(dict(key), prefix + images[key], prefix + labels[key]) for key in images]


def _files(card: Card, root: Path) -> list[str]:
    """Lists the files in the folders that the patterns begin with, relative to the root."""
    starts = {_literal_folder(pattern) for pattern in (card.layout.image, card.layout.label)}
    files: set[str] = set()
    unread: dict[str, str] = {}
    for start in starts:
        found = find_files(root / start)
        files |= {file.relative_to(root).as_posix() for file in found.files}
        unread |= {path.relative_to(root).as_posix(): why for path, why in found.unread.items()}
    if unread:
        lines = [f"'{printable(path)}' {printable(why)}" for path, why in sorted(unread.items())]
        head = f"{card.name}: {lines[0]} ({len(lines)} such); make it readable, or remove it"
        raise RoadshiftError(listed(head, lines[1:]))
    return sorted(files)


def _literal_folder(pattern: str) -> PurePosixPath:
    """Returns the folders that a pattern begins with and that have no placeholder."""
    parts = PurePosixPath(pattern).parent.parts
    literal = [not set("{*") & set(part) for part in parts]
    return PurePosixPath(*parts[: [*literal, False].index(False)])


def _matches(
    card: Card, pattern: str, *, files: Iterable[str], wanted: Collection[str] | None
) -> Matches:
    """Returns the files that fit a layout pattern, by the values of its placeholders."""
    regex = _regex(card.layout, pattern)
    found: Matches = {}
    twice, unwritable, others = [], [], []
    for file in files:
        match = regex.fullmatch(file)
        if not match or (wanted is not None and match.groupdict().get("split", "") not in wanted):
            continue
        key = tuple(sorted(match.groupdict().items()))
        if pattern.endswith(_ANY_SUFFIX) and not is_image(file):
            others.append(file)
        elif _UNWRITABLE & {*map(unicodedata.category, file)}:
            unwritable.append(file)
        elif key in found:
            line = f"'{found[key]}' and '{file}' both fit '{pattern}' as '{match['id']}'"
            twice.append(line)
        else:
            found[key] = file
    if unwritable:
        head = (
            f"{card.name}: {unwritable[0]!r} has control characters, line breaks or bytes that are "
            "not UTF-8 in its name; rename it"
        )
        raise RoadshiftError(listed(head, [*map(repr, unwritable[1:])]))
    if twice:
        raise RoadshiftError(listed(f"{card.name}: {twice[0]}; remove one", twice[1:]))
    if others:
        shown = ", ".join(f"'{printable(file)}'" for file in others[:3])
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        print(f"{card.name}: left out what is not an image: {shown}{more}")
    return found


def _regex(layout: Layout, pattern: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def placeholder(match: re.Match[str]) -> str:
        name = match[1]
        repeated = name in seen
        seen.add(name)
        form = layout.id if name == "id" else "[^/]+"
        return f"(?P={name})" if repeated else f"(?P<{name}>{form})"

    # Cameras and Windows write suffixes in upper case, too.
    suffix = PurePosixPath(pattern).suffix
    suffix = "" if set("{*") & set(suffix) else suffix
    escaped = re.escape(pattern.removesuffix(suffix)).replace(r"\*", "[^/]*")
    plain = re.sub(r"\\{(\w+)\\}", placeholder, escaped)
    # A dot stands for a line break, too, so that a name with one is refused and not left out.
    return re.compile(f"{plain}(?i:{re.escape(suffix)})", re.DOTALL)


def _check_pairs(card: Card, folder: Path, *, images: Matches, labels: Matches) -> None:
    if not images:
        raise RoadshiftError(
            f"{card.name}: no image fits '{card.layout.root}/{card.layout.image}' in {folder}; "
            "compare the card's layout with the files there"
        )
    if images.keys() == labels.keys():
        return
    paired = images.keys() & labels.keys()
    known = {files[key] for key in paired for files in (images, labels)}
    root = folder / card.layout.root
    present = {file.relative_to(root).as_posix() for file in find_files(root).files}
    alone = []
    for have, lack, pattern in (
        (images, labels, card.layout.label),
        (labels, images, card.layout.image),
    ):
        near = _Near(present - known - {*have.values()})
        for key in have:
            if key not in lack:
                expected = pattern.format(**dict(key))
                alone.append((f"'{have[key]}' has no '{expected}'", near.to(expected)))
    first, hint = alone[0]
    head = (
        f"{card.name}: {first} ({len(alone)} such){hint}; add the missing files or remove the "
        "extra ones"
    )
    raise RoadshiftError(listed(head, [line + hint for line, hint in alone[1:]]))


class _Near:
    """Finds the file that a missing one may be meant to be."""

    def __init__(self, files: Iterable[str]) -> None:
        # Names with other numbers belong to other images, however alike they look.
        self._files: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for file in sorted(files):
            self._files[_numbers(file)].append(file)

    def to(self, missing: str) -> str:
        """Returns what to say of the nearest file; '' if none is near."""
        names = {_plain(file): file for file in self._files.get(_numbers(missing), [])[:1000]}
        if _plain(missing) in names:
            found = names[_plain(missing)]
            return f", but there is '{printable(found)}', with other letter case or accents"
        close = get_close_matches(_plain(missing), names, n=1)
        return f", but there is '{printable(names[close[0]])}'" if close else ""


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall("[0-9]{1,18}", name)))


def _plain(name: str) -> str:
    """Returns a name without letter case, and with accents in one form."""
    return unicodedata.normalize("NFKC", name).casefold()


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
    present = {file.relative_to(folder).as_posix() for file in find_files(folder).files}
    if extra := sorted(name for name in present - named if name.endswith(".png")):
        head = f"{folder}: '{extra[0]}' has no row in the manifest ({len(extra)} such); {_AGAIN}"
        raise RoadshiftError(listed(head, [f"'{name}' has no row" for name in extra[1:]]))
    if missing := sorted(n for n in named - present if not (folder / n).is_file()):
        head = f"{folder / missing[0]}: missing ({len(missing)} such); {_AGAIN}"
        raise RoadshiftError(listed(head, [f"{folder / name}: missing" for name in missing[1:]]))
