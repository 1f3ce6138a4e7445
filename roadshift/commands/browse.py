"""`roadshift browse`: a contact sheet of pictures and labels."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from roadshift.commands.output import completion
from roadshift.datasets.splits import SPLITS
from roadshift.errors import RoadshiftError
from roadshift.outputs import whole_file
from roadshift.settings import nearest

if TYPE_CHECKING:
    from roadshift.records.reader import ShardSet

SHARDS = Path("data/shards")
"""Where the workflow keeps a role's shards, below the project's folder."""


def _roles() -> list[str]:
    return sorted(folder.name for folder in SHARDS.glob("*") if folder.is_dir())


@click.command()
@click.argument("place", metavar="ROLE|FOLDER", shell_complete=completion(_roles))
@click.option(
    "--n",
    "number",
    type=click.IntRange(1, 500),
    default=16,
    show_default=True,
    help="How many pictures.",
)
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="Of which split; the first that there is.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Which pictures."
)
@click.option("--over", is_flag=True, help="Labels over the pictures instead of beside them.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.png",
    help="The file to write; browse-ROLE-SPLIT.png where none is given.",
)  # fmt: skip
def command(
    place: str, number: int, split: str | None, seed: int, over: bool, out: Path | None
) -> None:
    """Draw a contact sheet of pictures with their labels, and each class's share as legend.

    Of a role of the workflow (a, b, target), in the project's folder, or of a folder of shards.
    """
    if out is not None and out.suffix.lower() != ".png":
        raise click.BadParameter(f"'{out}' does not end in .png", param_hint="--out")
    folders = _shard_folders(place)
    # TensorFlow takes seconds to come, and is talkative.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from roadshift.pictures.label_sheet import label_sheet
    from roadshift.records.reader import open_shards

    sets: dict[str, ShardSet] = {}
    for shards in map(open_shards, folders):
        sets |= {each: shards for each in SPLITS if shards.count(each)}
    chosen = split or next((each for each in SPLITS if each in sets), "train")
    if chosen not in sets:
        there = ", ".join(each for each in SPLITS if each in sets) or "none"
        raise RoadshiftError(f"{place}: no pictures in split '{chosen}'; splits there: {there}")
    sheet = label_sheet(sets[chosen], chosen, number, seed, over)
    file = out or Path(f"browse-{Path(place).resolve().name}-{chosen}.png")
    with whole_file(file) as partial:
        sheet.save(partial, "PNG")
    click.echo(file)


def _shard_folders(place: str) -> list[Path]:
    folder = SHARDS / place if (SHARDS / place).is_dir() else Path(place)
    parts = [part for part in (folder / "trainval", folder / "test") if part.is_dir()]
    if parts or (folder / "dataset_info.json").is_file():
        return parts or [folder]
    if folder.is_dir():
        raise RoadshiftError(f"{folder}: no shards in it; name a role or a folder of shards")
    known = _roles()
    hint = nearest(place, known) if known else f"; there are no roles in {SHARDS}, run `dvc repro`"
    raise RoadshiftError(f"'{place}' is neither a role nor a folder of shards{hint}")
