"""Reads labelled images of a folder that no stage has remapped, in a network's taxonomy."""

from collections.abc import Iterator
from pathlib import Path

from roadshift.datasets.card import Card
from roadshift.datasets.images import read_image
from roadshift.datasets.label_readers import label_reader
from roadshift.datasets.pairing import pair_files
from roadshift.datasets.remap import Remapper, read_native
from roadshift.datasets.samples import Sample, find_samples
from roadshift.datasets.splits import SplitConfig
from roadshift.errors import RoadshiftError, listed
from roadshift.progress import progress_bar
from roadshift.records.reader import Example
from roadshift.taxonomy import PartialLabel, Taxonomy


class LabelledFolder:
    """The labelled images of a folder that is laid out as a data set's card says."""

    def __init__(
        self,
        card: Card,
        folder: Path,
        taxonomy: Taxonomy,
        *,
        split: str | None = None,
        split_config: SplitConfig | None = None,
        accept_partial_labels: bool = False,
    ) -> None:
        """Finds the images.

        Args:
            card: card of the data set.
            folder: folder of its files.
            taxonomy: taxonomy that labels are mapped to.
            split: name of the split, 'train', 'val' or 'test'; it needs `split_config`. None, the
                default, takes all images that are there.
            split_config: split scheme with its seed and shares.
            accept_partial_labels: whether names that straddle classes become partial labels; else,
                which is the default, they are refused.

        Raises:
            RoadshiftError: there is no such folder, the labels are too coarse for the taxonomy,
                images and labels do not pair up, or the split is empty.
        """
        if not folder.is_dir():
            raise RoadshiftError(f"{folder}: there is no such folder")
        try:
            encoding = card.table_in(folder)
            self._remapper = Remapper.of(
                encoding,
                taxonomy,
                reader=label_reader(card, encoding, folder),
                partial_labels=accept_partial_labels,
                accept="give --partial-labels",
            )
        except RoadshiftError as error:
            raise RoadshiftError(f"{card.name}: {error}") from None
        self._partial_labels = taxonomy.partial_labels
        self._folder, self._name = folder, card.name
        if split and split_config:
            found = find_samples(card, folder, split_config)
            self._samples = [sample for sample in found if sample.split == split]
        else:
            self._samples = [
                Sample(pair.image, "", "", pair.image, pair.label)
                for pair in pair_files(card, folder, card.splits.published)
            ]
        if not self._samples:
            raise RoadshiftError(f"{card.name}: no image in split '{split}' in {folder}")

    @property
    def partial_labels(self) -> tuple[PartialLabel, ...]:
        """The partial labels that labels of this set may have."""
        ids = {*self._remapper.class_id.tolist()}
        return tuple(partial for partial in self._partial_labels if partial.id in ids)

    def __iter__(self) -> Iterator[Example]:
        """Yields each image with its label in label ids, and shows a progress bar.

        After the first sample that cannot be read the others are only read, so that the error names
        all of them.

        Raises:
            RoadshiftError: a file cannot be read, or a label has a value that the encoding lacks.
        """
        faults: list[str] = []
        with progress_bar(f"score {self._name}", "image", len(self._samples)) as progress:
            for sample in self._samples:
                try:
                    example = self._read(sample)
                except RoadshiftError as error:
                    faults.append(str(error))
                else:
                    if not faults:
                        yield example
                progress.update()
        if len(faults) == 1:
            raise RoadshiftError(faults[0])
        if faults:
            head = (
                f"{self._name}: {len(faults)} of {len(self._samples)} samples cannot be scored; "
                "correct their files"
            )
            raise RoadshiftError(listed(head, faults))

    def _read(self, sample: Sample) -> Example:
        native = read_native(self._remapper, self._folder, sample)
        image = read_image(self._folder / sample.image)
        return Example(sample.id, sample.group, image, self._remapper.class_id[native])
