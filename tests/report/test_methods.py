"""Every choice that is a method stands in the report's tables, and nothing else."""

import re
from pathlib import Path

import pytest
import yaml

from roadshift.report.methods import ADAPTATION, AUGMENTATION, REGULARIZATION, methods_table

PARAMS = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text("utf-8"))
METHODS = [*AUGMENTATION, *REGULARIZATION, *ADAPTATION]


def leaves(section, place):
    for key, value in section.items():
        yield from (
            leaves(value, f"{place}.{key}") if isinstance(value, dict) else [f"{place}.{key}"]
        )


@pytest.mark.parametrize("section", ["aug", "reg", "adapt"])
def test_every_key_of_a_section_of_methods_has_its_row(section):
    named = {key for method in METHODS for key in method.keys if key.startswith(f"{section}.")}
    assert named == {*leaves(PARAMS[section], section)}


def test_every_key_exists_and_has_a_source():
    for method in METHODS:
        for key in method.keys:
            section = key.split(".")[0]
            assert key in {*leaves(PARAMS[section], section)}
        assert method.sources, method.keys
        for source in method.sources:
            assert not source.arxiv or re.fullmatch(r"\d{4}\.\d{4,5}", source.arxiv)


def test_a_table_shows_the_runs_values_and_is_markdown():
    table = methods_table(ADAPTATION, PARAMS | {"adapt": PARAMS["adapt"] | {"adabn": True}})
    lines = table.splitlines()
    assert {line.count("|") for line in lines} == {6}
    assert any(line.startswith("| `adapt.adabn` | on |") for line in lines)
    assert any(line.startswith("| `adapt.tent_steps` | off |") for line in lines)
    for methods in (AUGMENTATION, REGULARIZATION):
        assert {line.count("|") for line in methods_table(methods, PARAMS).splitlines()} == {6}
