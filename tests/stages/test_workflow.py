"""The everyday commands, by the real DVC, on a miniature of the project. The tests are a story:
each goes on where the one before it ended."""

import hashlib
import json
import re
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import yaml
from dvc.repo import Repo
from PIL import Image

from tests.stages.graph import BY_DIGESTS, by_name, dependencies, followed_cards, outputs, overlap

pytestmark = pytest.mark.workflow

CELLS = {(mix, domain) for mix in ("a", "b", "ab") for domain in ("a", "b", "target")}


@pytest.fixture(scope="module")
def reproduced(miniature):
    miniature.run("dvc", "repro")
    miniature.commit("results")
    return miniature


def load(project, name):
    return json.loads((project.folder / name).read_text("utf-8"))


def test_repro_fills_the_nine_cells(reproduced):
    summary = load(reproduced, "metrics/summary.json")
    cells = {(m, d) for m, row in summary.items() for d, cell in row.items() if d != "gap"}
    assert cells == CELLS
    assert all(0 <= summary[m][d]["miou"] <= 1 for m, d in cells)


def test_repro_leaves_a_clean_tree_and_nothing_to_do(reproduced):
    assert reproduced.run("git", "status", "--porcelain") == ""
    assert reproduced.changed_stages() == set()
    printed = reproduced.run("dvc", "repro")
    assert re.findall("Running stage '(.*)'", printed) == ["check_inputs"]
    assert reproduced.run("git", "status", "--porcelain") == ""


def test_metrics_name_their_data_and_carry_an_interval(reproduced):
    target = load(reproduced, "metrics/scores/ab.json")["domains"]["target"]
    assert target["data_set"] == "tiny_dusk"
    assert target["images"] == 3
    assert target["miou_low"] <= target["miou"] <= target["miou_high"]
    for name in target["classes_absent"]:
        assert target["iou"][name] is None


def test_the_confusion_matrix_of_every_image_is_kept_and_adds_up(reproduced):
    confusion = np.load(reproduced.folder / "models/scores/ab.npz", allow_pickle=False)
    matrices = confusion["target/matrices"]
    assert matrices.dtype == np.int64
    assert matrices.shape == (3, 11, 11)
    assert len(set(confusion["target/ids"])) == 3
    total = matrices.sum(0)
    hits = np.diag(total)
    union = total.sum(0) + total.sum(1) - hits
    present = total.sum(1) > 0
    miou = (hits[present] / union[present]).mean()
    assert load(reproduced, "metrics/summary.json")["ab"]["target"]["miou"] == round(miou, 4)


def test_transfer_scores_are_of_what_a_network_has_not_seen_and_of_no_test_image(reproduced):
    """Six images of train and two of val in each tiny set."""
    splits = {"held": ["train", "val"], "own": ["val"]}
    for mix in ("a", "b", "ab"):
        scores = load(reproduced, f"metrics/transfer/{mix}.json")
        matrices = np.load(reproduced.folder / f"models/transfer/{mix}.npz", allow_pickle=False)
        kinds = {role: "own" if role in mix else "held" for role in ("a", "b")}
        assert {r: s["splits"] for r, s in scores["domains"].items()} == {
            role: splits[kind] for role, kind in kinds.items()
        }
        mious: dict[str, list[float]] = {"held": [], "own": []}
        for role, kind in kinds.items():
            found = scores["domains"][role]
            assert found["held_out"] == (kind == "held")
            assert found["images"] == (8 if kind == "held" else 2)
            assert found["miou_low"] <= found["miou"] <= found["miou_high"]
            assert matrices[f"{role}/matrices"].shape == (found["images"], 11, 11)
            assert not [i for i in matrices[f"{role}/ids"] if i.startswith("test")]
            mious[kind].append(found["miou"])
        assert scores["held_out"] == (mious["held"][0] if mious["held"] else None)
        assert scores["val"] == pytest.approx(np.mean(mious["own"]), abs=1e-4)


def test_the_environment_stands_beside_the_metrics_and_in_no_result(reproduced):
    code = reproduced.run("git", "log", "-1", "--format=%H", "--", "params.yaml", "dvc.yaml")
    made = {"train": "models/trained/ab/model.keras", "evaluate": "metrics/scores/ab.json"}
    for stage, file in made.items():
        # What comes out of DVC's cache was not made here, and has no record.
        reproduced.run("dvc", "repro", "--force", "--single-item", f"{stage}@ab")
        found = load(reproduced, f"metrics/environment/{stage}-ab.json")
        content = (reproduced.folder / file).read_bytes()
        assert found["of"]["sha256"] == hashlib.sha256(content).hexdigest()
        assert found["packages"]["tensorflow"]
        assert found["code"] == {"commit": code.strip(), "dirty": False}
    assert reproduced.run("git", "ls-files", "metrics/environment") == ""


