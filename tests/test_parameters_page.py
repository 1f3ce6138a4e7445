"""`python -m tests.parameters_page` has nothing to do."""

import yaml
from pydantic import Field

from roadshift.settings import Settings
from stages.params import Params
from tests.parameters_page import COLUMNS, PAGE, PARAMS, page, with_comments


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.parameters_page"


def test_the_comments_of_params_yaml_are_up_to_date():
    text = PARAMS.read_text("utf-8")
    assert with_comments(text, Params) == text, "run python -m tests.parameters_page"


def test_every_line_of_params_yaml_has_room():
    assert [x for x in PARAMS.read_text("utf-8").splitlines() if len(x) > COLUMNS] == []


class Inner(Settings):
    strength: float = Field(ge=0, le=1, description="how strong")
    by: dict[str, str] = Field(description="scheme of each role")


class Outer(Settings):
    seed: int = Field(ge=0, description="seed of all")
    inner: Inner


def test_only_the_comments_of_parameters_change():
    text = """\
# Of the file.

seed: 0 # old
# Of the section.
inner:
  # Of a group of keys.
  strength: 0.5
  # old
  # and older
  by:
    seed: official # of a role
"""
    expected = """\
# Of the file.

seed: 0 # seed of all; from 0
# Of the section.
inner:
  # Of a group of keys.
  strength: 0.5 # how strong; 0..1
  # Scheme of each role.
  by:
    seed: official # of a role
"""
    assert with_comments(text, Outer) == expected
    assert with_comments(expected, Outer) == expected
    assert yaml.safe_load(expected) == yaml.safe_load(text)
