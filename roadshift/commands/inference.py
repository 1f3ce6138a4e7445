"""The options of commands that run a network on whole pictures."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import click

_OPTIONS = (
    click.option(
        "--max-height", type=click.IntRange(0), default=384, show_default=True, metavar="PIXELS",
        help="Taller pictures are scaled down to it for the network, as data.max_height; "
        "0 = never.",
    ),
    click.option(
        "--max-pixels", type=click.IntRange(2**18), default=2**21, show_default=True,
        help="Pixels that pass through the network at once; larger pictures do in tiles.",
    ),
    click.option(
        "--flip", is_flag=True,
        help="See each picture mirrored, too, and average the two, as evaluate.flip.",
    ),
    click.option(
        "--scale", "scales", type=click.FloatRange(0.25, 4), multiple=True, default=[1.0],
        show_default=True, metavar="FACTOR",
        help="Size to see a picture at; repeat it to average several, as evaluate.scales.",
    ),
)  # fmt: skip


def inference_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--max-height`, `--max-pixels`, `--flip` and `--scale`.

    The command gets `max_height`, `max_pixels` (int), `flip` (bool) and `scales` (floats).
    """
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)
