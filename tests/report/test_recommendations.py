"""No value to begin with where a kept table has the method as harmful."""

from dataclasses import replace
from pathlib import Path

import pytest

from roadshift.parameters import methods_of, methods_table
from roadshift.report.ablations import KeptAblation, kept_tables
from roadshift.report.recommendations import first_values
from roadshift.settings import Method, ParameterDoc
from stages.params import load_params

RESULTS = Path(__file__).parents[2] / "docs/results"
PARAMS = load_params()
SECTIONS = {name: getattr(PARAMS, name) for name in ("aug", "model", "reg", "train", "adapt")}
HAZE, MIST = "aug.haze", "aug.mist"
METHODS = {
    HAZE: ParameterDoc(start=0.5, method=Method("augmentation", "")),
    MIST: ParameterDoc(start=2, method=Method("augmentation", "")),
}


def kept(*rows, base=None, name="tried", kind="transfer"):
    """(variant, its parameters, difference, an interval that excludes 0 or '')s, by one seed."""
    base = base or {HAZE: 0.0, MIST: 0.0}
    table = [("plain", base, "", ""), *rows]
    return KeptAblation(
        name=name,
        kind=kind,
        baseline="plain",
        rows=[
            {
                "variant": variant, "domain": "held out" if kind == "transfer" else "target",
                "seeds": "0", "miou": "0.5",
                "difference": difference,
                "low": difference if sure else difference and "-1",
                "high": difference if sure else difference and "1",
                "verdict": difference and "one run", "minutes": "",
            }
            for variant, _, difference, sure in table
        ],
        question="",
        questions={},
        params={variant: {**base, **params} for variant, params, *_ in table},
        titles={},
    )  # fmt: skip


def found(*ablations):
    return first_values(METHODS, ablations)[HAZE]


def test_without_a_finding_there_is_the_documented_value():
    assert found() == "0.5"
    assert found(kept(("haze", {HAZE: 0.4}, "0.02", "sure"))) == "0.5"
    assert found(kept(("haze", {HAZE: 0.4}, "-0.02", ""))) == "0.5"
    assert first_values({HAZE: ParameterDoc()}, []) == {HAZE: ""}


def test_what_harms_alone_is_not_recommended():
    ablation = kept(("haze", {HAZE: 0.4}, "-0.021", "sure"))
    assert found(ablation) == "none: −2.1 in `tried`, 1 seed"


def test_what_gains_by_being_left_out_is_not_recommended():
    base = {HAZE: 0.3, MIST: 1.0}
    assert found(kept(("no_haze", {HAZE: 0.0}, "0.012", "sure"), base=base)) == (
        "none: −1.2 in `tried`, 1 seed"
    )
    assert found(kept(("no_haze", {HAZE: 0.0}, "-0.012", "sure"), base=base)) == "0.5"


def test_a_change_away_from_the_value_that_harms_speaks_for_it():
    base = {HAZE: 0.4, MIST: 0.0}
    assert found(kept(("much", {HAZE: 0.9}, "-0.1", "sure"), base=base)) == "0.5"
    assert found(kept(("near", {HAZE: 0.5}, "-0.1", "sure"), base=base)).startswith("none")


def test_findings_that_differ_leave_it_open():
    harm = kept(("haze", {HAZE: 0.4}, "-0.01", "sure"), name="one")
    gain = kept(("haze", {HAZE: 0.4}, "0.05", "sure"), name="two")
    both = kept(("both", {HAZE: 0.4, MIST: 1.0}, "-0.02", "sure"), name="three")
    assert found(harm, gain) == "open: −1.0 in `one`, 1 seed; +5.0 in `two`, 1 seed"
    assert found(both) == "open: −2.0 with 1 more in `three`, 1 seed"
    # A method alone says more than one among others.
    assert found(both, harm) == "none: −1.0 in `one`, 1 seed"


def test_a_variant_without_a_record_says_nothing():
    ablation = kept(("haze", {HAZE: 0.4}, "-0.021", "sure"))
    assert found(replace(ablation, params={})) == "0.5"


def test_test_images_choose_no_value():
    assert found(kept(("haze", {HAZE: 0.4}, "-0.3", "sure"), kind="table")) == "0.5"
    looks = [each for each in kept_tables(RESULTS) if each.kind == "table"]
    assert looks
    methods = methods_of(SECTIONS)
    assert first_values(methods, looks) == first_values(methods, [])


@pytest.mark.parametrize("group", ["augmentation", "regularization", "adaptation"])
def test_the_tables_of_methods_have_these_values(group):
    methods = methods_of(SECTIONS)
    lines = methods_table(SECTIONS, group, dict.fromkeys(methods, "none: x")).splitlines()[2:]
    assert len(lines) == sum(doc.method.group == group for doc in methods.values() if doc.method)
    assert all(line.split(" | ")[2] == "none: x" for line in lines)
