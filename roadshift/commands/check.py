"""`roadshift check`: all that is wrong with a data set's files, before any work on them."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadshift.commands.evaluate import TEST_SHARE, VAL_SHARE
from roadshift.commands.output import completion, console, print_json, table
from roadshift.datasets.card import CARD_SUFFIX, Card, card_names, load_card
from roadshift.datasets.detection import card_of_folder
from roadshift.datasets.splits import SplitConfig
from roadshift.errors import RoadshiftError
from roadshift.workers import usable_cores

if TYPE_CHECKING:
    from roadshift.checking.findings import Finding, SetReport


@click.command()
@click.argument("place", metavar="CARD|FOLDER", shell_complete=completion(card_names))
@click.option(
    "--raw", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Folder with the unpacked files of the card's set, such as data/raw/a.",
)  # fmt: skip
@click.option(
    "--split-by", default="official", show_default=True, metavar="SCHEME",
    help="Split scheme, as data.split.by: official, group, random, or one that the card names. "
    "Copies are searched between its splits.",
)  # fmt: skip
@click.option(
    "--split-seed", type=click.IntRange(0), default=0, show_default=True,
    help="Seed of the split, as data.split.seed.",
)  # fmt: skip
@click.option(
    "--most", type=click.IntRange(0), default=20, show_default=True, metavar="N",
    help="Most lines of one kind to list; 0 lists all.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all that was found.")
def command(
    place: str, raw: Path | None, split_by: str, split_seed: int, most: int, as_json: bool
) -> None:
    """Open a whole data set, and list all that is wrong with it.

    The files are those of a card, by its name or by the path of its file, in --raw or in the folder
    that the card names; or those of a FOLDER that a label tool has exported, or that has images/,
    labels/ and encoding.yaml, as the card 'folder' describes it.

    A fault stops the workflow, a warning does not: specks show a label that was resized or saved
    with loss, and near copies in two splits make a score too good. The exit status is 1 if there
    are faults.
    """
    card, folder = find_set(place, raw)
    from roadshift.checking.whole_set import check_set

    # Messages about the folder are not part of what was found.
    with redirect_stdout(sys.stderr):
        split_config = SplitConfig(by=split_by, seed=split_seed, val=VAL_SHARE, test=TEST_SHARE)
        report = check_set(card, folder, split_config=split_config, processes=usable_cores())
    if as_json:
        print_json(_as_json(card, folder, report))
    else:
        _print(card, folder, report, most)
    if report.faults:
        raise RoadshiftError(
            f"{card.name}: {len(report.faults)} faults in {folder}; correct the files, or the card"
        )


def find_set(place: str, raw: Path | None) -> tuple[Card, Path]:
    """Returns the card and the folder that a user names.

    Args:
        place: name of a card, path of a card's file, or path of a folder in the layout of a label
            tool's export or of the card 'folder'.
        raw: folder of the card's files; None for the folder that the card names.

    Raises:
        RoadshiftError: `place` is neither, or the card names no folder.
    """
    if place not in card_names() and Path(place).is_dir():
        if raw is not None:
            raise RoadshiftError(f"'{place}' is a folder; with --raw name a card, such as kitti")
        return card_of_folder(Path(place)), Path(place)
    is_path = bool({"/", "\\"} & {*place}) and not place.endswith(CARD_SUFFIX)
    if place not in card_names() and is_path:
        raise RoadshiftError(f"'{place}' is neither a card nor a folder")
    card = load_card(place)
    if raw is None and card.folder is None:
        raise RoadshiftError(
            f"{card.name}: --raw is missing; name the folder with the set's unpacked files, such "
            "as data/raw/a, where the download stage puts those of role a"
        )
    return card, raw or Path(card.folder or "").expanduser()


def _as_json(card: Card, folder: Path, report: "SetReport") -> dict[str, Any]:
    return {
        "set": card.name,
        "folder": str(folder),
        "images": report.images,
        "splits": report.splits,
        "faults": len(report.faults),
        "warnings": len(report.warnings),
        "findings": [_finding(each) for each in report.findings],
    }


def _finding(finding: "Finding") -> dict[str, Any]:
    content: dict[str, Any] = {
        "kind": finding.kind,
        "fault": finding.is_fault,
        "message": finding.message,
        "files": finding.files,
    }
    if finding.splits:
        content["splits"] = finding.splits
    if finding.pixels:
        content["pixels"] = finding.pixels
    if finding.measure is not None:
        content["measure"] = finding.measure
    return content


def _print(card: Card, folder: Path, report: "SetReport", most: int) -> None:
    from roadshift.checking.findings import FAULTS, KINDS

    out = console()
    splits = ", ".join(f"{split} {number}" for split, number in report.splits.items())
    what = "images with labels" if card.layout.has_labels else "images without labels"
    head = f"{card.name} in {folder}: {report.images} {what} ({splits or 'no splits'})"
    out.print(f"{head}\n", soft_wrap=True)
    by_kind: dict[str, list[Finding]] = {kind: [] for kind in KINDS}
    for finding in report.findings:
        by_kind[finding.kind].append(finding)
    found = {kind: findings for kind, findings in by_kind.items() if findings}
    if not found:
        out.print("Nothing is wrong.")
        return
    grid = table("", "what", "number", whole=["number"])
    for kind, findings in found.items():
        grid.add_row("fault" if kind in FAULTS else "warning", KINDS[kind], str(len(findings)))
    out.print(grid)
    for kind, findings in found.items():
        out.print(f"\n{KINDS[kind]}:")
        for line in _lines(findings, most):
            # A file's name stays in one piece, to be copied.
            out.print(f"  {line}", soft_wrap=True)


def _lines(findings: Sequence["Finding"], most: int) -> list[str]:
    shown = findings[:most] if most else findings
    lines = [line for finding in shown for line in finding.message.split("\n")]
    if rest := len(findings) - len(shown):
        lines.append(f"and {rest} more; --most 0 lists all")
    return lines
