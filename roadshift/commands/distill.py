"""`roadshift distill`: one network from several, adapted to images without labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from roadshift.commands.image_sets import images_of
from roadshift.commands.output import print_json
from roadshift.errors import RoadshiftError, listed
from roadshift.scoring.numbers import percent

if TYPE_CHECKING:
    from roadshift.inference.trained_network import TrainedNetwork

SUFFIX = ".keras"


@click.command()
@click.argument(
    "models", nargs=-1, required=True, type=click.Path(path_type=Path),
    metavar="MODEL.keras [MODEL.keras ...]",
)  # fmt: skip
@click.argument("place", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE.keras",
    help="File to write the student to.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(1), default=120, show_default=True, help="Number of steps."
)
@click.option(
    "--batch-size", type=click.IntRange(1, 4096), default=4, show_default=True,
    help="Number of images in a step.",
)  # fmt: skip
@click.option(
    "--learning-rate", type=click.FloatRange(0, 1, min_open=True), default=3e-4,
    show_default=True, help="Learning rate of the first step; it falls to 0.",
)  # fmt: skip
@click.option(
    "--threshold", type=click.FloatRange(0, 1, max_open=True), default=0.5, show_default=True,
    help="Confidence of the networks together below which a pixel does not count.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True,
    help="Seed of order and augmentation.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    models: tuple[Path, ...],
    place: Path,
    out: Path,
    steps: int,
    batch_size: int,
    learning_rate: float,
    threshold: float,
    seed: int,
    as_json: bool,
) -> None:
    """Adapt a network to images without labels, taught by several networks.

    The student begins as the first MODEL. It learns what all of them predict together, averaged
    over mirrored and scaled views of the FOLDER's images, and counts a pixel by how sure they are.
    Batch-norm statistics stay those of the sources. One MODEL alone teaches itself.

    Images that are to be scored later must not be in the folder. `roadshift estimate` does not know
    the student: what the sources say of the first MODEL's confidence is not true of it.
    """
    _check_out(out, models)
    files = images_of(place)
    if len(files) < batch_size:
        raise RoadshiftError(
            f"{place}: {len(files)} image{'s' * (len(files) != 1)}, fewer than a batch of "
            f"{batch_size}; name a folder with more, or give a smaller --batch-size"
        )
    from roadshift.determinism import enable_determinism

    enable_determinism(seed)
    from roadshift.datasets.images import read_any_image
    from roadshift.inference.trained_network import load_trained_network
    from roadshift.networks.files import save_network
    from roadshift.progress import progress_bar
    from roadshift.training.distillation import (
        DistillationSettings,
        crop_size,
        distil,
        draw_crops,
    )

    teachers = _load(models)
    student = load_trained_network(models[0])
    size = crop_size(_sizes(files), student.inference.max_height)
    settings = DistillationSettings(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        threshold=threshold,
        max_height=student.inference.max_height,
        seed=seed,
    )
    names = [file.relative_to(place).as_posix() for file in files]
    crops = draw_crops(names, lambda name: read_any_image(place / name), size, settings)
    with progress_bar("distill", "image", steps * batch_size) as progress:

        def done(loss: float) -> None:
            progress.set_postfix(loss=f"{loss:.3f}", refresh=False)
            progress.update(batch_size)

        networks = [teacher.network for teacher in teachers]
        results = distil(student.network, networks, crops, settings, done)
    save_network(student.network, out, student.inference)
    tenth = max(1, steps // 10)
    content: dict[str, Any] = {
        "out": str(out),
        "models": [str(model) for model in models],
        "images": len(files),
        "steps": steps,
        "first_loss": round(_mean([each.loss for each in results[:tenth]]), 4),
        "last_loss": round(_mean([each.loss for each in results[-tenth:]]), 4),
        "counted": round(_mean([each.counted for each in results]), 4),
    }
    if as_json:
        print_json(content)
        return
    click.echo(
        f"{out}: from {len(models)} network{'s' * (len(models) != 1)} on {len(files)} images, "
        f"{percent(content['counted'])} % of the pixels counted; loss {content['first_loss']:.3f} "
        f"in the first tenth of the steps, {content['last_loss']:.3f} in the last"
    )


def _check_out(out: Path, models: Sequence[Path]) -> None:
    if out.suffix != SUFFIX:
        raise RoadshiftError(f"{out}: does not end in {SUFFIX}; name the student's file so")
    if any(out.resolve() == model.resolve() for model in models):
        raise RoadshiftError(f"{out}: is one of the networks that teach; give another --out")


def _load(models: Sequence[Path]) -> "list[TrainedNetwork]":
    """Reads the teachers, which see images of one size and know the same classes."""
    from roadshift.inference.trained_network import load_trained_network

    found = [load_trained_network(model) for model in models]
    for model, trained in zip(models[1:], found[1:], strict=True):
        what = {
            "taxonomy": (found[0].taxonomy.name, trained.taxonomy.name),
            "data.max_height": (found[0].inference.max_height, trained.inference.max_height),
        }
        for key, (first, other) in what.items():
            if first != other:
                raise RoadshiftError(
                    f"{model}: {key} is {other}, but {first} in {models[0]}; "
                    "give networks that have the same"
                )
    return found


def _sizes(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Returns height and width of each image; all are read, so that none fails in mid-training."""
    from roadshift.datasets.images import read_any_image
    from roadshift.prediction.predictor import failure_reason
    from roadshift.progress import progress_bar

    sizes, faults = list[tuple[int, int]](), list[str]()
    with progress_bar("look at", "image", len(files)) as progress:
        for file in files:
            try:
                height, width, _ = read_any_image(file).shape
                sizes.append((height, width))
            # Whatever a file of a user makes a library raise, the error names the file.
            except Exception as error:
                faults.append(failure_reason(file, error))
            progress.update()
    if len(faults) == 1:
        raise RoadshiftError(*faults)
    if faults:
        head = f"{len(faults)} of {len(files)} images cannot be read; replace or remove them"
        raise RoadshiftError(listed(head, faults))
    return sizes


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
