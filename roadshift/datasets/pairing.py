"""Pairs of images and labels, found in a set's files by its card's layout."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from roadshift.datasets.card import Card
from roadshift.datasets.file_pairs import Alone, FilePair, Pairing
from roadshift.datasets.layout import Layout
from roadshift.datasets.layout_patterns import literal_folder, pattern_regex
from roadshift.datasets.listed import find_listed
from roadshift.datasets.walk import find_files, is_image, is_walked
from roadshift.errors import RoadshiftError, listed
from roadshift.settings import printable

_ANY_SUFFIX = ".*"
_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that a name must not have: control characters, surrogates (bytes that are not
UTF-8) and line breaks. They cannot be written to the manifest, or would break an error's line."""
_BETWEEN = "\0"
"""Stands between values of placeholders; no name of a file has it."""


class Matches(NamedTuple):
    """The files that fit a pattern, by the values of its placeholders.

    Attributes:
        names: names of the placeholders, sorted.
        files: the values in that order, joined by `_BETWEEN`, to the file. One string takes a third
            of the memory of a tuple of pairs, which counts in a set of many images.
    """

    names: tuple[str, ...]
    files: dict[str, str]

    def parts(self, key: str) -> dict[str, str]:
        """Returns the placeholders of a file, by name."""
        return dict(zip(self.names, key.split(_BETWEEN), strict=True)) if self.names else {}

    def without(self, key: str, names: Collection[str]) -> str:
        """Returns the key of a file without the placeholders of these names."""
        return _BETWEEN.join(v for name, v in self.parts(key).items() if name not in names)


def find_pairs(card: Card, folder: Path, wanted: Collection[str] | None) -> Pairing:
    """Finds the images and labels that fit the card's layout, and what is wrong with them.

    Links are followed, hidden files are left out, and the suffix may be in upper case. Where a
    pattern ends in `.*`, files that are not images by their suffix are left out.

    Args:
        card: the set's card.
        folder: folder with the set's files.
        wanted: the publisher's names of the splits to search; None for all.
    """
    root, in_set = folder / card.layout.root, card.layout.in_set
    files, unread = _files(card, root)
    found = _Matcher(card.layout, wanted)
    images = found.matches(card.layout.image, files)
    if not card.layout.has_labels:
        return Pairing(
            pairs=[
                _pair(images.parts(key), in_set(image), "") for key, image in images.files.items()
            ],
            images=len(images.files),
            unlabelled=0,
            alone=[],
            unread=unread,
            unwritable=found.unwritable,
            twice=found.twice,
            others=found.others,
            broken=[],
            not_excluded=found.not_excluded if images.files else [],
        )
    labels = found.matches(card.layout.label, files)
    split_of: dict[str, str] = {}
    twice: list[str] = []
    broken: list[str] = []
    if card.layout.is_shared:
        split_of = {f: labels.parts(key).get("split", "") for key, f in labels.files.items()}
        labels, alone, twice, broken = _shared(card.layout, root, images=images, files=labels)
    else:
        alone = _alone(card.layout, root, files, images=images, labels=labels)
    # Of a file that cannot be read nobody knows which images it labels.
    skips = card.layout.skip_unlabelled and not broken
    pairs = [
        _pair(images.parts(key), in_set(image), in_set(label), split=split_of.get(label, ""))
        for key, image in images.files.items()
        if (label := labels.files.get(key))
    ]
    # An id may lie in the part of a publisher's set that is not here.
    is_whole = bool(images.files) and len(pairs) >= sum(card.samples.values())
    return Pairing(
        pairs=pairs,
        images=len(images.files),
        unlabelled=len(images.files.keys() - labels.files.keys()) if skips else 0,
        alone=alone,
        unread=unread,
        unwritable=found.unwritable,
        twice=found.twice + twice,
        others=found.others,
        broken=broken,
        not_excluded=found.not_excluded if is_whole else [],
    )