def test_a_forced_scoring_gives_the_same_record(reproduced):
    reproduced.run("dvc", "repro", "--force", "--single-item", "evaluate@ab")
    # The summary is gone until it is made of the new scores; the plots, since the training before.
    gone = ("metrics/plots/loss.csv", "metrics/plots/validation.csv", "metrics/summary.json")
    status = reproduced.run("git", "status", "--porcelain")
    assert status == "".join(f" D {file}\n" for file in gone)
    reproduced.run("dvc", "repro", "summarize")
    assert reproduced.run("git", "status", "--porcelain") == ""
    assert reproduced.changed_stages() == set()


def test_the_overview_shows_every_domain(reproduced):
    with Image.open(reproduced.folder / "report/overview.png") as sheet:
        # Image, label and three networks in a row; a row a domain, of images of 64×40.
        assert sheet.width > 5 * 256
        assert sheet.height > 3 * 160


def test_the_page_names_what_it_is_of_as_dvc_does(reproduced):
    page = (reproduced.folder / "report/index.html").read_text("utf-8")
    lock = yaml.safe_load((reproduced.folder / "dvc.lock").read_text("utf-8"))
    known = {
        entry["path"]: entry["md5"]
        for stage in lock["stages"].values()
        for entry in [*stage["deps"], *stage["outs"]]
    }
    named = dict(re.findall(r'<th scope="row">(.*?)</th><td><code>(\w+(?:\.dir)?)</code>', page))
    named = {path.replace("<wbr>", ""): value for path, value in named.items()}
    assert {
        "params.yaml",
        "metrics/scores/ab.json",
        "models/trained/a",
        "data/shards/test/target",
    } <= {*named}
    assert named == {path: known[path] for path in named}
    command = re.search(r"git log --all -S(\w+) -- dvc.lock", page)
    assert command
    found = reproduced.run(
        "git", "log", "--all", f"-S{command[1]}", "--format=%s", "--", "dvc.lock"
    )
    assert found.splitlines() == ["results"]


def test_the_page_shows_images_of_every_domain_in_a_browser(reproduced, browser):
    scored = load(reproduced, "metrics/scores/b.json")["domains"]["target"]
    page = browser.new_page()
    trouble = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto((reproduced.folder / "report/index.html").as_uri() + "#mix=b&domain=target")
    cell = page.locator("a[aria-current=true]").text_content()
    assert f"{100 * scored['miou']:.1f}" in cell
    assert page.locator("#which").text_content().startswith("test_")
    image = page.locator('figure[data-layer="prediction"] img')
    assert image.evaluate("async e => (await e.decode(), e.naturalWidth)") == 64
    assert trouble == []
    page.close()


SPY = """
import functools, os, sys
functools.cache = lambda function: function
name = ".".join(sys.orig_argv[2:]).removeprefix("stages.").replace(".", "@")
if sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2].startswith("stages."):
    os.environ["SPIED_STAGE"] = name
log = os.open(os.environ["SPY_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def checks_params():
    frame = sys._getframe()
    while frame and frame.f_code.co_name != "load_params":
        frame = frame.f_back
    return frame is not None

def spy(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and "SPIED_STAGE" in os.environ:
        if not arguments[2] & (os.O_WRONLY | os.O_RDWR) and not checks_params():
            path = os.path.realpath(arguments[0])
            os.write(log, f"{os.environ['SPIED_STAGE']}\\t{path}\\n".encode())

sys.addaudithook(spy)
"""
"""A module that Python runs first: it notes what a stage opens, itself or by what it starts.

What the check of all parameters opens is left out: the stage validate_params depends on it.
"""


@pytest.fixture(scope="module")
def forced(reproduced, tmp_path_factory):
    """dvc.lock before a forced run, what the run printed, and the files that each stage read."""
    # It holds the hash of every output.
    before = (reproduced.folder / "dvc.lock").read_text("utf-8")
    place = tmp_path_factory.mktemp("spy")
    (place / "sitecustomize.py").write_text(SPY, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(place))
        patch.setenv("SPY_LOG", str(place / "log"))
        printed = reproduced.run("dvc", "repro", "--force")
    read: dict[str, set[PurePosixPath]] = {}
    for line in {*(place / "log").read_text("utf-8").splitlines()}:
        stage, path = line.split("\t")
        if Path(path).is_relative_to(reproduced.folder.resolve()):
            name = PurePosixPath(Path(path).relative_to(reproduced.folder.resolve()).as_posix())
            read.setdefault(stage, set()).add(name)
    return before, printed, read


