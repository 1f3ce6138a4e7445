import re
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from roadshift.parameters import (
    bounds_of,
    comment_of,
    methods_table,
    parameters_of,
    range_of,
    reference_page,
)
from roadshift.settings import Method, ParameterDoc, Reference, Settings
from stages.params import Params, load_params

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")
PAPER = Reference("Somebody 2019", "1901.00001")
METHODS = [parameter for parameter in parameters_of(Params) if parameter.doc.method]
GROUPS = ["augmentation", "regularization", "adaptation"]


class Inner(Settings):
    """Inner things.

    They are
    explained here.

    Raises:
        RoadshiftError: never.
    """

    haze: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="largest haze",
        json_schema_extra=ParameterDoc(
            unit="pixels",
            limit="not for a|b",
            detail="Haze is thick.",
            start=0.25,
            sources=(PAPER, Reference("Nobody 1999")),
            method=Method("augmentation", "another air", also=("mist",)),
        ),
    )
    mist: bool = Field(default=False, description="whether there is mist")


class Outer(Settings):
    seed: int = Field(default=3, ge=0, lt=2**31, description="seed of all")
    inner: Inner = Inner()


class Ranges(Settings):
    closed: float = Field(ge=0, le=0.25)
    without_low: float = Field(gt=0, le=1)
    without_high: float = Field(ge=0, lt=1)
    open: float = Field(gt=0, lt=1)
    endless: float = Field(ge=0)
    above: float = Field(gt=1)
    huge: int = Field(ge=1, le=10_000_000)
    power: int = Field(ge=0, lt=2**31)
    multiple: int = Field(ge=32, le=4096, multiple_of=32)
    choice: Literal["a", "b"]
    number_or_word: Annotated[int, Field(ge=0, le=9)] | Literal["all"]
    numbers: list[Annotated[float, Field(ge=0.5, le=4)]] = Field(min_length=1)
    table: dict[Annotated[str, Field(pattern="a")], dict[str, Annotated[int, Field(ge=1)]]]
    text: str = Field(min_length=1)
    switch: bool


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("closed", "0..0.25"),
        ("without_low", "0..1, not 0"),
        ("without_high", "0..1, not 1"),
        ("open", "0..1, neither 0 nor 1"),
        ("endless", "from 0"),
        ("above", "above 1"),
        ("huge", "1..10000000"),
        ("power", "from 0, below 2^31"),
        ("multiple", "32..4096, a multiple of 32"),
        ("choice", "a, b"),
        ("number_or_word", "0..9, or all"),
        ("numbers", "0.5..4"),
        ("table", "from 1"),
        ("text", ""),
        ("switch", ""),
    ],
)
def test_a_range_is_told_from_the_bounds(name, expected):
    assert range_of(Ranges.model_fields[name]) == expected


def test_bounds_are_found_by_name():
    assert bounds_of(Ranges.model_fields["multiple"]) == {"ge": 32, "le": 4096, "multiple_of": 32}
    assert bounds_of(Ranges.model_fields["text"]) == {}


def test_a_comment_has_the_description_unit_range_and_limit():
    comment = comment_of(Inner.model_fields["haze"])
    assert comment == "largest haze, pixels; 0..1, not 1; not for a|b"
    assert comment_of(Inner.model_fields["mist"]) == "whether there is mist"


def test_a_unit_in_the_description_is_not_said_twice():
    field = Field(
        ge=0,
        le=1,
        description="probability of x",
        json_schema_extra=ParameterDoc(unit="probability"),
    )
    assert comment_of(field) == "probability of x; 0..1"


def test_the_page_has_a_table_for_each_section():
    assert reference_page(Outer()) == (
        "## `seed`\n\n"
        "| key | in params.yaml | range | unit | what it is | to begin with | source |\n"
        "|---|---|---|---|---|---|---|\n"
        "| `seed` | `3` | integer from 0, below 2^31 |  | Seed of all. |  |  |\n"
        "\n"
        "## `inner`\n\n"
        "Inner things.\n\n"
        "They are explained here.\n\n"
        "| key | in params.yaml | range | unit | what it is | to begin with | source |\n"
        "|---|---|---|---|---|---|---|\n"
        "| `inner.haze` | `0.5` | number 0..1, not 1 | pixels | Largest haze. Haze is thick. "
        r"Not for a\|b. See also `inner.mist`. | 0.25 | "
        "[Somebody 2019](https://arxiv.org/abs/1901.00001); Nobody 1999 |\n"
        "| `inner.mist` | `false` | true or false |  | Whether there is mist. |  |  |\n"
    )


def test_a_documented_field_has_its_documentation_in_the_json_schema():
    haze = Inner.model_json_schema()["properties"]["haze"]
    assert haze["description"] == "largest haze"
    assert haze["unit"] == "pixels"
    assert haze["start"] == 0.25
    assert Params.model_json_schema()["properties"]["seed"]["description"]


def test_a_table_of_methods_shows_the_runs_values():
    assert methods_table({"inner": Inner()}, "adaptation").count("\n") == 2
    assert methods_table({"inner": Inner(haze=0.0)}, "augmentation").splitlines()[2:] == [
        "| `inner.haze` | off | 0.25 | another air | "
        "[Somebody 2019](https://arxiv.org/abs/1901.00001); Nobody 1999 |"
    ]


@pytest.mark.parametrize("section", ["aug", "reg", "adapt"])
def test_every_key_of_a_section_of_methods_is_a_method_or_belongs_to_one(section):
    named = {parameter.key for parameter in METHODS}
    for parameter in METHODS:
        place = parameter.key.rpartition(".")[0]
        also = parameter.doc.method.also if parameter.doc.method else ()
        named |= {f"{place}.{name}" for name in also}
    keys = {p.key for p in parameters_of(Params) if p.key.startswith(f"{section}.")}
    assert {key for key in named if key.startswith(f"{section}.")} == keys
    assert named <= {parameter.key for parameter in parameters_of(Params)}


def test_every_method_has_a_source():
    for parameter in METHODS:
        assert parameter.doc.sources, parameter.key
        for source in parameter.doc.sources:
            assert not source.arxiv or re.fullmatch(r"\d{4}\.\d{4,5}", source.arxiv)


def test_a_value_to_begin_with_is_in_range_and_on():
    for parameter in parameters_of(Params):
        if parameter.doc.start is not None:
            bounds = bounds_of(parameter.field)
            assert 0 < parameter.doc.start <= bounds.get("le", bounds.get("lt", float("inf")))


def test_every_parameter_has_a_description():
    for parameter in parameters_of(Params):
        text = parameter.field.description
        assert text, parameter.key
        # It begins a sentence of the page and stands within a comment.
        assert not text.endswith("."), parameter.key


def test_the_report_shows_the_runs_values_and_is_markdown():
    sections = {name: getattr(PARAMS, name) for name in ("aug", "reg", "train", "model")}
    sections["adapt"] = PARAMS.adapt.model_copy(update={"adabn": True})
    lines = methods_table(sections, "adaptation").splitlines()
    assert any(line.startswith("| `adapt.adabn` | on |") for line in lines)
    assert any(line.startswith("| `adapt.tent_steps` | off |") for line in lines)
    for group in GROUPS:
        assert {line.count("|") for line in methods_table(sections, group).splitlines()} == {6}
    assert sum(methods_table(sections, group).count("\n") - 2 for group in GROUPS) == len(METHODS)
