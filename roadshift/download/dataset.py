"""Download of a data set into a folder, in the publisher's layout."""

import shutil
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from threading import Event

from roadshift.datasets.card import Card
from roadshift.datasets.used_files import UsedFiles
from roadshift.download.archives import unpack
from roadshift.download.fetch import ArchiveLocation, Places, fetch, locate
from roadshift.download.http import RETRY_POLICY, RetryPolicy
from roadshift.download.local_folder import copy_set
from roadshift.errors import RoadshiftError
from roadshift.synthetic.world import load_world
from roadshift.synthetic.write import draw_set

AT_ONCE = 4
"""Number of parallel downloads; more would burden a publisher's server."""


def download_dataset(
    card: Card,
    folder: Path,
    *,
    places: Places,
    processes: int,
    retry_policy: RetryPolicy = RETRY_POLICY,
) -> None:
    """Fetches and unpacks a set, draws it, copies it, or exports it from TFDS, as its card says.

    All archives are fetched before the first is unpacked, and the downloads are removed after the
    last is unpacked: a failure or an interruption loses no downloaded byte, and a finished set does
    not lie on the disk twice. Archives in a mirror's folder and those that a person fetched are
    read in place and kept. Only the members that the card reads are unpacked; a line says how many
    others there are.

    Args:
        card: the set's card.
        folder: an existing folder for the publisher's files.
        places: where archives are searched, and where downloads are kept.
        processes: number of images that are drawn in parallel.
        retry_policy: bounds on waiting and retrying of downloads.

    Raises:
        RoadshiftError: an archive, folder or TFDS set is missing or damaged; or the disk is too
            small.
    """
    if card.world is not None:
        try:
            world = load_world(card.world)
        except RoadshiftError as error:
            raise RoadshiftError(f"card '{card.name}': world: {error}") from None
        draw_set(
            world,
            card.samples,
            seed=card.seed,
            folder=folder,
            processes=processes,
        )
        return
    if card.folder is not None:
        copy_set(card, Path(card.folder).expanduser(), folder)
        return
    if card.tfds is not None:
        # Imported here because it imports TensorFlow, which takes seconds.
        from roadshift.download.tfds_export import export_set

        export_set(card.tfds, card.splits.published, folder)
        return
    files = _fetch_all(locate(card.files, places, retry_policy), places, retry_policy)
    used, left_out, members = UsedFiles(card), 0, 0
    for archive in card.files:
        limit = archive.unpacked_megabytes * 1_000_000
        unpacked = unpack(
            files[archive.name], folder, root=card.layout.root, limit_bytes=limit, used=used
        )
        left_out += unpacked.left_out
        members += unpacked.members
    if left_out:
        print(f"{card.name}: left out {left_out} of {members} members that the layout does not use")
    shutil.rmtree(places.downloads, ignore_errors=True)


def _fetch_all(
    sources: list[ArchiveLocation], places: Places, retry_policy: RetryPolicy
) -> dict[str, Path]:
    stop = Event()
    # Threads of this pool are daemons: one that waits for a silent server does not delay the end of
    # the process after an error or Ctrl-C.
    with ThreadPool(min(AT_ONCE, len(sources))) as pool:
        try:
            fetch_one = partial(_fetch_one, places=places, retry_policy=retry_policy, stop=stop)
            # In the order of completion, so that the first error ends the other downloads.
            return dict(pool.imap_unordered(fetch_one, sources))
        finally:
            stop.set()


def _fetch_one(
    source: ArchiveLocation, *, places: Places, retry_policy: RetryPolicy, stop: Event
) -> tuple[str, Path]:
    return source.archive.name, fetch(source, places, retry_policy=retry_policy, stop=stop)
