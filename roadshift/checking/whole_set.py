"""The check of a whole data set: its files, its labels' values, and copies between splits."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

from roadshift.checking.files import Files, Inspection, inspect_files
from roadshift.checking.findings import KINDS, Finding, SetReport
from roadshift.checking.near_copies import Thumbnail, find_near_copies
from roadshift.datasets.card import Card
from roadshift.datasets.encoding import shown_value
from roadshift.datasets.file_pairs import Pairing
from roadshift.datasets.label_readers import label_reader
from roadshift.datasets.native_label import KEPT_VALUES, LabelReader
from roadshift.datasets.pairing import find_pairs, no_label
from roadshift.datasets.samples import (
    Sample,
    samples_of,
    split_samples,
    unexpected_counts,
    wanted_splits,
)
from roadshift.datasets.splits import SPLITS, SplitConfig
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar
from roadshift.settings import printable
from roadshift.workers import parallel_map


def check_set(card: Card, folder: Path, *, split_config: SplitConfig, processes: int) -> SetReport:
    """Opens every image and label of a set, and lists all that is wrong with it.

    Args:
        card: the set's card.
        folder: folder with the set's files, in the layout of its publisher.
        split_config: how the set is split; copies are searched between its splits.
        processes: number of images that are opened in parallel.

    Raises:
        RoadshiftError: there is no such folder, the card has no such split scheme, or a process
            was killed.
    """
    if not folder.is_dir():
        raise RoadshiftError(f"{folder}: there is no such folder")
    pairing = find_pairs(card, folder, wanted_splits(card, split_config))
    findings: list[Finding] = []
    reader = None
    try:
        reader = label_reader(card, card.table_in(folder), folder)
    except RoadshiftError as error:
        findings.append(Finding("encoding", str(error)))
    # A JSON file may hold the encoding and the labels; it is told once.
    told = [finding.message for finding in findings]
    findings += [each for each in _of_pairing(card, pairing) if each.message not in told]
    samples = samples_of(card, pairing.pairs)
    splits: dict[str, int] = {}
    try:
        samples = split_samples(card, samples, split_config, folder=folder)
        count = Counter(sample.split for sample in samples)
        splits = {split: count[split] for split in SPLITS if count[split]}
    except RoadshiftError as error:
        # Without images this would only repeat what is told already.
        if samples:
            findings.append(Finding("split", _without_name(card, error)))
    files = [*_files(card, pairing, samples, splits)]
    inspections = _inspect(card, folder, files, reader=reader, processes=processes)
    findings += [finding for each in inspections for finding in each.findings]
    if reader is not None:
        findings += _unknown_values(reader, inspections)
    findings += _duplicates(inspections)
    findings += _near_copies(inspections)
    order = [*KINDS]
    return SetReport(
        images=len(samples),
        splits=splits,
        findings=sorted(findings, key=lambda finding: order.index(finding.kind)),
    )


def _of_pairing(card: Card, pairing: Pairing) -> Iterator[Finding]:
    for line in pairing.unread:
        yield Finding("unreadable_folder", line)
    for line in pairing.broken:
        yield Finding("unreadable_label", line)
    for name in pairing.unwritable:
        yield Finding("name", repr(name))
    for line in pairing.twice:
        yield Finding("twice", line)
    if not pairing.images:
        yield Finding("no_image", f"no image fits '{card.layout.root}/{card.layout.image}'")
    if pairing.has_no_label:
        yield Finding("no_label", no_label(card.layout))
    for name in pairing.not_excluded:
        yield Finding("exclude", f"'{name}' is the id of no image")
    for alone in pairing.alone:
        kind = "image_without_label" if alone.is_image else "label_without_image"
        yield Finding(kind, f"{alone}{alone.hint}", (card.layout.in_set(alone.file),))
    if pairing.unlabelled:
        yield Finding("left_out", f"{pairing.unlabelled} images that have no label")
    for line in unexpected_counts(card, pairing.pairs):
        yield Finding("count", line)
    for file in pairing.others:
        message = f"'{printable(file)}' is not an image"
        yield Finding("left_out", message, (card.layout.in_set(file),))


def _without_name(card: Card, error: RoadshiftError) -> str:
    return str(error).removeprefix(f"{card.name}: ").removeprefix(f"{card.name}, ")


def _files(
    card: Card, pairing: Pairing, samples: Iterable[Sample], splits: Mapping[str, int]
) -> Iterator[Files]:
    """Yields the files to open: pairs, and files without the other half."""
    for sample in samples:
        # Without splits the samples have the publisher's names of them.
        yield Files(sample.image, sample.label, sample.split if splits else "")
    for alone in pairing.alone:
        if alone.is_shared and not alone.is_image:
            continue
        file = card.layout.in_set(alone.file)
        yield Files(file, "") if alone.is_image else Files("", file)


def _inspect(
    card: Card,
    folder: Path,
    files: Sequence[Files],
    *,
    reader: LabelReader | None,
    processes: int,
) -> list[Inspection]:
    inspect = partial(inspect_files, folder=folder, reader=reader)
    inspections = []
    with (
        parallel_map(inspect, files, processes) as results,
        progress_bar(f"check {card.name}", "image", len(files)) as progress,
    ):
        for inspection in results:
            inspections.append(inspection)
            progress.update()
    return inspections


def _unknown_values(reader: LabelReader, inspections: Iterable[Inspection]) -> Iterator[Finding]:
    """Yields a finding for each value that the encoding lacks, the most frequent first."""
    pixels: dict[int | str, dict[str, int]] = defaultdict(dict)
    for each in inspections:
        file = each.files.image if reader.is_shared else each.files.label
        for value, count in each.unknown.items():
            pixels[value][file] = count
    totals = Counter({value: sum(by_file.values()) for value, by_file in pixels.items()})
    for value, total in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:KEPT_VALUES]:
        by_file = dict(sorted(pixels[value].items(), key=lambda item: (-item[1], item[0])))
        labels = f"{len(by_file)} label{'s' * (len(by_file) > 1)}"
        first = next(iter(by_file))
        message = f"{shown_value(reader.kind, value)}: {total} pixels in {labels}, most in {first}"
        yield Finding("unknown_value", message, (*by_file,), pixels=by_file)
    if (rest := len(totals) - KEPT_VALUES) > 0:
        yield Finding("unknown_value", f"and at least {rest} more values")


def _duplicates(inspections: Iterable[Inspection]) -> Iterator[Finding]:
    """Yields a finding for each group of images with the same pixels."""
    by_digest: dict[bytes, list[Files]] = defaultdict(list)
    for each in inspections:
        # Blank images are told as such.
        if each.thumbnail is not None and not each.thumbnail.is_blank:
            by_digest[each.thumbnail.digest].append(each.files)
    for group in by_digest.values():
        if len(group) > 1:
            message = " = ".join(_with_split(files) for files in group)
            yield Finding(
                "duplicate",
                message,
                tuple(files.image for files in group),
                tuple(files.split for files in group),
            )


def _near_copies(inspections: Iterable[Inspection]) -> Iterator[Finding]:
    """Yields a finding for each image that has a near copy in an earlier split."""
    by_split: dict[str, list[tuple[Files, Thumbnail]]] = {split: [] for split in SPLITS}
    for each in inspections:
        if each.thumbnail is not None and each.files.split and not each.thumbnail.is_blank:
            by_split[each.files.split].append((each.files, each.thumbnail))
    for earlier, later in combinations(SPLITS, 2):
        images, others = by_split[later], by_split[earlier]
        found = find_near_copies([image for _, image in images], [image for _, image in others])
        for index, other, correlation in found:
            copy, of = images[index][0], others[other][0]
            yield Finding(
                "near_copy",
                f"{_with_split(copy)} ~ {_with_split(of)}, correlation {correlation:.2f}",
                (copy.image, of.image),
                (copy.split, of.split),
                measure=round(correlation, 3),
            )


def _with_split(files: Files) -> str:
    return f"{files.image} ({files.split})" if files.split else files.image
