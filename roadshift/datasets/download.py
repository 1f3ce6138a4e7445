"""Putting a data set's files, as its publisher lays them out, into a folder."""

import shutil
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from threading import Event

from roadshift.datasets.archives import unpack
from roadshift.datasets.card import Card
from roadshift.datasets.fetch import Places, Source, fetch, locate
from roadshift.datasets.own import copy_set
from roadshift.datasets.synthetic.write import draw_set
from roadshift.datasets.transfer import PATIENCE, Patience

AT_ONCE = 4
"""Downloads that run side by side; more would be a burden to a publisher's server."""


def download_set(
    card: Card, folder: Path, places: Places, processes: int, patience: Patience = PATIENCE
) -> None:
    """Fetches and unpacks a set, draws it, copies it, or has TFDS get it, as its card says.

    All archives are fetched before the first is unpacked, and what was downloaded is removed when
    the last one is: a failure or an interruption costs no byte that has come, and a finished set
    does not lie on the disk twice. Files in a mirror's folder and those put there by hand are
    read where they are, and stay.

    Args:
        card: the set's card.
        folder: an existing folder for the publisher's files.
        places: where archives are looked for, and where downloads are kept.
        processes: how many pictures are drawn at once.
        patience: bounds on the waiting of downloads.

    Raises:
        RoadshiftError: an archive, folder or TFDS set is not to be had, or not sound; or the disk
            is too small.
    """
    if card.world is not None:
        draw_set(card.world, card.samples, card.seed, folder, processes)
        return
    if card.folder is not None:
        copy_set(card, Path(card.folder).expanduser(), folder)
        return
    if card.tfds is not None:
        # Here, since it imports TensorFlow, which takes seconds.
        from roadshift.datasets.export import export_set

        export_set(card.tfds, card.splits.published, folder)
        return
    files = _fetch_all(locate(card.files, places, patience), places, patience)
    for archive in card.files:
        limit = archive.unpacked_megabytes * 1_000_000
        unpack(files[archive.name], folder, card.layout.root, limit)
    shutil.rmtree(places.downloads, ignore_errors=True)


def _fetch_all(sources: list[Source], places: Places, patience: Patience) -> dict[str, Path]:
    stop = Event()
    # Threads of this pool are daemons: one that waits for a silent server does not hold up the
    # end of the process after an error or Ctrl-C.
    with ThreadPool(min(AT_ONCE, len(sources))) as pool:
        try:
            one = partial(_fetch_one, places=places, patience=patience, stop=stop)
            # As they come, so that the first error ends the others too.
            return dict(pool.imap_unordered(one, sources))
        finally:
            stop.set()


def _fetch_one(source: Source, places: Places, patience: Patience, stop: Event) -> tuple[str, Path]:
    return source.archive.name, fetch(source, places, patience, stop)
