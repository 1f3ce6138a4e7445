"""Putting a data set's files, as its publisher lays them out, into a folder."""

from pathlib import Path
from tempfile import TemporaryDirectory

from roadshift.datasets.archives import unpack
from roadshift.datasets.card import Card
from roadshift.datasets.fetch import fetch
from roadshift.datasets.own import copy_set
from roadshift.datasets.synthetic.write import draw_set


def download_set(card: Card, folder: Path, mirror: str | None, processes: int) -> None:
    """Fetches and unpacks a set, draws it, copies it, or has TFDS get it, as its card says.

    Args:
        card: the set's card.
        folder: an existing folder for the publisher's files.
        mirror: a folder or URL with archives and a `SHA256SUMS`, preferred to the publisher.
        processes: how many pictures are drawn at once.

    Raises:
        RoadshiftError: an archive, folder or TFDS set is not to be had, or not sound.
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
    for archive in card.files:
        # In the folder, so that a large download lands on its disk, and goes with it if the
        # process is killed; one at a time, so that no two lie there.
        with TemporaryDirectory(dir=folder, prefix=".archive.") as scratch:
            file = fetch(archive, Path(scratch), mirror)
            unpack(file, folder, card.layout.root, archive.unpacked_megabytes * 1_000_000)
