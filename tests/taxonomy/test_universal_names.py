"""Words that are no universal names are answered with the name that is meant."""

import re
from importlib import resources

import pytest
import yaml

from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy, not_universal, universal_names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tree", "vegetation"),
        ("background", "unlabelled"),
        ("Background", "unlabelled"),
        ("pedestrian", "person"),
        ("grass", "terrain"),
        ("Traffic Light", "traffic_light"),
        ("guard-rail", "guard_rail"),
        ("bike", "bicycle"),
    ],
)
def test_a_word_of_other_tools_is_answered_with_the_name_that_is_meant(name, meant):
    """By its meaning, not by its letters: 'background' is close to 'ground'."""
    with pytest.raises(RoadshiftError, match=f"^{re.escape(not_universal(name))}$"):
        load_taxonomy("driving11").id_of(name)
    assert not_universal(name) == (
        f"'{name}' is not a universal name; write '{meant}' ({universal_names()[meant]})"
    )


def test_a_misspelt_name_is_answered_with_the_nearest():
    assert not_universal("raod") == "'raod' is not a universal name; did you mean 'road'?"
    assert not_universal(7).startswith("'7' is not a universal name; known: road, lane_marking, ")


def test_every_synonym_stands_for_one_universal_name_and_is_none_itself():
    text = (resources.files("roadshift.taxonomy") / "names/synonyms.yaml").read_text("utf-8")
    content = yaml.safe_load(text)
    words = [word for synonyms in content.values() for word in synonyms]
    assert {*content} <= {*universal_names()}
    assert len({*words}) == len(words)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", word) for word in words)
    assert not {*words} & {*universal_names()}
