"""Copying a set that lies in a folder of the user's."""

import shutil
from pathlib import Path

from roadshift.datasets.card import Card
from roadshift.datasets.samples import pair_files
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar


def copy_set(card: Card, source: Path, folder: Path) -> None:
    """Copies the pictures and labels that fit the card's layout, and the table of values.

    Copies, not links: what becomes of them here never touches the user's own files.

    Args:
        card: a card that names a folder.
        source: that folder.
        folder: an existing folder.

    Raises:
        RoadshiftError: the folder or the table is missing, a picture has no label or the
            reverse, or the table is not sound. Nothing is copied then.
    """
    if not source.is_dir():
        table_too = f", and the table of values as '{card.encoding}'" if card.has_own_table else ""
        raise RoadshiftError(
            f"{card.name}: there is no folder '{source}' ({source.absolute()}); put pictures as "
            f"'{card.layout.image}' and labels as '{card.layout.label}' into it{table_too}, "
            "or name another folder in the card"
        )
    table = card.table_in(source)
    pairs = pair_files(card, source, card.splits.published)
    files = [file for pair in pairs for file in (pair.image, pair.label)]
    files += card.table_files(source)
    with progress_bar(f"copy {card.name}", "file", len(files)) as progress:
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, folder / file)
            progress.update()
    print(f"{card.name}: {len(pairs)} pictures with labels, {len(table.names)} label values")