NO_INPUT = re.compile(
    r".*\.pyc?|__editable__.*|pyproject\.toml|roadshift/.*\.dist-info/.*"
    r"|params\.yaml|\.git/.*|(.*/)?\.gitignore|\.dvcignore|\.dvc/.*"
    r"|(.*/)?\..*\.partial(/.*)?|models/\.training/.*"
)
"""Code, which data/code stands for; parameters, by their keys; the files of git and DVC, which
DVCLive asks; and what a stage writes itself."""


def test_every_file_that_a_stage_reads_is_a_dependency_of_it(reproduced, forced):
    _, _, read = forced
    domains = yaml.safe_load((reproduced.folder / "params.yaml").read_text("utf-8"))["domains"]
    with Repo(str(reproduced.folder)) as repo:
        stages = by_name(repo.index)
        assert stages.keys() == read.keys()
        for name, stage in stages.items():
            if stage.always_changed:
                continue
            script, _, key = name.partition("@")
            known = dependencies(stage) | outputs(stage) | followed_cards(stage, domains)
            if script in BY_DIGESTS:
                # It stops unless these shards are those that its dependency has the digests of.
                digests = load(reproduced, BY_DIGESTS[script](key).as_posix())
                assert "target" not in digests
                known |= {PurePosixPath("data/shards/trainval") / role for role in digests}
            files = {p for p in read[name] if (reproduced.folder / p).is_file()}
            found = {p for p in files if not NO_INPUT.fullmatch(str(p))}
            assert {str(p) for p in found if not any(overlap(p, k) for k in known)} == set(), name


def test_nothing_of_the_target_is_read_by_what_chooses(reproduced, forced):
    _, _, read = forced
    found: dict[str, set[str]] = {}
    for name, files in read.items():
        shards = {p for p in files if p.parts[:2] == ("data", "shards") and len(p.parts) > 4}
        found.setdefault(name.split("@")[0], set()).update("/".join(p.parts[2:4]) for p in shards)
    sources = {"trainval/a", "trainval/b"}
    choosing = ("hash_shards", "hash_sources", "transfer", "calibrate", "error_bars")
    assert {stage: found[stage] for stage in choosing} == {
        "hash_shards": sources, "hash_sources": set(), "transfer": sources, "calibrate": sources,
        "error_bars": set(),
    }  # fmt: skip
    assert {part for part in found["train"] if "target" in part or "test" in part} == set()
    assert load(reproduced, "data/digests/target.json") == {"shards": None}
    assert {*load(reproduced, "data/sources.json")} == {"a", "b"}


def test_a_forced_run_gives_the_same_bytes(reproduced, forced):
    before, printed, _ = forced
    assert "Running stage 'train@ab'" in printed
    assert "Running stage 'download@a'" in printed
    assert (reproduced.folder / "dvc.lock").read_text("utf-8") == before
    assert reproduced.run("git", "status", "--porcelain") == ""


def test_a_training_refuses_shards_that_dvc_does_not_know_of(reproduced):
    """As after `dvc repro --single-item`, which leaves out the stage that hashes them."""
    file = reproduced.folder / "data/sources/ab.json"
    before = load(reproduced, "data/sources/ab.json")
    file.unlink()
    file.write_text(json.dumps({**before, "b": before["a"]}), "utf-8")
    printed = reproduced.run("dvc", "repro", "--force", "--single-item", "train@ab", ok=False)
    assert "error: data/sources/ab.json: made of other shards than those in " in printed
    assert "data/shards/trainval/b; run `dvc repro hash_sources` first" in printed
    assert "Traceback" not in printed
    reproduced.run("git", "checkout", "--", ".")
    reproduced.run("dvc", "checkout", "--force")
    assert reproduced.changed_stages() == set()


def test_a_mistyped_key_stops_the_workflow_before_any_work(reproduced):
    file = reproduced.folder / "params.yaml"
    before = file.read_text("utf-8")
    file.write_text(before.replace("brightness:", "brigthness:"), "utf-8")
    printed = reproduced.run("dvc", "repro", ok=False)
    file.write_text(before, "utf-8")
    assert "error: params.yaml: aug.brigthness: unknown key; did you mean 'brightness'?" in printed
    assert "Traceback" not in printed
    assert "Running stage 'train" not in printed
    reproduced.run("dvc", "checkout")
    assert reproduced.changed_stages() == set()


def test_an_unknown_data_set_stops_the_workflow_with_the_nearest(reproduced):
    printed = reproduced.run("dvc", "exp", "run", "-S", "domains.b=kiti", ok=False)
    reproduced.run("git", "checkout", "--", ".")
    assert "error: params.yaml: domains.b: 'kiti' is not a data set; did you mean 'kitti'?" in (
        printed
    )
    assert "Traceback" not in printed
    reproduced.run("dvc", "checkout")


