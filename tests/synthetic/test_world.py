import re

import pytest
import yaml

from roadshift.datasets.card import card_names, load_card
from roadshift.errors import RoadshiftError
from roadshift.synthetic.world import WorldSettings, load_world, parse_world, world_names

FILE = "roadshift/synthetic/worlds/noon.yaml"


def refusal(content):
    with pytest.raises(RoadshiftError) as error:
        parse_world(content, FILE)
    return str(error.value)


@pytest.mark.parametrize("name", world_names())
def test_every_world_loads_and_states_every_setting_itself(name):
    stated = load_world(name).model_dump(exclude_unset=True)
    assert stated == load_world(name).model_dump()


def test_there_are_three_worlds_and_each_is_drawn_by_the_card_of_its_name():
    drawn = {n: w for n in card_names() if (w := load_card(n).world) is not None}
    assert drawn == {f"synthetic_{name}": name for name in world_names()}
    assert world_names() == ("dusk", "noon", "overcast")


def test_the_cards_draw_from_different_seeds():
    seeds = [load_card(f"synthetic_{name}").seed for name in world_names()]
    assert len(set(seeds)) == len(seeds)


def test_an_unknown_world_is_answered_with_the_nearest():
    with pytest.raises(RoadshiftError, match=r"^'nooon' is not a world; did you mean 'noon'\?$"):
        load_world("nooon")


def test_an_unknown_world_unlike_any_is_answered_with_all():
    with pytest.raises(RoadshiftError, match=r"known: dusk, noon, overcast$"):
        load_world("../cards/kitti")


def test_an_unknown_key_is_refused_with_file_key_and_the_nearest():
    content = b"light: {sun: 1.0, sunn_colour: '#ffffff'}"
    expected = f"{FILE}: light.sunn_colour: unknown key; did you mean 'sun_colour'?"
    assert refusal(content) == expected


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("camera", "height", 0.4),
        ("layout", "lanes", 7),
        ("layout", "lanes", 2.5),
        ("layout", "trees", 61),
        ("light", "sun_elevation", 0),
        ("light", "sun_colour", "yellow"),
        ("light", "tint", "#FFFFFF"),
        ("palette", "facades", []),
        ("texture", "brick", 1.5),
        ("weather", "rain", -0.1),
        ("sensor", "noise", "loud"),
        ("sensor", "blur", float("nan")),
    ],
)
def test_a_value_out_of_range_is_refused_with_file_key_and_value(section, key, value):
    message = refusal(yaml.safe_dump({section: {key: value}}).encode())
    assert message.startswith(f"{FILE}: {section}.{key}: ")
    assert message.endswith(f"not {value!r}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"layout: {floors_min: 5, floors_max: 2}", "layout: floors_min is greater"),
        (
            b"layout: {building_width_min: 30, building_width_max: 10}",
            "layout: building_width_min is greater",
        ),
        (b"width: 31", "width: "),
        (b"", "expected keys with values, not None"),
        (b"light: bright", "light: expected keys with values, not 'bright'"),
        (b"width: 64\nwidth: 96\n", "not YAML: line 2: the key 'width' comes twice"),
        (b"light: {", "not YAML: "),
        (b"\xff", "not YAML: "),
    ],
)
def test_a_world_that_makes_no_sense_is_refused_with_its_file(content, reason):
    assert re.match(re.escape(f"{FILE}: {reason}"), refusal(content))


def test_settings_that_a_world_leaves_out_have_defaults():
    assert parse_world(b"width: 64", FILE) == WorldSettings(width=64)
