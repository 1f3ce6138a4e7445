"""Copying of a set from a user's own folder."""

import shutil
from pathlib import Path

from roadshift.datasets.card import Card
from roadshift.datasets.pairing import pair_files
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar


def copy_set(card: Card, source: Path, folder: Path) -> None:
    """Copies the images and labels that fit the card's layout, its encoding, and lists of splits.

    They are copied, not linked, so that no later step touches the user's own files. Links among the
    user's files are followed.

    Args:
        card: card of the set, which names a folder.
        source: path of that folder.
        folder: an existing folder to copy to.

    Raises:
        RoadshiftError: the folder or the encoding is missing or not valid, or `pair_files` refuses
            the images and labels. Nothing is copied then.
    """
    if not source.is_dir():
        encoding = f", and the encoding as '{card.encoding}'" if card.has_own_table else ""
        labels = f" and labels as '{card.layout.label}'" if card.layout.has_labels else ""
        raise RoadshiftError(
            f"{card.name}: there is no folder '{source}' ({source.absolute()}); create it with "
            f"images as '{card.layout.image}'{labels}{encoding}, or name another folder in the card"
        )
    table = card.table_in(source)
    pairs = pair_files(card, source, card.splits.published)
    files = [file for pair in pairs for file in (pair.image, pair.label) if file]
    files += [*card.table_files(source), *card.list_files(source)]
    files = [*dict.fromkeys(files)]
    with progress_bar(f"copy {card.name}", "file", len(files)) as progress:
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, folder / file)
            progress.update()
    if card.layout.has_labels:
        print(f"{card.name}: {len(pairs)} images with labels, {len(table.names)} label values")
    else:
        print(f"{card.name}: {len(pairs)} images without labels")
