"""The base of every section of parameters: typed, closed, immutable, and plain in its errors."""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from roadshift.errors import RoadshiftError


class Settings(BaseModel):
    """A section of parameters, or a table that is read from YAML.

    Unknown keys are refused and nothing is coerced between types but int to float, so that a
    typo never becomes a silent default. Numbers are finite.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Reference:
    """A publication.

    Attributes:
        name: authors, title or venue, and year.
        arxiv: its number on arXiv; '' if it has none.
    """

    name: str
    arxiv: str = ""

    @property
    def link(self) -> str:
        """Markdown: the name, linked to arXiv if it is there."""
        return f"[{self.name}](https://arxiv.org/abs/{self.arxiv})" if self.arxiv else self.name


@dataclass(frozen=True)
class Method:
    """A method that a parameter switches on.

    Attributes:
        group: table of the report that lists the method.
        idea: what the method is thought to do.
        also: the method's other keys, in the same section.
    """

    group: Literal["augmentation", "regularization", "adaptation"]
    idea: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParameterDoc:
    """What there is to say of a parameter beside its field's description and bounds.

    It is the field's `json_schema_extra`:

        blur: float = Field(ge=0, le=5, description="…", json_schema_extra=ParameterDoc(start=1.5))

    Attributes:
        unit: unit of the value; '' for none.
        limit: what the value depends on beside its bounds, such as 'not for unet'; '' for nothing.
        detail: sentences for which a comment in params.yaml has no room.
        start: a value to begin with, None if there is none.
        sources: publications of the method.
        method: the method that the parameter switches on, None if it switches on none.
    """

    unit: str = ""
    limit: str = ""
    detail: str = ""
    start: float | None = None
    sources: tuple[Reference, ...] = ()
    method: Method | None = None

    def __call__(self, schema: JsonDict) -> None:
        """Adds the documentation to the JSON schema of a field, for pydantic."""
        texts = {"unit": self.unit, "limit": self.limit, "detail": self.detail}
        schema.update({name: text for name, text in texts.items() if text})
        schema["sources"] = [source.link for source in self.sources]
        if self.start is not None:
            schema["start"] = self.start


def parameter_doc(field: FieldInfo) -> ParameterDoc:
    """The documentation of a field; an empty one for a field that has none."""
    extra = field.json_schema_extra
    return extra if isinstance(extra, ParameterDoc) else ParameterDoc()


class _Loader(yaml.SafeLoader):
    """Plain values only; a key that comes twice is an error, and not the last one's value.

    A number that has an exponent and no point is a number, as for DVC: `-S reg.l1=0.000001` makes
    it write `1e-06`, YAML 1.2's number and a word to PyYAML's 1.1.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a list or a mapping is no key", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' comes twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_yaml(content: bytes) -> Any:
    """Reads YAML, UTF-8, into plain values.

    Raises:
        RoadshiftError: it is not YAML, or a key comes twice; the message does not name the file.
    """
    try:
        return _Loader(content.decode("utf-8")).get_single_data()
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise RoadshiftError(f"not YAML: {line}{printable(str(error.problem))}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError is of bytes that are no UTF-8, and of numbers and dates that there are not.
        raise RoadshiftError(f"not YAML: {' '.join(str(error).split())}") from None


def printable(text: str) -> str:
    """A text on one line, with escapes for what does not print."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: '; did you mean …', or the list of the known ones."""
    known = list(known)
    close = get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"


def format_validation_error(error: ValidationError, schema: type[BaseModel] | None = None) -> str:
    """The problems that a validation found, on one line.

    Args:
        error: what pydantic raised.
        schema: where given, unknown keys are answered with the nearest key known there.
    """
    return printable("; ".join(_explain_one(problem, schema) for problem in error.errors()))


def _explain_one(problem: ErrorDetails, schema: type[BaseModel] | None) -> str:
    place = [str(part) for part in problem["loc"]]
    key = ".".join(place)
    if problem["type"] == "extra_forbidden":
        known = _fields_at(schema, place[:-1])
        return f"{key}: unknown key" + (suggestion(place[-1], known) if known else "")
    if problem["type"] == "missing":
        return f"{key}: missing"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    if problem["type"] in ("model_type", "dict_type"):
        return f"{f'{key}: ' if key else ''}expected keys with values, not {problem['input']!r}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    if problem["type"] == "literal_error":
        choices = problem["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return (
            f"{key}: '{problem['input']}' is not known{suggestion(str(problem['input']), choices)}"
        )
    return f"{key}: {message}, not {problem['input']!r}"


def _fields_at(schema: type[BaseModel] | None, place: list[str]) -> list[str]:
    for part in place:
        field = schema.model_fields.get(part) if schema else None
        annotation: Any = field.annotation if field else None
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        schema = annotation if is_model else None
    return list(schema.model_fields) if schema else []
