"""Options of the commands that run a network on whole images."""

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

    from roadshift.inference.trained_network import TrainedNetwork

_OPTIONS = (
    click.option(
        "--max-height", type=click.IntRange(0), metavar="PIXELS",
        help="Scale taller images down to this height for the network; 0 = never.  [default: as "
        "the network was trained]",
    ),
    click.option(
        "--max-pixels", type=click.IntRange(2**18), default=2**21, show_default=True,
        help="Limit on the pixels that pass through the network at once; larger images pass in "
        "tiles.",
    ),
    click.option(
        "--tta-flip/--no-tta-flip", default=None,
        help="Average over a mirrored view of each image.  [default: as the network was scored]",
    ),
    click.option(
        "--tta-scale", "tta_scales", type=click.FloatRange(0.25, 4), multiple=True,
        metavar="FACTOR",
        help="Average over views scaled by this factor; repeat it for several.  [default: as the "
        "network was scored]",
    ),
)  # fmt: skip


def inference_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--max-height`, `--max-pixels`, `--tta-flip` and `--tta-scale`.

    The command gets `max_height` (int or None), `max_pixels` (int), `tta_flip` (bool or None) and
    `tta_scales` (floats, empty where the option is not given).
    """
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def load_for_inference(
    model: "Path",
    *,
    max_height: int | None,
    tta_flip: bool | None,
    tta_scales: tuple[float, ...],
) -> "TrainedNetwork":
    """Reads a network; options replace its own inference settings.

    Raises:
        RoadshiftError: as for `load_trained_network`.
    """
    from dataclasses import replace

    from roadshift.inference.trained_network import load_trained_network

    trained = load_trained_network(model, max_height=max_height)
    update: dict[str, Any] = {} if tta_flip is None else {"tta_flip": tta_flip}
    if tta_scales:
        update["tta_scales"] = tta_scales
    return replace(trained, inference=trained.inference.model_copy(update=update))
