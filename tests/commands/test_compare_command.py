"""The command on files of results; tests/stages/test_compare.py has it on revisions, by DVC."""

import json
import statistics
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from roadshift.__main__ import main
from roadshift.datasets.samples import Sample, write_manifest
from roadshift.report import revisions
from stages import params, paths
from tests.recipes import CLASSES, PIXELS, image_matrices, scored_run

NAMES = ("base/", "bright/")


def write(folder, hits=(0.8, 0.6, 0.5), mix="ab", **options):
    """Writes results as the workflow leaves them, with params.yaml where parameters are given."""
    run = scored_run(mix, hits, **options)
    scores = run.scores.model_copy(update={"mix": mix})
    for file in (folder / paths.scores_file(mix), folder / paths.matrices_file(mix)):
        file.parent.mkdir(parents=True, exist_ok=True)
    scores.save(folder / paths.scores_file(mix))
    run.matrices.save(folder / paths.matrices_file(mix))
    if run.params is not None:
        (folder / "params.yaml").write_text(yaml.safe_dump(run.params), "utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "base", params={"seed": 0, "aug": {"x": 0}})
    write(tmp_path / "bright", (0.9, 0.7, 0.6), params={"seed": 0, "aug": {"x": 1}})
    return tmp_path


def compare(*arguments):
    return CliRunner().invoke(main, ["compare", *arguments])


def refused(*arguments):
    done = compare(*arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("Error: ").rstrip("\n")


def test_the_paths_are_those_of_the_workflow():
    assert Path(revisions.SCORES / "ab.json") == paths.scores_file("ab")
    assert Path(revisions.MATRICES / "ab.npz") == paths.matrices_file("ab")
    assert Path(revisions.PARAMS) == params.PARAMS


def test_it_says_what_was_compared_and_what_came_out(folder):
    done = compare(*NAMES)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "mix ab, 95 % intervals"
    assert "bright/: aug.x 0 → 1" in lines
    assert "  bright/ (seed 0)" in lines
    assert any(line.startswith("target = dusk, 6 images") for line in lines)
    assert any(
        line.startswith("On target, bright/ and base/ are not told apart: +") for line in lines
    )
    assert "A verdict needs 3 seeds of each: 2 more of each." in done.stdout
    assert done.stdout.count(" → ") == 1 + 1 + 3 + 3


def test_seeds_are_grouped_and_judged(folder):
    for seed in (1, 2):
        write(folder / f"base{seed}", params={"seed": seed, "aug": {"x": 0}})
        write(folder / f"bright{seed}", (0.9, 0.7, 0.6), params={"seed": seed, "aug": {"x": 1}})
    done = compare("base/", "bright/", "base1", "base2", "bright1", "bright2", "--json")
    target = json.loads(done.stdout)["ab"]["domains"]["target"]
    assert {*target["recipes"]} == {"base/", "bright/"}
    found = target["recipes"]["bright/"]
    assert found["verdict"] == "better"
    assert len(found["by_seed"]) == 3
    assert (len(found["classes"]), len(found["images"])) == (3, 6)


@pytest.mark.parametrize(
    "names",
    [
        ("base/models/scores/ab.npz", "bright/metrics/scores/ab.json"),
        ("base/models/scores", "bright/metrics/scores"),
        ("flat/ab.npz", "bright"),
        ("flat", "bright"),
    ],
)
def test_a_path_is_a_project_a_folder_of_files_or_a_file(folder, names):
    write(folder / "other", params=None)
    (folder / "flat").mkdir()
    for file in (paths.scores_file("ab"), paths.matrices_file("ab")):
        (folder / "flat" / file.name).write_bytes((folder / "other" / file).read_bytes())
    done = compare(*names, "--json")
    assert done.exit_code == 0, done.stderr
    recipes = json.loads(done.stdout)["ab"]["recipes"]
    assert [recipe["name"] for recipe in recipes] == [*names]
    assert (recipes[1]["changed"] == "aug.x 0 → 1") == ("flat" not in names[0])


def test_the_mixes_in_common_are_compared_or_those_that_are_asked_for(folder):
    for name in ("base", "bright"):
        write(folder / name, mix="a")
    write(folder / "base", mix="b")
    assert [*json.loads(compare(*NAMES, "--json").stdout)] == ["a", "ab"]
    assert [*json.loads(compare(*NAMES, "--mix", "ab", "--json").stdout)] == ["ab"]
    assert refused(*NAMES, "--mix", "b") == "bright/: no scores of mix 'b'; did you mean 'ab'?"


def test_a_mix_that_is_the_same_in_all_is_left_out_beside_one_that_is_not(folder):
    """As where an experiment changed the weights of one mix."""
    for name, weight in (("base", 1), ("bright", 2)):
        write(folder / name, mix="a")
        stages = {
            f"evaluate@{mix}": {
                "params": {"params.yaml": {"seed": 0, f"mixes.{mix}": weights}},
                "outs": [{"path": paths.matrices_file(mix).as_posix()}],
            }
            for mix, weights in (("a", {"a": 1}), ("ab", {"a": weight, "b": 1}))
        }
        (folder / name / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}), "utf-8")
    done = compare(*NAMES, "--json")
    assert json.loads(done.stdout)["ab"]["recipes"][1]["changed"] == "mixes.ab.a 1 → 2"
    assert [*json.loads(done.stdout)] == ["ab"]
    assert done.stderr == (
        "left out: mix 'a': base/ and bright/ are the same results; name those of another seed or "
        "recipe, too\n"
    )


