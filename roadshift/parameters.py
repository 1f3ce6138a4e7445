"""What the schema of the parameters says of them: comments, a reference page, tables of methods.

Every text comes from the fields of the schema: description, bounds and `ParameterDoc`.
"""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from roadshift.settings import ParameterDoc, Settings, parameter_doc

BOUNDS = ("ge", "gt", "le", "lt", "multiple_of")
POWER_OF_TWO = 2**16
"""Exclusive upper bounds from here on are shown as powers of two."""
TYPES = {int: "integer", float: "number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a schema.

    Attributes:
        key: its dotted key, such as 'aug.blur'.
        field: its field in the schema.
    """

    key: str
    field: FieldInfo

    @property
    def doc(self) -> ParameterDoc:
        """The documentation of the field."""
        return parameter_doc(self.field)


def section_of(field: FieldInfo) -> type[Settings] | None:
    """The schema of a field that holds a section; None for a parameter."""
    inner = field.annotation
    return inner if isinstance(inner, type) and issubclass(inner, Settings) else None


def parameters_of(schema: type[Settings], place: str = "") -> Iterator[Parameter]:
    """Yields the parameters of a schema and of its sections, in order.

    Args:
        schema: schema of all parameters, or of a section.
        place: prefix of the keys, such as 'adapt.'.
    """
    for name, field in schema.model_fields.items():
        if section := section_of(field):
            yield from parameters_of(section, f"{place}{name}.")
        else:
            yield Parameter(f"{place}{name}", field)


def bounds_of(field: FieldInfo) -> dict[str, float]:
    """The bounds of a field's numbers by their names: ge, gt, le, lt, multiple_of."""
    return _bounds(field.metadata) or _inner_bounds(field.annotation)


def _bounds(metadata: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in metadata:
        if isinstance(part, FieldInfo):
            found |= _bounds(part.metadata)
        found |= {name: getattr(part, name) for name in BOUNDS if hasattr(part, name)}
    return found


def _inner_bounds(annotation: Any) -> dict[str, float]:
    """Bounds within a list, a table or a union."""
    if found := _bounds(getattr(annotation, "__metadata__", ())):
        return found
    # The last argument first: of a table, values have bounds and keys have none.
    return next(filter(None, map(_inner_bounds, reversed(get_args(annotation)))), {})


def choices_of(annotation: Any) -> list[str]:
    """The words that a field takes, in a literal or in a union with one."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    if get_origin(annotation) in (list, dict):
        return []
    return [choice for inner in get_args(annotation) for choice in choices_of(inner)]


def range_of(field: FieldInfo) -> str:
    """The values that a field takes: '0..1, not 1', 'from 0', 'a, b'; '' where all are taken."""
    bounds = bounds_of(field)
    parts = [_interval(bounds)] if bounds else []
    if multiple := bounds.get("multiple_of"):
        parts.append(f"a multiple of {_number(multiple)}")
    choices = choices_of(field.annotation)
    if bounds and choices:
        parts.append(f"or {', '.join(choices)}")
    else:
        parts += choices
    return ", ".join(parts)


def _interval(bounds: Mapping[str, float]) -> str:
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    if low is None:
        raise ValueError(f"a parameter without a lower bound: {bounds}")
    if high is None:
        return f"above {_number(low)}" if "gt" in bounds else f"from {_number(low)}"
    if "lt" in bounds and high >= POWER_OF_TWO:
        return f"from {_number(low)}, below 2^{int(high).bit_length() - 1}"
    interval = f"{_number(low)}..{_number(high)}"
    if "gt" in bounds and "lt" in bounds:
        return f"{interval}, neither {_number(low)} nor {_number(high)}"
    excluded = bounds.get("gt", bounds.get("lt"))
    return interval if excluded is None else f"{interval}, not {_number(excluded)}"


def _number(value: float) -> str:
    return f"{value:.10g}"


def comment_of(field: FieldInfo) -> str:
    """A parameter's comment on one line: description, unit, range, and what it depends on."""
    doc, text = parameter_doc(field), field.description or ""
    # A probability is said to be one already.
    said = text if doc.unit in text else f"{text}, {doc.unit}"
    return "; ".join(filter(None, (said, range_of(field), doc.limit)))


def reference_page(params: Settings) -> str:
    """Describes every parameter, in a table for each section.

    Args:
        params: all parameters, with their values in params.yaml.

    Returns:
        Markdown, headings from the second level on.
    """
    return "\n".join(_sections(type(params), params.model_dump(), ""))


def _sections(schema: type[Settings], values: Mapping[str, Any], place: str) -> Iterator[str]:
    own = [p for p in parameters_of(schema, place) if p.key.count(".") == place.count(".")]
    names = [place[:-1]] if place else [parameter.key for parameter in own]
    intro = f"{text}\n\n" if place and (text := _docstring(schema)) else ""
    head = "| key | in params.yaml | range | unit | what it is | to begin with | source |"
    rows = [_row(parameter, values) for parameter in own]
    table = "\n".join([head, "|---" * 7 + "|", *rows]) + "\n" if own else ""
    yield f"## {', '.join(f'`{name}`' for name in names)}\n\n{intro}{table}"
    for name, field in schema.model_fields.items():
        if section := section_of(field):
            yield from _sections(section, values, f"{place}{name}.")


def _docstring(schema: type[Settings]) -> str:
    """A section's docstring, without what it raises; each paragraph on one line."""
    text = re.split(r"\n\n(?:Raises|Attributes):\n", inspect.cleandoc(schema.__doc__ or ""))[0]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _row(parameter: Parameter, values: Mapping[str, Any]) -> str:
    doc, field = parameter.doc, parameter.field
    value = json.dumps(_value_at(values, parameter.key), ensure_ascii=False)
    sentences = [_sentence(field.description or "")]
    if doc.detail:
        sentences.append(doc.detail)
    if doc.limit:
        sentences.append(_sentence(doc.limit))
    if doc.method and doc.method.also:
        section = parameter.key.rpartition(".")[0]
        others = ", ".join(f"`{section}.{name}`" for name in doc.method.also)
        sentences.append(f"See also {others}.")
    kind = TYPES.get(field.annotation, "") if isinstance(field.annotation, type) else ""
    cells = [
        f"`{parameter.key}`",
        f"`{value.strip(chr(34))}`",
        " ".join(filter(None, (kind, range_of(field)))),
        doc.unit,
        " ".join(sentences),
        _start(doc),
        _sources(doc),
    ]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def methods_of(sections: Mapping[str, Settings]) -> dict[str, ParameterDoc]:
    """Returns the documentation of each parameter that switches a method on, by its dotted key.

    Args:
        sections: name to section of the parameters.
    """
    parameters = [p for name, s in sections.items() for p in parameters_of(type(s), f"{name}.")]
    return {p.key: p.doc for p in parameters if p.doc.method is not None}


def methods_table(
    sections: Mapping[str, Settings], group: str, first: Mapping[str, str] | None = None
) -> str:
    """Lists the methods of a group with the values that they have in a run.

    Args:
        sections: name to section of the parameters, with the run's values.
        group: 'augmentation', 'regularization' or 'adaptation'.
        first: by key, Markdown for the column of the value to begin with; default None for the
            documented values.

    Returns:
        Markdown: key, the run's value, a value to begin with, the idea, and the sources.
    """
    lines = ["| key | in this run | to begin with | idea | source |", "|---" * 5 + "|"]
    values = {name: section.model_dump() for name, section in sections.items()}
    for key, doc in methods_of(sections).items():
        if doc.method is None or doc.method.group != group:
            continue
        value = _value_at(values, key)
        # False and 0 are off, and so is True nowhere.
        shown = "off" if value in (False, 0) else "on" if value is True else str(value)
        start = _start(doc) if first is None else first[key]
        cells = (f"`{key}`", shown, start, doc.method.idea, _sources(doc))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _value_at(values: Mapping[str, Any], key: str) -> Any:
    return reduce(lambda section, name: section[name], key.split("."), values)


def _start(doc: ParameterDoc) -> str:
    return "" if doc.start is None else f"{doc.start:g}"


def _sources(doc: ParameterDoc) -> str:
    return "; ".join(source.link for source in doc.sources)