def pair_files(card: Card, folder: Path, wanted: Collection[str] | None) -> list[FilePair]:
    """Finds the images and labels that fit the card's layout; returns them sorted.

    As `find_pairs`. A line says which files are left out since they are not images, and another
    how many images since they have no label.

    Args:
        card: the set's card.
        folder: folder with the set's files.
        wanted: the publisher's names of the splits to search; None for all.

    Raises:
        RoadshiftError: there are no images, an image has no label or the reverse, two files
            have the same placeholders, a name has control characters, a folder cannot be read, a
            link leads nowhere, or the layout excludes an id that no image has.
    """
    found = find_pairs(card, folder, wanted)
    if lines := found.unread:
        head = f"{card.name}: {lines[0]} ({len(lines)} such); make it readable, or remove it"
        raise RoadshiftError(listed(head, lines[1:]))
    if found.broken:
        raise RoadshiftError(listed(found.broken[0], found.broken[1:]))
    if names := found.unwritable:
        head = (
            f"{card.name}: {names[0]!r} has control characters, line breaks or bytes that are "
            "not UTF-8 in its name; rename it"
        )
        raise RoadshiftError(listed(head, [*map(repr, names[1:])]))
    if lines := found.twice:
        raise RoadshiftError(listed(f"{card.name}: {lines[0]}; remove one", lines[1:]))
    if found.others:
        shown = ", ".join(f"'{printable(file)}'" for file in found.others[:3])
        more = f" and {len(found.others) - 3} more" if len(found.others) > 3 else ""
        print(f"{card.name}: left out what is not an image: {shown}{more}")
    if not found.images:
        raise RoadshiftError(
            f"{card.name}: no image fits '{card.layout.root}/{card.layout.image}' in {folder}; "
            "compare the card's layout with the files there"
        )
    if found.has_no_label:
        raise RoadshiftError(
            f"{card.name}: {no_label(card.layout)} in {folder}; compare the card's layout with the "
            "files there"
        )
    if ids := found.not_excluded:
        head = (
            f"{card.name}: layout.exclude: '{ids[0]}' is the id of no image ({len(ids)} such); "
            "correct it, or delete it"
        )
        raise RoadshiftError(listed(head, [f"'{each}'" for each in ids[1:]]))
    if found.unlabelled:
        print(f"{card.name}: left out {found.unlabelled} images that have no label")
    if found.alone:
        first, *further = found.alone
        none = card.folder is not None and not found.pairs and all(a.is_image for a in found.alone)
        hint = "; if no image has a label, choose the card 'unlabelled'" if none else ""
        head = (
            f"{card.name}: {first} ({len(found.alone)} such){first.hint}; add the missing files or "
            f"remove the extra ones{hint}"
        )
        raise RoadshiftError(listed(head, [f"{each}{each.hint}" for each in further]))
    return found.pairs


def no_label(layout: Layout) -> str:
    """Returns what is wrong with a set whose images are all left out for want of a label."""
    place = f"'{layout.root}/{layout.label}'"
    return f"{'no image has an annotation in' if layout.is_shared else 'no label fits'} {place}"


def _pair(parts: Mapping[str, str], image: str, label: str, *, split: str = "") -> FilePair:
    """Returns a pair from the image's placeholders; `split` is that of its label file."""
    split, group = parts.get("split", split), parts.get("group", "")
    return FilePair(parts["id"], split, group, image, label)


def _starts(layout: Layout) -> list[PurePosixPath]:
    """Returns the folders to walk, relative to the root: none lies in another that is walked."""
    patterns = (layout.image, layout.label) if layout.has_labels else (layout.image,)
    starts = {literal_folder(pattern) for pattern in patterns}
    return [
        start
        for start in sorted(starts)
        if not any(
            start != other and start.is_relative_to(other) and is_walked(start.relative_to(other))
            for other in starts
        )
    ]


def _files(card: Card, root: Path) -> tuple[list[str], list[str]]:
    """Lists the files in the folders that the patterns begin with, and what cannot be read."""
    files: list[str] = []
    unread: dict[str, str] = {}
    for start in _starts(card.layout):
        found = find_files(root / start)
        inside = f"{start}/" if start.parts else ""
        files += [f"{inside}{name}" for name in found.files]
        unread |= {path.relative_to(root).as_posix(): why for path, why in found.unread.items()}
    lines = [f"'{printable(path)}' {printable(why)}" for path, why in sorted(unread.items())]
    return sorted(files), lines