def test_another_domain_b_leaves_a_and_the_target_alone(reproduced):
    reproduced.set_params(domains={"b": "tiny_dusk"})
    printed = reproduced.run("dvc", "repro", "shard@b", "train@a", "shard@target")
    for stage in ("download", "remap", "shard"):
        assert f"Running stage '{stage}@b'" in printed
        assert f"Running stage '{stage}@a'" not in printed
        assert f"Running stage '{stage}@target'" not in printed
    assert "Running stage 'train@a'" not in printed
    reproduced.run("git", "checkout", "--", ".")
    reproduced.run("dvc", "checkout")
    assert reproduced.changed_stages() == set()


def test_adaptation_stands_beside_the_plain_scores_and_reruns_no_training(reproduced):
    before = load(reproduced, "metrics/scores/ab.json")["domains"]
    plain = np.load(reproduced.folder / "models/scores/ab.npz", allow_pickle=False)["target/ids"]
    reproduced.set_params(adapt={"adabn": True, "tent_steps": 1})
    printed = reproduced.run("dvc", "repro", "evaluate@ab")
    assert "Running stage 'evaluate@ab'" in printed
    assert "Running stage 'train@" not in printed
    after = load(reproduced, "metrics/scores/ab.json")["domains"]
    for role, scores in after.items():
        adapted = scores.pop("adapted")
        assert {**scores, "adapted": {}} == before[role]
        assert list(adapted) == ["adabn", "tent"]
        assert {a["images"] for a in adapted.values()} == {scores["images"]}
    kept = np.load(reproduced.folder / "models/scores/ab.npz", allow_pickle=False)
    assert kept["target/ids"].tolist() == plain.tolist()
    for method in ("adabn", "tent"):
        matrices = kept[f"target/{method}/matrices"]
        # The same pixels were judged, and differently.
        np.testing.assert_array_equal(matrices.sum(2), kept["target/matrices"].sum(2))
        assert not np.array_equal(matrices, kept["target/matrices"])
    reproduced.run("git", "checkout", "--", ".")
    reproduced.run("dvc", "checkout")
    assert reproduced.changed_stages() == set()


@pytest.fixture(scope="module")
def brighter(reproduced):
    printed = reproduced.run("dvc", "exp", "run", "--name", "brighter", "-S", "aug.brightness=0.3")
    return reproduced, printed


def test_an_experiment_reruns_training_and_nothing_before(brighter):
    _, printed = brighter
    for mix in ("a", "b", "ab"):
        assert f"Running stage 'train@{mix}'" in printed
        assert f"Running stage 'evaluate@{mix}'" in printed
    for stage in ("download", "remap", "shard"):
        assert f"Running stage '{stage}@" not in printed


def test_exp_show_has_few_columns(brighter):
    project, _ = brighter
    shown = json.loads(project.run("dvc", "exp", "show", "--json"))
    metrics = shown[0]["data"]["metrics"]
    assert list(metrics) == ["metrics/summary.json"]
    assert "brighter" in project.run("dvc", "exp", "show", "--csv")


def test_the_differences_to_the_last_commit(brighter):
    project, _ = brighter
    params = json.loads(project.run("dvc", "params", "diff", "--json"))
    assert params["params.yaml"]["aug.brightness"]["new"] == 0.3
    metrics = json.loads(project.run("dvc", "metrics", "diff", "--json"))
    changed = metrics["metrics/summary.json"]
    assert any(key.endswith(".miou") for key in changed)
    assert "index.html" in project.run("dvc", "plots", "diff")
    page = (project.folder / "dvc_plots/index.html").read_text("utf-8")
    assert "Training loss by epoch" in page
    assert "Confusion of each network" in page


def test_metrics_diff_across_branches_shows_the_cells_that_changed(brighter):
    project, _ = brighter
    project.run("git", "checkout", "--quiet", "-b", "brighter")
    project.commit("brighter")
    assert project.run("git", "status", "--porcelain") == ""
    diff = json.loads(project.run("dvc", "metrics", "diff", "main", "--json"))
    cells = diff["metrics/summary.json"]
    ours = yaml.safe_load(project.run("git", "show", "brighter:metrics/summary.json"))
    theirs = yaml.safe_load(project.run("git", "show", "main:metrics/summary.json"))
    expected = {f"{m}.{d}.miou" for m, d in CELLS if ours[m][d]["miou"] != theirs[m][d]["miou"]}
    assert expected
    assert {key for key in cells if key.endswith(".miou")} == expected
    table = project.run("dvc", "metrics", "diff", "main")
    assert all(key in table for key in expected)