def lock(code, weights, seed):
    """The stages of a dvc.lock that lead to the scores of ab, and one that does not."""
    params = {"params.yaml": {"seed": seed}}
    return {
        "pack": {
            "params": {"params.yaml": {"data": {"size": 1}}},
            "outs": [{"path": "data/shards/test/a", "md5": "d"}],
        },
        "train@ab": {
            "params": params,
            "deps": [{"path": "data/code/train.json", "md5": code}],
            "outs": [{"path": "models/trained/ab", "md5": weights}],
        },
        "evaluate@ab": {
            "params": params,
            "deps": [
                {"path": "data/shards/test", "md5": "d"},
                {"path": "models/trained/ab", "md5": weights},
            ],
            "outs": [{"path": paths.matrices_file("ab").as_posix(), "md5": weights}],
        },
        "overview": {"params": {"params.yaml": {"domains": 1}}, "deps": [], "outs": []},
    }


def test_code_and_data_are_a_part_of_the_recipe_and_what_the_seed_decides_is_not(folder):
    """As dvc.lock has them; what a stage writes that reads the seed is no input."""
    for name, code, seed in (("base", "1", 0), ("seed1", "1", 1), ("branch", "2", 0)):
        write(folder / name, (0.8, 0.6, 0.5), params={"seed": seed})
        content = {"stages": lock(code, f"weights-{name}", seed)}
        (folder / name / "dvc.lock").write_text(yaml.safe_dump(content), "utf-8")
    found = revisions.find_results(["base"])[0].load("ab")
    assert found.params == {"seed": 0, "data.size": 1}
    assert found.inputs == {"data/code/train.json": "1", "data/shards/test": "d"}
    recipes = json.loads(compare("base", "seed1", "branch", "--json").stdout)["ab"]["recipes"]
    assert [len(recipe["runs"]) for recipe in recipes] == [2, 1]
    assert recipes[1]["changed"] == "another data/code/train.json"


def test_a_mix_of_other_parameters_than_params_yaml_is_left_out_or_refused(folder):
    """As in an experiment with one mix, which has the last commit's scores of the others."""
    stages = {
        "evaluate@a": {
            "params": {"params.yaml": {"seed": 0, "aug": {"x": 0}}},
            "outs": [{"path": paths.matrices_file("a").as_posix()}],
        }
    }
    for name in ("base", "bright"):
        write(folder / name, mix="a")
    (folder / "bright/dvc.lock").write_text(yaml.safe_dump({"stages": stages}), "utf-8")
    said = (
        "bright/: mix 'a' was scored with aug.x=0, but params.yaml has 1; run dvc repro, or go "
        "back to the last commit"
    )
    done = compare(*NAMES, "--json")
    assert [*json.loads(done.stdout)] == ["ab"]
    assert done.stderr == f"left out: {said}\n"
    assert refused(*NAMES, "--mix", "a") == said


def test_without_a_mix_in_common_it_says_what_there_is(folder):
    write(folder / "other", mix="b")
    assert refused("base", "other") == (
        "no mix was scored by all (base: ab; other: b); name results of the same mix"
    )


def test_two_recipes_are_needed(folder):
    assert refused("base") == "only base is named; name at least two results to compare"
    assert refused("base", "base").startswith("only base is named")
    write(folder / "again", params={"seed": 0, "aug": {"x": 0}})
    assert refused("base", "again") == (
        "base and again are the same results; name those of another seed or recipe, too"
    )