class _Matcher:
    """Matches files with patterns, and keeps the names of those that no set can hold."""

    def __init__(self, layout: Layout, wanted: Collection[str] | None) -> None:
        self._layout, self._wanted = layout, wanted
        self._excluded: set[str] = set()
        self.twice: list[str] = []
        self.unwritable: list[str] = []
        self.others: list[str] = []

    def matches(self, pattern: str, files: Iterable[str]) -> Matches:
        """Returns the files that fit a layout pattern, by the values of its placeholders."""
        regex, wanted = pattern_regex(self._layout, pattern), self._wanted
        if "{split}" in self._layout.label and "{split}" not in pattern:
            wanted = None  # the file with its label tells the split of an image
        # A layout's form of ids may have groups of its own, which tell nothing apart.
        names = tuple(sorted({"id", "split", "group", "part"} & {*regex.groupindex}))
        found: dict[str, str] = {}
        for file in files:
            match = regex.fullmatch(file)
            if not match or self._is_excluded(match.groupdict()):
                continue
            if wanted is not None and match.groupdict().get("split", "") not in wanted:
                continue
            key = _BETWEEN.join(match[name] or "" for name in names)
            if pattern.endswith(_ANY_SUFFIX) and not is_image(file):
                self.others.append(file)
            elif _UNWRITABLE & {*map(unicodedata.category, file)}:
                self.unwritable.append(file)
            elif key in found:
                name = f" as '{match['id']}'" if "id" in match.groupdict() else ""
                self.twice.append(f"'{found[key]}' and '{file}' both fit '{pattern}'{name}")
            else:
                found[key] = file
        return Matches(names, found)

    @property
    def not_excluded(self) -> list[str]:
        """The ids that the layout excludes and no matched file had."""
        return [each for each in self._layout.exclude if each not in self._excluded]

    def _is_excluded(self, parts: Mapping[str, str]) -> bool:
        if "id" not in parts:
            return False
        name = FilePair(parts["id"], "", parts.get("group", ""), "", "").sample_id
        if name not in self._layout.exclude:
            return False
        self._excluded.add(name)
        return True


def _alone(
    layout: Layout, root: Path, files: Iterable[str], *, images: Matches, labels: Matches
) -> list[Alone]:
    """Pairs images with labels; returns those without the other half.

    Args:
        layout: the card's layout.
        root: the layout's root.
        files: the files that were found in it.
        images: the images.
        labels: the labels.
    """
    if images.files.keys() == labels.files.keys():
        return []
    paired = images.files.keys() & labels.files.keys()
    known = {side.files[key] for key in paired for side in (images, labels)}
    present = {*files}
    if PurePosixPath() not in _starts(layout):
        # The missing file may lie beside the folders of the patterns.
        present = {*find_files(root).files}
    alone = []
    sides = [(labels, images, layout.image)]
    if not layout.skip_unlabelled:
        sides.insert(0, (images, labels, layout.label))
    for have, lack, pattern in sides:
        near = _Near(present - known - {*have.files.values()})
        for key, file in have.files.items():
            if key not in lack.files:
                expected = pattern.format(**have.parts(key))
                hint = near.to(expected)
                alone.append(Alone(file, expected, hint, have is images))
    return alone


class _Shared(NamedTuple):
    labels: Matches
    alone: list[Alone]
    twice: list[str]
    broken: list[str]


def _shared(layout: Layout, root: Path, *, images: Matches, files: Matches) -> _Shared:
    """Pairs images with the files that have the labels of many images, and list these images."""
    own = set() if "{split}" in layout.image else {"split"}
    files_of = defaultdict(list)
    for key, file in files.files.items():
        files_of[files.without(key, own)].append(file)
    # A file has the placeholders of its images, but for the id, and maybe a split of its own.
    labels_of = {
        image: files_of.get(images.without(key, {"id"}), []) for key, image in images.files.items()
    }
    found = find_listed(layout, root, labels_of)
    alone = []
    if not layout.skip_unlabelled and not found.broken:
        for key, image in images.files.items():
            if image not in found.labelled:
                missing = layout.label.format(**{"split": "*", **images.parts(key)})
                unlisted = tuple(labels_of[image])
                alone.append(Alone(image, missing, "", True, is_shared=True, unlisted=unlisted))
    alone += [Alone(label, name, "", False, is_shared=True) for name, label in found.absent]
    labels = {
        key: found.labelled[image] for key, image in images.files.items() if image in found.labelled
    }
    return _Shared(Matches(images.names, labels), alone, found.twice, found.broken)


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
