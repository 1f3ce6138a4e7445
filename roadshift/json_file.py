"""The base of results that the workflow keeps as JSON files."""

from pathlib import Path
from typing import ClassVar

from pydantic import ValidationError
from typing_extensions import Self

from roadshift.atomic import atomic_file
from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, format_validation_error


class JsonFile(Settings):
    """Results in a JSON file.

    Attributes:
        content: words for what the file holds, such as 'the scores of a mix'.
        again: words for what writes it anew, such as 'run dvc repro'.
    """

    content: ClassVar[str]
    again: ClassVar[str] = "run dvc repro"

    def save(self, file: Path) -> None:
        """Writes the file."""
        with atomic_file(file) as partial:
            partial.write_text(self.model_dump_json(indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        """Reads the file.

        Raises:
            RoadshiftError: the file is missing, or holds something else.
        """
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise RoadshiftError(f"{file}: missing; {cls.again}") from None
        except ValidationError as error:
            reason = format_validation_error(error, cls)
            raise RoadshiftError(f"{file}: not {cls.content} ({reason}); {cls.again}") from None