def test_one_recipe_by_several_seeds_has_a_table_of_its_own(folder):
    hits = {0: (0.8, 0.6, 0.5), 1: (0.84, 0.6, 0.5), 2: (0.88, 0.6, 0.5)}
    for seed, shares in hits.items():
        write(folder / f"s{seed}", shares, params={"seed": seed, "aug": {"x": 2}})
    names = [f"s{seed}" for seed in hits]
    found = json.loads(compare(*names, "--json").stdout)
    assert found["provenance"] is None
    assert found["mixes"]["ab"]["runs"] == [{"name": f"s{s}", "seed": s} for s in hits]
    target = found["mixes"]["ab"]["domains"]["target"]
    scored = [
        json.loads((folder / name / paths.scores_file("ab")).read_text("utf-8"))["domains"]
        for name in names
    ]
    mious = [each["target"]["miou"] for each in scored]
    assert target["by_seed"] == pytest.approx(mious, abs=1e-4)
    assert target["miou"] == pytest.approx(statistics.mean(mious), abs=1e-4)
    assert target["spread"] == pytest.approx(statistics.stdev(mious), abs=1e-4)
    assert target["miou_low"] < target["miou"] - 0.01
    assert target["miou"] + 0.01 < target["miou_high"]
    assert target["groups"] is None
    lines = compare(*names).stdout.splitlines()
    assert "ab: s0 (seed 0), s1 (seed 1), s2 (seed 2)" in lines
    (row,) = (line.split() for line in lines if line.startswith("ab "))
    assert row[1:3] == [f"{100 * target[key]:.1f}" for key in ("miou", "spread")]
    assert any(line.startswith("target, by class: ") for line in lines)
    head = [line.split() for line in lines].index(["class", "pixels", "ab"])
    ious = [each["target"]["iou"] for each in scored]
    # Under the head there is a line.
    for line, name in zip(lines[head + 2 :], CLASSES, strict=False):
        mean = statistics.mean(iou[name] for iou in ious)
        assert line.split()[:3] == [name, str(6 * PIXELS), f"{100 * mean:.1f}"]


def test_one_recipe_by_several_mixes_says_what_more_sources_give(folder):
    mixes = {"a": {"a": 1}, "ab": {"a": 1, "b": 2}}
    for seed in range(3):
        for mix, shares in {"a": (0.5, 0.6, 0.5), "ab": (0.8, 0.6, 0.5)}.items():
            write(folder / f"s{seed}", shares, mix, params={"seed": seed, "mixes": mixes})
    names = [f"s{seed}" for seed in range(3)]
    (row,) = json.loads(compare(*names, "--json").stdout)["more_sources"]
    change = row["domains"]["target"]
    assert (row["mix"], row["than"], change["verdict"]) == ("ab", "a", "better")
    lines = [line.split() for line in compare(*names).stdout.splitlines()]
    head = lines.index(["networks", "target", "=", "dusk", "(6", "images)"])
    assert lines[head + 2][:4] == ["ab", "−", "a", f"+{100 * change['difference']:.1f}"]
    alone = compare(*names, "--mix", "ab").stdout
    assert "What more sources give: Difference of mIoU in points, " in compare(*names).stdout
    assert "What more sources give" not in alone


def test_the_groups_of_the_images_are_those_of_the_manifest(folder):
    for seed in (0, 1):
        write(folder / f"s{seed}", params={"seed": seed, "aug": {"x": 2}})
    place = folder / "s0/data/remapped/target"
    place.mkdir(parents=True)
    ids = {f"img{k}": "north" if k < 2 else "" for k in range(6)}
    samples = [Sample(i, "test", group, f"{i}.png", f"{i}.png") for i, group in ids.items()]
    write_manifest(samples, place / "manifest.csv")
    found = json.loads(compare("s0", "s1", "--json").stdout)
    groups = found["mixes"]["ab"]["domains"]["target"]["groups"]
    assert {name: group["images"] for name, group in groups.items()} == {"no group": 4, "north": 2}
    lines = [line.split() for line in compare("s0", "s1").stdout.splitlines()]
    head = lines.index(["group", "images", "ab"])
    assert [line[:-3] for line in lines[head + 2 :]] == [["no", "group", "4"], ["north", "2"]]
    (place / "manifest.csv").write_text("id\n", "utf-8")
    assert refused("s0", "s1").startswith("s0: data/remapped/target/manifest.csv: ")


