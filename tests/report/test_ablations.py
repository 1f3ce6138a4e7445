import json
import re
from pathlib import Path

import pytest

from roadshift.errors import RoadshiftError
from roadshift.report.ablations import (
    ablation_sentence,
    ablation_table,
    forest_lines,
    kept_tables,
    read_ablation,
)
from roadshift.scoring.numbers import points

RESULTS = Path(__file__).parents[2] / "docs/results"
KEPT = kept_tables(RESULTS)
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


TRANSFER = f"""{HEAD}
plain,held out,0,0.4,,,,,,,,2
plain,"a→b, transfer",0,0.4,,,,,,,,2
plain,val,0,0.6,,,,,,,,2
cast,held out,0,0.45,0.05,0.01,0.09,one run,,,,2
cast,"a→b, transfer",0,0.45,0.05,0.01,0.09,one run,,,,2
cast,val,0,0.59,-0.01,-0.02,0.01,one run,,,,2
"""


def record(variant, seed=0, *, test=None, transfer=None, a=None, **more):
    """The record of a run, with mIoUs on test images of the target and a, or on held-out b."""
    found = {"variant": variant, "params": {"seed": seed, "aug": {"hue": 0.1}}, "domains": {}}
    if test is not None:
        mious = {"target": test} if a is None else {"target": test, "a": a}
        found["domains"] = {
            role: {"data_set": "dusk", "images": 4, "miou": miou} for role, miou in mious.items()
        }
    if transfer is not None:
        held_out = {"data_set": "noon", "images": 9, "miou": transfer, "held_out": True}
        held_out["splits"] = ["train", "val"]
        found["transfer"] = {"a": {"domains": {"b": held_out}}}
    return {**found, **more}


def write(folder, *records):
    for each in records:
        file = folder / f"{each['variant']}-s{each['params']['seed']}.json"
        file.write_text(json.dumps(each), "utf-8")


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "tried"
    place.mkdir()
    (place / "table.csv").write_text(TABLE, "utf-8")
    (place / "table.md").write_text(TEXT, "utf-8")
    write(place, record("cast", test=0.31))
    return place


@pytest.fixture
def chosen(tmp_path):
    """An ablation without a look at test images."""
    place = tmp_path / "chosen"
    place.mkdir()
    (place / "transfer.csv").write_text(TRANSFER, "utf-8")
    (place / "transfer.md").write_text(TEXT, "utf-8")
    write(place, *(record(name, transfer=m) for name, m in (("plain", 0.4), ("cast", 0.45))))
    return place


def read(folder):
    return read_ablation(folder, "table")


def test_the_files_of_an_ablation_say_what_it_asked_and_on_what(folder):
    kept = read(folder)
    assert (kept.name, kept.question, kept.baseline) == ("tried", "what helps?", "plain")
    assert kept.questions["cast"] == "a <colour> cast"
    assert kept.params == {"cast": {"seed": 0, "aug.hue": 0.1}}
    assert (kept.title("target"), kept.title("a")) == ("target = dusk (4 images)", "a")
    assert kept.primary("target") == "target"
    assert kept.scored_on == "test images, a final look"


def test_an_ablation_without_a_final_look_is_read_and_judged_by_held_out_sources(chosen, folder):
    first, last = kept_tables(folder.parent)
    assert (first.name, first.kind, last.name, last.kind) == (
        "chosen", "transfer", "tried", "table",
    )  # fmt: skip
    column = first.primary("target")
    assert column == "held out"
    assert first.title(column) == "held out = a→b = noon (9 images of train and val)"
    assert first.scored_on == "images that may choose"
    assert "without a verdict, by fewer than 3 seeds: 1 of 1" in ablation_sentence(first, column)
    assert len(forest_lines(first, column)) == 2


def test_a_final_look_stands_behind_what_may_choose_and_has_its_day(chosen):
    (chosen / "table.csv").write_text(TABLE, "utf-8")
    (chosen / "table.md").write_text(TEXT, "utf-8")
    day = {"date": "2026-03-01", "revision": "abc"}
    write(chosen, record("cast", transfer=0.45, test=0.3, final=day))
    first, last = kept_tables(chosen.parent)
    assert (first.kind, last.kind) == ("transfer", "table")
    assert first.looks == ()
    assert last.scored_on == "test images, a final look of 2026-03-01"


def test_without_a_held_out_source_val_judges(chosen):
    kept = [line for line in TRANSFER.splitlines() if "held out" not in line and "→" not in line]
    (chosen / "transfer.csv").write_text("\n".join(kept) + "\n", "utf-8")
    assert read_ablation(chosen, "transfer").primary("target") == "val"


