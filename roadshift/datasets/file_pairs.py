"""Result of pairing a set's files: pairs of image and label, and the faults of other files."""

from dataclasses import dataclass
from typing import NamedTuple


class FilePair(NamedTuple):
    """An image file and its label file.

    Attributes:
        id: value of `{id}` in the layout's patterns.
        split: value of `{split}`; '' if the patterns have none.
        group: value of `{group}`; '' if the patterns have none.
        image: path of the image, relative to the set's folder, with forward slashes.
        label: path of the label, likewise; '' in a set without labels.
    """

    id: str
    split: str
    group: str
    image: str
    label: str

    @property
    def sample_id(self) -> str:
        """The id of the sample, with the group and a '/' in front if the patterns have one."""
        return f"{self.group}/{self.id}" if self.group else self.id


class Alone(NamedTuple):
    """An image without its label, or the reverse.

    Attributes:
        file: path of the file, relative to the layout's root.
        missing: path or pattern of the other file, which is not there.
        hint: what to say of a file that may be meant by it; '' if there is none.
        is_image: whether the file is the image.
        is_shared: whether the label file has the labels of other images, too. For a missing image
            it is `file`.
        unlisted: label files that are there and have the labels of other images, but not of this.
    """

    file: str
    missing: str
    hint: str
    is_image: bool
    is_shared: bool = False
    unlisted: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.unlisted:
            shown = " or ".join(f"'{file}'" for file in self.unlisted[:3])
            more = f" or {len(self.unlisted) - 3} more" if len(self.unlisted) > 3 else ""
            return f"'{self.file}' has no annotation in {shown}{more}"
        if self.is_shared and not self.is_image:
            return f"'{self.file}' lists '{self.missing}', which is not there"
        return f"'{self.file}' has no '{self.missing}'"


@dataclass(frozen=True)
class Pairing:
    """The images and labels in a set's files, and what keeps them from being a set.

    Attributes:
        pairs: the images that have a label, sorted.
        images: number of images, with or without a label.
        unlabelled: number of images without a label that the layout leaves out.
        alone: images without a label, unless they are left out, then labels without an image.
        unread: lines about folders that cannot be read and links that lead nowhere.
        unwritable: names that have control characters, line breaks or bytes that are not UTF-8.
        twice: lines about two files that fit one place of a pattern, and about two labels of one
            image or two images of one label in files with the labels of many images.
        others: files that fit a pattern and are not images.
        broken: why files with the labels of many images cannot be read.
        not_excluded: ids that the layout excludes and no image has.
    """

    pairs: list[FilePair]
    images: int
    unlabelled: int
    alone: list[Alone]
    unread: list[str]
    unwritable: list[str]
    twice: list[str]
    others: list[str]
    broken: list[str]
    not_excluded: list[str]

    @property
    def has_no_label(self) -> bool:
        """Whether images are left out for want of a label, and these are all."""
        return bool(self.unlabelled) and not self.pairs
