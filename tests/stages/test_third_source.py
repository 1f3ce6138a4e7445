"""More sources, and a domain that is only scored, by the real DVC, on a miniature: a story.

No line of dvc.yaml changes, and no code.
"""

import json
import re

import pytest
import yaml
from dvc.repo import Repo

from tests.miniature import write_tiny_set
from tests.stages.graph import ancestors, left_out

pytestmark = pytest.mark.workflow

MIXES = ("a", "b", "ab", "ac", "bc", "abc")


def add_roles(project, cards, mixes=None):
    """Adds roles and mixes to params.yaml, as a person does: the target stays the last role."""
    file = project.folder / "params.yaml"
    params = yaml.safe_load(file.read_text("utf-8"))
    domains, by = params["domains"], params["data"]["split"]["by"]
    target = domains.pop("target")
    domains |= {**cards, "target": target}
    by |= dict.fromkeys(cards, "official")
    params["mixes"] |= mixes or {}
    file.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def running(printed):
    return set(re.findall("Running stage '(.*)'", printed))


def load(project, name):
    return json.loads((project.folder / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def two(miniature):
    """The miniature as it is, with its three networks."""
    write_tiny_set(miniature.folder, "noon", name="tiny_morning", seed=9)
    write_tiny_set(miniature.folder, "dusk", name="tiny_evening", seed=9)
    miniature.run("dvc", "repro", "train@a", "train@b", "train@ab")
    miniature.commit("two sources")
    return miniature


@pytest.fixture(scope="module")
def only_scored(two):
    """What runs once a domain is added that no network is trained on."""
    before = two.hashes("models/trained")
    add_roles(two, {"d": "tiny_evening"})
    printed = two.run("dvc", "repro", "summarize")
    return before, printed


def test_a_domain_that_is_only_scored_trains_nothing_again(two, only_scored):
    before, printed = only_scored
    assert {"shard@d", "hash_sources", "evaluate@ab"} <= running(printed)
    assert not {stage for stage in running(printed) if stage.startswith("train@")}
    assert two.hashes("models/trained") == before
    assert {*load(two, "data/sources/ab.json")} == {"a", "b"}
    for row in load(two, "metrics/summary.json").values():
        assert list(row) == ["a", "b", "d", "target", "gap"]


@pytest.fixture(scope="module")
def alone(two, only_scored):
    """What runs where a training of a new mix is named alone, by an experiment that adds it."""
    return two.run(
        *("dvc", "exp", "run", "-S", "+domains.c=tiny_morning", "-S", "+data.split.by.c=official"),
        *("-S", "+mixes.abc={a:1,b:1,c:1}", "train@abc"),
    )


def test_a_training_that_is_named_alone_makes_its_sources_first(alone):
    assert {"download@c", "shard@c", "hash_sources", "train@abc"} <= running(alone)
    assert not {"train@a", "train@b", "train@ab"} & running(alone)


@pytest.fixture(scope="module")
def five(two, alone):
    """Five domains and six mixes, with all results."""
    two.run("git", "checkout", "--", "params.yaml")
    add_roles(
        two,
        {"c": "tiny_morning", "d": "tiny_evening"},
        {"ac": {"a": 1, "c": 1}, "bc": {"b": 1, "c": 1}, "abc": {"a": 1, "b": 1, "c": 1}},
    )
    dvc_yaml = (two.folder / "dvc.yaml").read_bytes()
    printed = two.run("dvc", "repro")
    assert (two.folder / "dvc.yaml").read_bytes() == dvc_yaml
    two.commit("five domains")
    return two, printed


def test_only_the_new_mixes_are_trained_and_all_are_scored(five):
    _, printed = five
    trained = {stage for stage in running(printed) if stage.startswith("train@")}
    # The experiment had trained abc, and DVC's cache has it.
    assert trained == {"train@ac", "train@bc"}
    assert {f"evaluate@{mix}" for mix in MIXES} <= running(printed)


def test_nothing_is_left_to_do_and_no_stage_leaves_a_role_or_mix_out(five):
    project, _ = five
    assert project.changed_stages() == set()
    params = yaml.safe_load((project.folder / "params.yaml").read_text("utf-8"))
    with Repo(str(project.folder)) as repo:
        assert left_out(repo.index, domains=params["domains"], mixes=params["mixes"]) == []
        for stage in ("summarize", "overview", "report", "page"):
            before = ancestors(repo.index, stage)
            assert {"evaluate@abc", "train@abc", "shard@c", "download@c", "shard@d"} <= before


def test_another_source_c_trains_the_mixes_with_it_alone(five):
    project, _ = five
    plan = project.run("dvc", "repro", "--dry", "--downstream", "shard@c")
    assert "train@abc" in plan
    write_tiny_set(project.folder, "noon", name="tiny_morning", seed=10)
    printed = project.run("dvc", "repro", *(f"train@{mix}" for mix in MIXES))
    trained = {stage for stage in running(printed) if stage.startswith("train@")}
    assert trained == {"train@ac", "train@bc", "train@abc"}
    project.run("git", "checkout", "--", ".")
    project.run("dvc", "checkout")
    assert project.changed_stages() == set()


def test_the_summary_has_every_cell(five):
    project, _ = five
    summary = load(project, "metrics/summary.json")
    assert sorted(summary) == sorted(MIXES)
    held_out = (summary["a"]["b"]["miou"] + summary["a"]["c"]["miou"]) / 2
    assert summary["a"]["held_out"] == pytest.approx(held_out, abs=1e-4)
    assert summary["abc"]["held_out"] is None
    for mix, row in summary.items():
        cells = {domain: cell for domain, cell in row.items() if isinstance(cell, dict)}
        assert list(cells) == ["a", "b", "c", "d", "target"], mix
        assert all(0 <= cell["miou"] <= 1 for cell in cells.values())


def test_every_source_that_a_network_has_not_seen_is_held_out(five):
    """Domain d is one of them, though no network is trained on it; the target is none."""
    project, _ = five
    for mix in MIXES:
        scores = load(project, f"metrics/transfer/{mix}.json")
        held_out = {role for role, score in scores["domains"].items() if score["held_out"]}
        assert {*scores["domains"]} == {"a", "b", "c", "d"}
        assert held_out == {"a", "b", "c", "d"} - {*mix}
        mean = sum(scores["domains"][role]["miou"] for role in held_out) / len(held_out)
        assert scores["held_out"] == pytest.approx(mean, abs=1e-4)


def test_the_page_and_the_report_show_every_network_and_domain(five):
    project, _ = five
    page = (project.folder / "report/index.html").read_text("utf-8")
    for mix in MIXES:
        for role in ("a", "b", "c", "d", "target"):
            assert f'data-mix="{mix}" data-domain="{role}"' in page
    # a lacks b and c, b lacks a and c, and each pair lacks one; d is a source of none.
    assert page.count('<span class="tag shifted">held out</span>') == 2 * (2 + 2 + 1 + 1 + 1)
    report = (project.folder / "report/report.html").read_text("utf-8")
    assert "trained on <strong>a</strong>, <strong>b</strong> and <strong>c</strong>" in report
    assert "<strong>d</strong> is only scored, too" in report
    assert "Each source held out in turn" in report


@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_fits_the_screen_and_its_rows_keep_their_heads_in_view(five, browser, width):
    project, _ = five
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto((project.folder / "report/index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    places = page.locator("section > .scroll").first.evaluate(
        """box => {
          box.scrollLeft = box.scrollWidth;
          const at = (selector) => box.querySelector(selector).getBoundingClientRect();
          return {wider: box.scrollWidth - box.clientWidth, box: box.getBoundingClientRect().left,
            head: at("tbody th").left, caption: at("caption").right};
        }"""
    )
    assert (places["wider"] > 0) == (width == 360)
    assert abs(places["head"] - places["box"]) <= 3
    assert places["caption"] <= width
    for cell in page.locator(".heat td a, .bars:not([hidden]) th, .absent").all():
        # No text leaves its cell, and no word is broken.
        assert cell.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), cell.text_content()
    page.close()


def test_the_plots_have_the_curves_of_every_network(five):
    project, _ = five
    project.run("dvc", "plots", "show")
    plots = (project.folder / "dvc_plots/index.html").read_text("utf-8")
    losses = {*re.findall(r'"curve": "(\w+)", "epoch": "?1"?, "loss"', plots)}
    assert losses == {*MIXES}
    curves = {*re.findall(r'"curve": "(\w+ on \w+)"', plots)}
    assert curves == {f"{mix} on {source}" for mix in MIXES for source in mix}


def test_each_source_is_held_out_in_turn_by_one_command(five):
    project, _ = five
    project.run(
        "python", "-m", "ablation.experiment", *("--leave-one-out", "a", "b", "c"),
        *("-S", "train.epochs=1", "-S", "train.warmup_epochs=0"),
    )  # fmt: skip
    summary = load(project, "metrics/summary.json")
    assert sorted(summary) == ["without_a", "without_b", "without_c"]
    for mix, row in summary.items():
        assert row["held_out"] == row[mix.removeprefix("without_")]["miou"]
    report = (project.folder / "report/report.html").read_text("utf-8")
    # By the scores that may choose, and not by those of test images.
    chosen_by = [load(project, f"metrics/transfer/{mix}.json")["held_out"] for mix in summary]
    mean = sum(chosen_by) / 3
    assert f"the mean mIoU on them is <strong>{100 * mean:.1f} %" in report
    # No network of one source, and the report says so instead of a comparison.
    assert "No network of a single source was trained" in report