def test_the_baseline_is_what_the_records_say(folder):
    """A variant without a labelled pixel has no difference either."""
    rows = TABLE.replace("hue,target,0 1,0.28,0.03,0.01,0.05,two runs", "hue,target,0 1,,,,,")
    head, *lines = rows.splitlines()
    lines.sort(key=lambda line: not line.startswith("hue"))
    (folder / "table.csv").write_text("\n".join([head, *lines]) + "\n", "utf-8")
    write(folder, record("plain", test=0.25, base="plain"))
    assert read(folder).baseline == "plain"


def test_scores_that_are_not_those_of_the_records_make_a_table_stale(folder, chosen):
    assert read(folder).current  # the records of two of its seeds are not there
    write(folder, *(record("cast", seed, test=0.31, a=0.5) for seed in (0, 1, 2)))
    assert not read(folder).current  # the table has 0.3149
    assert read(folder).stale == (
        "`tried/table.csv` is not shown: its scores are not those of the records beside it. "
        "`make ablation FILE=experiments/tried.yaml FINAL=1` makes it anew."
    )
    write(folder, record("cast", 2, test=0.3247, a=0.5))
    assert read(folder).current
    assert read_ablation(chosen, "transfer").current
    write(chosen, record("cast", transfer=0.5))
    assert not read_ablation(chosen, "transfer").current


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: f"{kept.name}-{kept.kind}")
def test_the_tables_of_the_project_are_those_of_their_records(kept):
    assert kept.current


def test_a_missing_or_damaged_file_is_named_with_what_to_do(folder):
    (folder / "cast-s0.json").write_text("[1]", "utf-8")
    with pytest.raises(
        RoadshiftError, match=r"cast-s0\.json: not the record of a run; run the abl"
    ):
        read(folder)
    (folder / "cast-s0.json").unlink()
    (folder / "table.md").unlink()
    with pytest.raises(RoadshiftError, match=r"table\.md: missing; run the ablation again"):
        read(folder)
    (folder / "table.md").write_text(TEXT, "utf-8")
    (folder / "table.csv").write_text(f"{HEAD}\ncast,target,0,1,1,1,1,better,,,,\n", "utf-8")
    with pytest.raises(RoadshiftError, match=r"table\.csv: no baseline; run the ablation again"):
        read(folder)


def test_verdicts_are_named_and_the_rest_is_counted(folder):
    assert ablation_sentence(read(folder), "target") == (
        "on target = dusk (4 images), in points of mIoU against `plain`, **better**: `cast` "
        "(+6.5, 3 seeds); **worse**: `dark` (−5.0, 3 seeds); not told apart: 1 of 5; without a "
        "verdict, by fewer than 3 seeds: 2 of 5."
    )


def test_what_is_too_many_to_name_is_counted(folder):
    rows = "".join(f"v{k},target,0 1 2,0.3,0.0{k},0.001,0.1,better,,,,\n" for k in range(1, 6))
    (folder / "table.csv").write_text(TABLE.splitlines()[0] + "\nplain,target,0,0,,,,,,,,\n" + rows)
    assert "`v5` (+5.0, 3 seeds), `v4` (+4.0, 3 seeds) and 3 more." in ablation_sentence(
        read(folder), "target", most=2
    )
    (folder / "table.csv").write_text(TABLE.splitlines()[0] + "\nplain,target,0,0,,,,,,,,\n")
    assert ablation_sentence(read(folder), "target").startswith("no variant but `plain`")


def test_the_table_is_sorted_by_effect_and_coloured_by_its_verdicts(folder):
    table = ablation_table(read(folder), "target")
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


def rounds_alike(kept):
    """Checks that sentence, table and chart say the same; returns how many the sentence names."""
    domain = kept.primary("target")
    table = ablation_table(kept, domain)
    sentence = ablation_sentence(kept, domain, most=99)
    named = 0
    for row in kept.on(domain):
        if row["verdict"] in ("better", "worse"):
            named += 1
            assert f"`{row['variant']}` ({points(float(row['difference']))}, " in sentence
        if row["difference"]:
            assert f"<small>{points(float(row['difference']))} (" in table
    assert len(forest_lines(kept, domain)) == len(kept.on(domain))
    return named


def test_sentence_table_and_chart_round_alike(folder):
    assert rounds_alike(read(folder)) == 2


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: f"{kept.name}-{kept.kind}")
def test_those_of_the_project_round_alike(kept):
    rounds_alike(kept)


def test_the_lines_of_a_forest_plot_know_their_seeds(folder):
    lines = {line.name: line for line in forest_lines(read(folder), "target")}
    assert lines["plain"].difference is None
    assert [lines[name].seeds for name in ("cast", "hue", "noise")] == [3, 2, 1]
    assert lines["cast"].verdict == "better"


def test_a_verdict_that_there_is_not_is_refused(folder):
    text = TABLE.replace("two runs", "perhaps")
    (folder / "table.csv").write_text(text, "utf-8")
    with pytest.raises(RoadshiftError, match=r"'perhaps' is no verdict \(hue on target\); run"):
        forest_lines(read(folder), "target")