def test_a_page_of_one_recipe_is_refused(folder):
    write(folder / "seed1", params={"seed": 1, "aug": {"x": 0}})
    assert refused("base", "seed1", "--html", "page.html") == (
        "--html: base and seed1 are one recipe, and a page compares several; name results of "
        "another one, too, or leave out --html"
    )
    assert not (folder / "page.html").exists()


def test_other_scores_of_one_seed_are_said(folder):
    write(folder / "there", (0.7, 0.6, 0.5), params={"seed": 0, "aug": {"x": 0}})
    assert refused("base", "there") == (
        "base and there are one recipe, and seed 0 comes twice with other scores, as on another "
        "machine; leave one of these out, or name results of another recipe, too"
    )


def test_what_is_no_result_is_said(folder):
    (folder / "empty").mkdir()
    assert refused("base", "empty") == (
        "empty: holds no results; name a folder with metrics/scores and models/scores, or with "
        "<mix>.json and <mix>.npz"
    )
    assert refused("base", "brihgt") == (
        "'brihgt' is no path of results, and this folder is no DVC project in git, which could "
        "have it as a branch, tag, commit or experiment"
    )


def test_metrics_of_another_run_than_the_matrices_are_refused(folder):
    write(folder / "x", (0.9, 0.9, 0.9))
    stale = folder / "bright" / paths.scores_file("ab")
    stale.write_bytes((folder / "x" / paths.scores_file("ab")).read_bytes())
    assert refused(*NAMES) == (
        "bright/: mix 'ab' on target: the metrics and the confusion matrices are of two runs; run "
        "dvc repro, or dvc checkout"
    )


def test_other_images_are_named(folder):
    matrices = {"target": image_matrices((0.8, 0.6, 0.5), prefix="other")}
    write(folder / "bright", matrices=matrices)
    assert refused(*NAMES).startswith(
        "base/ and bright/ were scored on different images of target; in one of them only: img0, "
        "img1, img2, img3 and 8 more; "
    )


@pytest.mark.parametrize("file", [paths.scores_file("ab"), paths.matrices_file("ab")])
def test_a_missing_or_damaged_file_is_named(folder, file):
    (folder / "bright" / file).write_bytes(b"{")
    kind = "scores" if file.suffix == ".json" else "confusion matrices"
    assert f"bright/: {file}: not the {kind} of a mix (" in refused(*NAMES)
    if file.suffix == ".npz":
        (folder / "bright" / file).unlink()
        expected = f"bright/: {file}: missing; get it with `dvc pull`, or run dvc repro"
        assert refused(*NAMES) == expected


class Page(HTMLParser):
    """What a page holds, and its tags that are not closed in their order."""

    def __init__(self, content):
        super().__init__()
        self.open, self.tags, self.text, self.images = [], [], "", []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_holds_everything_and_loads_nothing(folder):
    done = compare(*NAMES, "--html", "page.html", "--most", "2")
    assert done.stdout.endswith("\npage: page.html\n")
    content = (folder / "page.html").read_text("utf-8")
    page = Page(content)
    assert content.startswith("<!DOCTYPE html>")
    assert page.open == []
    assert not {"script", "link"} & {*page.tags}
    assert page.text.count("\n") < 1000
    (chart,) = page.images
    assert chart["src"].startswith("data:image/png;base64,")
    assert chart["alt"] == (
        "Differences to base/ on target with their intervals, as in the table above"
    )
    assert "On target, bright/ and base/ are not told apart: +" in page.text
    assert all(name in page.text for name in (*CLASSES, *(f"img{number}" for number in range(6))))
    assert page.tags.count("details") == 2
    assert all(text not in content for text in ("http:", "https:", "url("))


@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_fits_its_window_and_says_nothing_to_the_console(folder, browser, width):
    assert compare(*NAMES, "--html", "page.html").exit_code == 0
    page = browser.new_page(viewport={"width": width, "height": 800})
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((folder / "page.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('img.chart').naturalWidth") > 500
    assert said == []
    page.close()


def test_names_are_escaped(folder):
    (folder / "bright").rename(folder / "<b>")
    assert compare("base", "<b>", "--html", "page.html").exit_code == 0
    content = (folder / "page.html").read_text("utf-8")
    assert "&lt;b&gt;" in content
    assert "b" not in Page(content).tags


def test_the_page_is_the_same_each_time(folder):
    for name in ("1.html", "2.html"):
        compare(*NAMES, "--html", name)
    assert (folder / "1.html").read_bytes() == (folder / "2.html").read_bytes()
