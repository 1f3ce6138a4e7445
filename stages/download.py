"""Puts a role's data set, as its publisher lays it out, under data/raw/."""

import os

from roadshift.datasets.card import load_card
from roadshift.datasets.download import download_set
from roadshift.datasets.fetch import MIRROR_VARIABLE, Places
from roadshift.outputs import whole_folder
from stages.entry import run
from stages.params import Params
from stages.paths import BY_HAND, RAW, downloads


def main(params: Params, role: str) -> None:
    """Fetch and unpack the data set of a role, or draw it where it is synthetic."""
    card = load_card(params.domains[role])
    print(f"{role}: {card.title} ({card.publisher}; licence: {card.licence})")
    places = Places(BY_HAND, downloads(role), os.environ.get(MIRROR_VARIABLE))
    with whole_folder(RAW / role) as folder:
        download_set(card, folder, places, os.cpu_count() or 1)


if __name__ == "__main__":
    run(main, "role")
