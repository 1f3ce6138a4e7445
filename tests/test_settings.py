from typing import Literal

import pytest
from pydantic import Field, ValidationError

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, format_validation_error, load_yaml, suggestion


class Inner(Settings):
    brightness: float = Field(ge=0, le=1)
    contrast: float = Field(default=0.0, ge=0, le=1)


class Outer(Settings):
    seed: int = Field(ge=0)
    aug: Inner
    encoder: Literal["unet", "mobilenet_v2"] = "unet"
    weights: dict[str, int] = Field(default_factory=dict)


GOOD = {"seed": 1, "aug": {"brightness": 0.5}}


def problem(content, schema=Outer):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(content)
    message = format_validation_error(caught.value, schema)
    assert "\n" not in message
    return message


def test_good_settings_are_read():
    settings = Outer.model_validate(GOOD)
    assert (settings.seed, settings.aug.brightness, settings.aug.contrast) == (1, 0.5, 0.0)


def test_an_integer_stands_for_a_number():
    assert Outer.model_validate({**GOOD, "aug": {"brightness": 1}}).aug.brightness == 1.0


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Outer.model_validate(GOOD), "seed", 2)  # noqa: B010 - mypy knows it too


def test_an_unknown_key_is_answered_with_the_nearest_of_its_section():
    content = {**GOOD, "aug": {"brightness": 0.5, "brigthness": 0.1}}
    assert problem(content) == "aug.brigthness: unknown key; did you mean 'brightness'?"


def test_an_unknown_section_is_answered_with_the_nearest():
    assert problem({**GOOD, "agu": 1}) == "agu: unknown key; did you mean 'aug'?"


def test_an_unknown_key_unlike_any_is_answered_with_all():
    content = {**GOOD, "aug": {"brightness": 0.5, "zzz": 1}}
    assert problem(content) == "aug.zzz: unknown key; known: brightness, contrast"


def test_without_a_schema_an_unknown_key_is_still_named():
    assert problem({**GOOD, "agu": 1}, None) == "agu: unknown key"


def test_a_missing_key():
    assert problem({"seed": 1, "aug": {}}) == "aug.brightness: missing"


def test_a_value_out_of_range():
    message = problem({**GOOD, "aug": {"brightness": 2.0}})
    assert message == "aug.brightness: input should be less than or equal to 1, not 2.0"


@pytest.mark.parametrize("value", ["1", 1.0, True, None])
def test_nothing_is_coerced_to_an_integer(value):
    assert problem({**GOOD, "seed": value}).startswith("seed: input should be a valid integer")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_are_finite(value):
    assert problem({**GOOD, "aug": {"brightness": value}}).startswith("aug.brightness: ")


@pytest.mark.parametrize("value", [3, None, [1]])
def test_a_section_that_is_none(value):
    assert problem({**GOOD, "aug": value}) == f"aug: expected keys with values, not {value!r}"


def test_a_table_that_is_none():
    assert problem({**GOOD, "weights": [1]}) == "weights: expected keys with values, not [1]"


@pytest.mark.parametrize("value", [None, [1], "seed"])
def test_no_settings_at_all(value):
    assert problem(value) == f"expected keys with values, not {value!r}"


def test_an_unknown_choice_is_answered_with_the_nearest():
    message = problem({**GOOD, "encoder": "mobilenet"})
    assert message == "encoder: 'mobilenet' is not known; did you mean 'mobilenet_v2'?"


def test_an_unknown_choice_unlike_any_is_answered_with_all():
    message = problem({**GOOD, "encoder": "zzz"})
    assert message == "encoder: 'zzz' is not known; known: unet, mobilenet_v2"


def test_several_problems_stand_on_one_line():
    assert problem({"seed": -1, "aug": {"brightness": 0.1, "x": 1}}).count("; ") >= 1


def test_nearest():
    assert suggestion("kiti", ["camvid", "kitti"]) == "; did you mean 'kitti'?"
    assert suggestion("x", iter(["camvid", "kitti"])) == "; known: camvid, kitti"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: 1\nb: 2\na: 3\n", "not YAML: line 3: the key 'a' comes twice"),
        (b"a: {b: 1, b: 1}\n", "not YAML: line 1: the key 'b' comes twice"),
        (b"a: [b\n", "not YAML: line 2: expected ',' or ']'"),
        (b"a: 2020-13-45\n", "not YAML: month must be in 1..12"),
        (b"a: \xe9\n", "not YAML: 'utf-8' codec can't decode"),
        (b"a: !!python/object/apply:os.system [ls]\n", "not YAML: line 1: could not determine"),
        (b"[" * 5000, "not YAML: "),
    ],
)
def test_what_is_not_yaml(content, expected):
    with pytest.raises(RoadshiftError) as caught:
        load_yaml(content)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


def test_yaml_is_read_as_dvc_writes_it():
    content = b"a: 1e-06\nb: &x {c: 1}\nd: *x\ne: {<<: *x, f: 2}\n"
    assert load_yaml(content) == {"a": 1e-6, "b": {"c": 1}, "d": {"c": 1}, "e": {"c": 1, "f": 2}}
