"""Writes a role's data set to data/raw/, in its publisher's layout."""

import os

from roadshift.atomic import atomic_folder
from roadshift.datasets.card import load_card
from roadshift.download.dataset import download_dataset
from roadshift.download.fetch import MIRROR_VARIABLE, Places
from roadshift.workers import usable_cores
from stages.entry import run
from stages.params import Params
from stages.paths import BY_HAND, RAW, downloads


def main(params: Params, role: str) -> None:
    """Fetch and unpack the data set of a role, or draw it if it is synthetic."""
    card = load_card(params.domains[role])
    print(f"{role}: {card.title} ({card.publisher}; licence: {card.licence})")
    places = Places(BY_HAND, downloads(role), os.environ.get(MIRROR_VARIABLE))
    with atomic_folder(RAW / role) as folder:
        download_dataset(card, folder, places=places, processes=usable_cores())


if __name__ == "__main__":
    run(main, "role")
