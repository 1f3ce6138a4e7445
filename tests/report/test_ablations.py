import json
import re
from pathlib import Path

import pytest

from roadshift.errors import RoadshiftError
from roadshift.report.ablations import (
    ablation_sentence,
    ablation_table,
    forest_lines,
    read_ablation,
)
from roadshift.scoring.numbers import points

RESULTS = Path(__file__).parents[2] / "docs/results"
KEPT = [read_ablation(file.parent) for file in sorted(RESULTS.glob("*/table.csv"))]
HEAD = "variant,domain,seeds,miou,difference,low,high,verdict,use,transductive,gap_closed,minutes"
TABLE = f"""{HEAD}
plain,a,0,0.5,,,,,,,0.0,2
plain,target,0,0.25,,,,,,,0.0,2
noise,a,0,0.5,0,-0.01,0.01,one run,,,0.1,2.04
noise,target,0,0.24,-0.01,-0.02,-0.005,one run,,,0.1,2.04
cast,a,0 1 2,0.5,0.0649,0.01,0.1,better,,,,3
cast,target,0 1 2,0.3149,0.0649,0.01,0.1,better,,,,3
blur,a,0 1 2,0.5,0.09,0.08,0.1,better,unsupervised,,,
blur,target,0 1 2,0.251,0.001,-0.01,0.01,not told apart,unsupervised,yes,,
hue,a,0 1,0.5,,,,,,,,
hue,target,0 1,0.28,0.03,0.01,0.05,two runs,,,,
dark,a,0 1 2,0.5,,,,,,,,
dark,target,0 1 2,0.2,-0.05,-0.08,-0.02,worse,,,,
"""
TEXT = """# what helps?

| variant | question | target |
|---|---|---|
| plain | nothing | 25.0 |
| cast | a <colour> cast | 28.0 |
"""


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "tried"
    place.mkdir()
    (place / "table.csv").write_text(TABLE, "utf-8")
    (place / "table.md").write_text(TEXT, "utf-8")
    record = {
        "variant": "cast",
        "params": {"seed": 0, "aug": {"hue": 0.1}, "adapt": {}},
        "domains": {"target": {"data_set": "dusk", "images": 4}},
    }
    (place / "cast-s0.json").write_text(json.dumps(record), "utf-8")
    return place


def test_the_files_of_an_ablation_say_what_it_asked_and_on_what(folder):
    kept = read_ablation(folder)
    assert (kept.name, kept.question, kept.baseline) == ("tried", "what helps?", "plain")
    assert kept.questions["cast"] == "a <colour> cast"
    assert kept.params == {"cast": {"seed": 0, "aug.hue": 0.1, "adapt": {}}}
    assert (kept.title("target"), kept.title("a")) == ("target = dusk (4 images)", "a")


def test_a_missing_or_damaged_file_is_named_with_what_to_do(folder):
    (folder / "cast-s0.json").write_text("[1]", "utf-8")
    with pytest.raises(
        RoadshiftError, match=r"cast-s0\.json: not the record of a run; run the abl"
    ):
        read_ablation(folder)
    (folder / "cast-s0.json").unlink()
    (folder / "table.md").unlink()
    with pytest.raises(RoadshiftError, match=r"table\.md: missing; run the ablation again"):
        read_ablation(folder)
    (folder / "table.csv").write_text(f"{HEAD}\ncast,target,0,1,1,1,1,better,,,,\n", "utf-8")
    with pytest.raises(RoadshiftError, match=r"table\.csv: no baseline; run the ablation again"):
        read_ablation(folder)


def test_verdicts_are_named_and_the_rest_is_counted(folder):
    assert ablation_sentence(read_ablation(folder), "target") == (
        "on target = dusk (4 images), in points of mIoU against `plain`, **better**: `cast` "
        "(+6.5, 3 seeds); **worse**: `dark` (−5.0, 3 seeds); not told apart: 1 of 5; without a "
        "verdict, by fewer than 3 seeds: 2 of 5."
    )


def test_what_is_too_many_to_name_is_counted(folder):
    rows = "".join(f"v{k},target,0 1 2,0.3,0.0{k},0.001,0.1,better,,,,\n" for k in range(1, 6))
    (folder / "table.csv").write_text(TABLE.splitlines()[0] + "\nplain,target,0,0,,,,,,,,\n" + rows)
    assert "`v5` (+5.0, 3 seeds), `v4` (+4.0, 3 seeds) and 3 more." in ablation_sentence(
        read_ablation(folder), "target", most=2
    )
    (folder / "table.csv").write_text(TABLE.splitlines()[0] + "\nplain,target,0,0,,,,,,,,\n")
    assert ablation_sentence(read_ablation(folder), "target").startswith("no variant but `plain`")


def test_the_table_is_sorted_by_effect_and_coloured_by_its_verdicts(folder):
    table = ablation_table(read_ablation(folder), "target")
    rows = table.split("<tbody>")[1].split("<tr>")[1:]
    coloured = [
        (row.split(">")[1].split("<")[0], re.findall("background:(#......)", row)) for row in rows
    ]
    blue, orange = "#c7e0ee", "#f6dcc7"  # 22 % of the verdict's colour
    assert coloured == [
        ("plain", []),
        ("cast", [blue, blue, blue]),  # the name, the target, and a
        ("hue", []),
        ("blur", [blue]),
        ("noise", []),
        ("dark", [orange, orange]),
    ]
    assert "31.5<br><small>+6.5 (+1.0 to +10.0)</small>" in table
    assert "25.1 †<br><small>+0.1 (−1.0 to +1.0)</small>" in table
    assert "<small>unsupervised adaptation</small>" in table
    assert "a &lt;colour&gt; cast" in table
    assert "gap closed" in table


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_sentence_table_and_chart_round_alike(kept):
    table = ablation_table(kept, "target")
    sentence = ablation_sentence(kept, "target", most=99)
    for row in kept.on("target"):
        if row["verdict"] in ("better", "worse"):
            assert f"`{row['variant']}` ({points(float(row['difference']))}, " in sentence
        if row["difference"]:
            assert f"<small>{points(float(row['difference']))} (" in table
    assert len(forest_lines(kept, "target")) == len(kept.on("target"))


def test_the_lines_of_a_forest_plot_know_their_seeds(folder):
    lines = dict(forest_lines(read_ablation(folder), "target"))
    assert lines["plain"].difference is None
    assert [len(lines[name].by_seed) for name in ("cast", "hue", "noise")] == [3, 2, 1]
    assert lines["cast"].verdict == "better"
    assert lines["cast"].miou == pytest.approx(0.3149)


def test_a_verdict_that_there_is_not_is_refused(folder):
    text = TABLE.replace("two runs", "perhaps")
    (folder / "table.csv").write_text(text, "utf-8")
    with pytest.raises(RoadshiftError, match=r"'perhaps' is no verdict \(hue on target\); run"):
        forest_lines(read_ablation(folder), "target")
