"""`roadshift browse`: a contact sheet of pictures and labels."""

from pathlib import Path

import click

from roadshift.commands.output import completion, quieten_tensorflow
from roadshift.commands.shards import open_splits, roles, shard_folders
from roadshift.datasets.splits import SPLITS
from roadshift.errors import RoadshiftError
from roadshift.outputs import whole_file


@click.command()
@click.argument("place", metavar="ROLE|FOLDER", shell_complete=completion(roles))
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
    folders = shard_folders(place)
    quieten_tensorflow()
    from roadshift.pictures.label_sheet import label_sheet

    sets = open_splits(folders)
    chosen = split or next((each for each in SPLITS if each in sets), "train")
    if chosen not in sets:
        there = ", ".join(each for each in SPLITS if each in sets) or "none"
        raise RoadshiftError(f"{place}: no pictures in split '{chosen}'; splits there: {there}")
    sheet = label_sheet(sets[chosen], chosen, number, seed, over)
    file = out or Path(f"browse-{Path(place).resolve().name}-{chosen}.png")
    with whole_file(file) as partial:
        sheet.save(partial, "PNG")
    click.echo(file)
