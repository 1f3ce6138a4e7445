"""`roadshift browse`: a contact sheet of images and labels."""

from pathlib import Path

import click

from roadshift.atomic import atomic_file
from roadshift.commands.output import completion
from roadshift.commands.shards import open_splits, roles, shard_folders
from roadshift.datasets.splits import SPLITS
from roadshift.errors import RoadshiftError


@click.command()
@click.argument("place", metavar="ROLE|FOLDER", shell_complete=completion(roles))
@click.option(
    "--n",
    "number",
    type=click.IntRange(1, 500),
    default=16,
    show_default=True,
    help="Number of images.",
)
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    help="Split to show; the first that has images where none is given.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True,
    help="Seed of the choice of images.",
)  # fmt: skip
@click.option("--over", is_flag=True, help="Draw labels over the images instead of beside them.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.png",
    help="File to write; browse-ROLE-SPLIT.png where none is given.",
)  # fmt: skip
def command(
    place: str, number: int, split: str | None, seed: int, over: bool, out: Path | None
) -> None:
    """Draw a contact sheet of images with their labels, and a legend with each class's share.

    The images come from a role of the workflow (a, b, target), in the project's folder, or from a
    folder of shards.
    """
    if out is not None and out.suffix.lower() != ".png":
        raise click.BadParameter(f"'{out}' does not end in .png", param_hint="--out")
    folders = shard_folders(place)
    from roadshift.pictures.label_sheet import label_sheet

    sets = open_splits(folders)
    chosen = split or next((each for each in SPLITS if each in sets), "train")
    if chosen not in sets:
        known = ", ".join(each for each in SPLITS if each in sets) or "none"
        raise RoadshiftError(
            f"{place}: no images in split '{chosen}'; splits that have images: {known}"
        )
    sheet = label_sheet(sets[chosen], chosen, number=number, seed=seed, over=over)
    file = out or Path(f"browse-{Path(place).resolve().name}-{chosen}.png")
    with atomic_file(file) as partial:
        sheet.save(partial, "PNG")
    click.echo(file)
