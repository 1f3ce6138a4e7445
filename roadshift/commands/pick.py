"""`roadshift pick`: which images without labels to label first, with drafts of their labels."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadshift.atomic import atomic_folder
from roadshift.commands.estimate import estimate_set, load_for_estimates, raise_failures
from roadshift.commands.image_sets import images_of
from roadshift.commands.output import console, print_json, table
from roadshift.errors import RoadshiftError
from roadshift.scoring.numbers import percent

if TYPE_CHECKING:
    import numpy as np

    from roadshift.estimation.images import ImageEstimate
    from roadshift.estimation.network import EstimatingNetwork
    from roadshift.estimation.picking import Choice
    from roadshift.taxonomy import Taxonomy

CHOICES: "dict[str, Choice]" = {
    "typical": "typical",
    "weighed": "weighed",
    "uncertain": "uncertain",
    "random": "random",
}
REASONS = {
    "typical": "typical of a group of images that look alike to the network",
    "weighed": "typical of a group of images with large expected errors",
    "uncertain": "the largest expected error of the images that are left",
    "random": "drawn at random",
}


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.keras")
@click.argument("place", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER")
@click.option(
    "--n", "number", type=click.IntRange(1), default=5, show_default=True,
    help="Number of images to pick.",
)  # fmt: skip
@click.option(
    "--choice", type=click.Choice([*CHOICES]), default="typical", show_default=True,
    help="typical: of groups that look alike, the middle of each, the largest group first; "
    "weighed: the same of the groups with the largest expected errors; uncertain: the largest "
    "expected errors; random: by --seed.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True,
    help="Seed of the random choices.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("picked"),
    show_default=True, metavar="FOLDER", help="New folder to write to.",
)  # fmt: skip
@click.option(
    "--max-pixels", type=click.IntRange(2**18), default=2**21, show_default=True,
    help="Limit on the pixels that pass through the network at once; larger images pass in tiles.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    model: Path,
    place: Path,
    number: int,
    choice: str,
    seed: int,
    out: Path,
    max_pixels: int,
    as_json: bool,
) -> None:
    """Pick the images to label first, and write them with drafts of their labels.

    The folder has the layout of the card 'folder': images/, labels/ with the network's predictions
    as grey ids of its taxonomy, and encoding.yaml with their meaning; picked.json says why each
    image was picked. Correct the labels, and the folder is a data set: put it at data/own.

    It needs MODEL.estimate.json beside the network, as `roadshift estimate` does. The exit status
    is 1 if an image fails; it is picked from the others all the same.
    """
    if out.exists():
        raise RoadshiftError(f"{out}: is already there; name another folder with --out")
    images = images_of(place)
    # Images in subfolders alone would be found all the same.
    if out.resolve().is_relative_to(_base(place).resolve()):
        raise RoadshiftError(
            f"{out}: lies in the folder of the images, where the next run would take it for more; "
            "name another folder with --out"
        )
    # Before hours are spent on the images; some may fail and leave fewer.
    if number > len(images):
        raise RoadshiftError(f"{place}: holds {len(images)} images; pick no more with --n")
    network, profile = load_for_estimates(model, max_pixels)
    found = estimate_set(network, profile, images, "look at")
    if not found.images:
        raise RoadshiftError(*list(found.failed.values())[:1])
    import numpy as np

    from roadshift.estimation.picking import pick

    places = pick(
        CHOICES[choice],
        [image.name for image in found.images],
        number=number,
        seed=seed,
        features=np.stack([image.features for image in found.images]),
        errors=np.array([1 - image.accuracy for image in found.images]),
    )
    picked = [found.images[place] for place in places]
    content: dict[str, Any] = {
        "model": str(model),
        "taxonomy": profile.taxonomy,
        "choice": choice,
        "reason": REASONS[choice],
        "seed": seed,
        "of": len(found.images),
        "picked": [],
        "failed": found.failed,
    }
    with atomic_folder(out) as folder:
        content["picked"] += _write(folder, picked, network, _base(place))
        # Escaped, since a name may have bytes that are no UTF-8.
        text = json.dumps(content, indent=1)
        (folder / "picked.json").write_text(text + "\n", "utf-8")
    if as_json:
        print_json(content)
    else:
        _print(content, out)
    raise_failures(found.failed, of=len(images))


def _base(place: Path) -> Path:
    return inner if (inner := place / "images").is_dir() else place


def _write(
    folder: Path, picked: "list[ImageEstimate]", network: "EstimatingNetwork", base: Path
) -> list[dict[str, Any]]:
    """Writes the images, drafts of their labels and the encoding; returns a row an image."""
    import yaml

    from roadshift.datasets.images import read_any_image

    rows: list[dict[str, Any]] = []
    taken: set[str] = set()
    for image in picked:
        file = Path(image.name)
        name = _free_name(file.relative_to(base), taken)
        pixels = read_any_image(file)
        kept = folder / "images" / f"{name}{file.suffix}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept = _copy(file, kept, pixels)
        label = folder / "labels" / f"{name}.png"
        label.parent.mkdir(parents=True, exist_ok=True)
        _draft(pixels, network, label)
        rows.append(
            {
                "image": image.name,
                "written": kept.relative_to(folder).as_posix(),
                "label_draft": label.relative_to(folder).as_posix(),
                "expected_accuracy": round(image.accuracy, 4),
                "distance": round(image.distance, 3),
            }
        )
    text = yaml.safe_dump(encoding_of(network.taxonomy), sort_keys=False, default_flow_style=None)
    head = "# Drafts by a network: correct the labels. A value is a class of its taxonomy.\n"
    (folder / "encoding.yaml").write_text(head + text, "utf-8")
    return rows


def _free_name(relative: Path, taken: set[str]) -> str:
    """Returns a name without a suffix that a data set can hold and no other image has."""
    name = _printable(relative.with_suffix("").as_posix())
    if name.casefold() in taken:
        name = _printable(relative.as_posix().replace(".", "_"))
    while name.casefold() in taken:
        name += "_"
    taken.add(name.casefold())
    return name


def _printable(name: str) -> str:
    """Puts `_` in the place of line breaks, and of bytes that are no UTF-8."""
    return "".join(each if each.isprintable() else "_" for each in name)


def _copy(file: Path, kept: Path, pixels: "np.ndarray") -> Path:
    """Copies an image, or saves it as PNG where the workflow would read other pixels."""
    import numpy as np
    from PIL import Image

    from roadshift.datasets.images import read_image

    try:
        same = np.array_equal(read_image(file), pixels)
    except RoadshiftError:
        same = False
    if same:
        shutil.copyfile(file, kept)
        return kept
    kept = kept.with_name(f"{kept.name.removesuffix(kept.suffix)}.png")
    Image.fromarray(pixels).save(kept, "PNG")
    return kept


def _draft(image: "np.ndarray", network: "EstimatingNetwork", file: Path) -> None:
    import numpy as np
    from PIL import Image

    ids = np.empty(image.shape[:2], np.uint8)
    for part in network.parts(image):
        ids[part.rows, part.columns] = part.probabilities.argmax(-1)
    Image.fromarray(ids).save(file, "PNG")


def encoding_of(taxonomy: "Taxonomy") -> dict[str, Any]:
    """Returns the encoding of label drafts: each class id of a taxonomy, and what to ignore."""
    values: list[list[Any]] = [
        [class_id, entry.members[0]] for class_id, entry in enumerate(taxonomy.classes.values())
    ]
    if "unlabelled" in taxonomy.ignored:
        values.append([255, "unlabelled"])
    return {"kind": "grey", "source": f"the classes of roadshift's taxonomy {taxonomy.name}",
            "values": values}  # fmt: skip


def _print(content: dict[str, Any], out: Path) -> None:
    shown = console()
    picked = content["picked"]
    shown.print(f"{len(picked)} of {content['of']} images, {content['choice']}:\n")
    grid = table("image", "expected accuracy %", "distance", paths=True)
    for row in picked:
        grid.add_row(row["image"], percent(row["expected_accuracy"]), f"{row['distance']:.1f}")
    shown.print(grid)
    shown.print(
        f"\n{out}: the images, drafts of their labels and encoding.yaml. Correct the labels, then "
        "put the folder at data/own and name the card 'folder'.",
        soft_wrap=True,
    )
