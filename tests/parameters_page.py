"""Writes docs/reference/parameters.md and the comments of params.yaml from the schema.

`python -m tests.parameters_page`
"""

import re
import textwrap
from pathlib import Path

from pydantic.fields import FieldInfo

from roadshift.parameters import comment_of, reference_page, section_of
from roadshift.settings import Settings
from stages.params import Params, load_params

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs/reference/parameters.md"
PARAMS = PROJECT / "params.yaml"
COLUMNS = 100
HEAD = """\
# Parameters

Every key of [`params.yaml`](../../params.yaml). `python -m tests.parameters_page` writes this page,
and the comments of that file, from the schema that checks the values: `stages/params.py` and the
`settings.py` of each package. A number's range includes its ends unless it says otherwise.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return f"{HEAD}\n{reference_page(load_params(PARAMS))}"


def with_comments(text: str, schema: type[Settings]) -> str:
    """The text of a params.yaml with each parameter's comment replaced by that of the schema.

    The comment of a value stands behind it, that of a table above it. Comments above sections and
    above values stay as they are, and so does everything else.
    """
    lines: list[str] = []
    place: list[str] = []
    for line in text.splitlines():
        match = re.match(r"( *)(\w+):", line)
        if match:
            place = [*place[: len(match[1]) // 2], match[2]]
        field = _field_at(schema, place) if match else None
        if not match or not field or section_of(field):
            lines.append(line)
            continue
        bare = re.sub(r" +#.*", "", line)
        if bare.endswith(":"):
            while lines and lines[-1].startswith(f"{match[1]}#"):
                lines.pop()
            lines += [*_comment_lines(comment_of(field), f"{match[1]}# "), bare]
        else:
            lines.append(f"{bare} # {comment_of(field)}")
    return "\n".join(lines) + "\n"


def _comment_lines(comment: str, indent: str) -> list[str]:
    return textwrap.wrap(
        f"{comment[0].upper()}{comment[1:]}.",
        COLUMNS,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _field_at(schema: type[Settings], place: list[str]) -> FieldInfo | None:
    """The field at a key; None within a table, whose keys the schema does not know."""
    field = schema.model_fields.get(place[0])
    for name in place[1:]:
        section = section_of(field) if field else None
        field = section.model_fields.get(name) if section else None
    return field


if __name__ == "__main__":
    PARAMS.write_text(with_comments(PARAMS.read_text("utf-8"), Params), "utf-8")
    PAGE.write_text(page(), "utf-8")
