import pytest

from ablation.table import Row, experiment_table

MIXES = ("a", "b", "ab")
DOMAINS = ("a", "b", "target")
CELLS = {(mix, domain): 0.5 for mix in MIXES for domain in DOMAINS}
BASE = Row("main", CELLS, {"seed": 0, "mixes.a.a": 1, "evaluate.tta_scales": [1.0]})


def test_the_cells_stand_under_their_names_and_the_changes_under_the_cells():
    ours = Row("calm-sea", {("ab", "target"): 0.3142}, {"seed": 1, "evaluate.tta_scales": [1, 2]})
    assert experiment_table(BASE, [ours], 120)[1:] == [
        "            a→a    a→b  a→target    b→a    b→b  b→target   ab→a   ab→b  ab→target",
        "main       50.0   50.0      50.0   50.0   50.0      50.0   50.0   50.0       50.0",
        "calm-sea      –      –         –      –      –         –      –      –       31.4",
        "  seed=1 evaluate.tta_scales=[1, 2] ~mixes.a.a",
    ]


def test_without_any_summary_the_parameters_are_still_shown():
    lines = experiment_table(Row("main", {}, {"seed": 0}), [Row("x", {}, {"seed": 1})], 120)
    assert lines[1:] == ["", "main", "x", "  seed=1"]


@pytest.mark.parametrize("width", [70, 80, 100, 120])
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_lost(width):
    """With three sources, forty changed parameters, and an ablation's long names."""
    cells = {(mix, domain): 0.123 for mix in (*MIXES, "c", "abc") for domain in (*DOMAINS, "c")}
    many = {f"section.a_long_parameter_{number}": number for number in range(40)}
    name = "ablation-no_class_weighting-of-all (Running)"
    lines = experiment_table(Row("main", cells, {}), [Row(name, cells, many)], width)
    assert max(map(len, lines)) <= width
    assert " ".join(lines).count("12.3") == 2 * len(cells)
    assert name in lines
    assert all(f"{key}={value}" in " ".join(lines) for key, value in many.items())
