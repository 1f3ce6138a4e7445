"""Labelled pictures of a folder that no stage has remapped, in a network's taxonomy."""

from collections.abc import Iterator
from pathlib import Path

from roadshift.datasets.card import Card
from roadshift.datasets.images import read_image
from roadshift.datasets.remap import Remapper, read_native
from roadshift.datasets.samples import Sample, find_samples, pair_files
from roadshift.datasets.splits import Parting
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar
from roadshift.records.reader import Example
from roadshift.taxonomy import Taxonomy


class LabelledFolder:
    """Pictures that lie in a folder as a data set's publisher lays them out."""

    def __init__(
        self,
        card: Card,
        folder: Path,
        taxonomy: Taxonomy,
        split: str | None = None,
        parting: Parting | None = None,
    ) -> None:
        """Finds the pictures.

        Args:
            card: the data set's card.
            folder: where its files lie.
            taxonomy: what to map labels to.
            split: train, val or test; needs `parting`. None takes all that are there.
            parting: how to part the set.

        Raises:
            RoadshiftError: there is no such folder, the set is too coarse for the taxonomy, its
                pictures and labels do not pair up, or the split is empty.
        """
        if not folder.is_dir():
            raise RoadshiftError(f"{folder}: there is no such folder")
        try:
            self._remapper = Remapper.of(card.table_in(folder), taxonomy)
        except RoadshiftError as error:
            raise RoadshiftError(f"{card.name}: {error}") from None
        self._folder, self._name = folder, card.name
        if split and parting:
            found = find_samples(card, folder, parting)
            self._samples = [sample for sample in found if sample.split == split]
        else:
            self._samples = [
                Sample(pair.image, "", "", pair.image, pair.label)
                for pair in pair_files(card, folder, card.splits.published)
            ]
        if not self._samples:
            raise RoadshiftError(f"{card.name}: no picture in split '{split}' in {folder}")

    def __iter__(self) -> Iterator[Example]:
        """Each picture with its label in ids of the taxonomy, under a progress bar.

        Raises:
            RoadshiftError: one cannot be read, or holds a value that the encoding does not know.
        """
        with progress_bar(f"score {self._name}", "picture", len(self._samples)) as progress:
            for sample in self._samples:
                native = read_native(self._remapper, self._folder, sample)
                label = self._remapper.class_id[native]
                image = read_image(self._folder / sample.image)
                yield Example(sample.id, sample.group, image, label)
                progress.update()
