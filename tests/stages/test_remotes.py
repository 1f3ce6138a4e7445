"""Results that travel, by the real DVC: remotes in a folder and on S3, clones, experiments, SLURM.

The tests are a story: each goes on where the one before it ended.
"""

import hashlib
import re
import shutil
import subprocess
import time

import pytest
import yaml

from tests.miniature import PROJECT, Miniature, make_miniature

pytestmark = pytest.mark.workflow

RESULTS = ("summarize", "overview")
"""The figures, and the cheapest of the outputs that show images."""
WITH_IMAGES = ("data/raw", "data/remapped", "data/shards", "report/overview.png")
REBUILT = {"download", "remap", "shard", "adapt", "overview"}
"""The stages of `RESULTS` whose outputs may not be given on."""


def ran(printed):
    """The kinds of stages that ran, but the one that always does."""
    return {*re.findall(r"Running stage '(\w+)", printed)} - {"check_inputs"}


def md5s(folder, *places):
    files = [f for p in places for f in (folder / p, *(folder / p).rglob("*")) if f.is_file()]
    return {hashlib.md5(f.read_bytes(), usedforsecurity=False).hexdigest() for f in files}


def stored(store):
    """The digests of all that a remote in a folder has; of a folder, that of its list."""
    return {"".join(f.parts[-2:]) for f in (store / "files/md5").rglob("*") if f.is_file()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("remotes")


@pytest.fixture(scope="module")
def project(place, shared_cache):
    """One network on one source, run and committed; a bare repository, and a remote in a folder."""
    folder = place / "project"
    folder.mkdir()
    project = make_miniature(folder, shared_cache)
    params = yaml.safe_load((folder / "params.yaml").read_text("utf-8"))
    for section in (params["domains"], params["data"]["split"]["by"]):
        del section["b"]
    params["mixes"] = {"a": {"a": 1}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    project.run("git", "init", "--quiet", "--bare", str(place / "hub.git"))
    project.run("git", "remote", "add", "origin", str(place / "hub.git"))
    (place / "store").mkdir()
    project.run("dvc", "remote", "add", "--default", "store", str(place / "store"))
    project.commit("a remote")
    project.run("dvc", "repro", *RESULTS)
    project.commit("run")
    project.run("git", "push", "--quiet", "origin", "main")
    return project


@pytest.fixture(scope="module")
def clone(project, place):
    """(name) -> a clone of the bare repository, as on another machine: with a cache of its own."""

    def clone_to(name):
        made = Miniature(place / name)
        project.run("git", "clone", "--quiet", "--branch", "main", str(place / "hub.git"), name)
        shutil.move(project.folder / name, made.folder)
        made.run("git", "config", "user.name", "other")
        made.run("git", "config", "user.email", "other@example.org")
        return made

    return clone_to


def test_a_plain_push_leaves_the_run_cache_behind(project, place):
    project.run("dvc", "push")
    assert not (place / "store/runs").exists()
    project.run("python", "-m", "ablation.remote", "push")
    assert [*(place / "store/runs").rglob("*")]


def test_no_image_and_no_label_is_given_on(project, place):
    given = stored(place / "store")
    assert md5s(project.folder, "models/a.keras", "models/scores/a.npz") <= given
    kept = md5s(project.folder, *WITH_IMAGES)
    assert len(kept) > 40
    assert not kept & given
    lock = yaml.safe_load((project.folder / "dvc.lock").read_text("utf-8"))["stages"]
    outs = [out for stage in lock.values() for out in stage["outs"]]
    folders = {o["md5"].removesuffix(".dir") for o in outs if o["path"].startswith(WITH_IMAGES)}
    assert not {digest.removesuffix(".dir") for digest in given} & folders


def test_the_pages_are_not_given_on_either():
    """They show images; they are not made here, which takes long."""
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text("utf-8"))["stages"]
    outs = [out for stage in stages.values() for out in stage.get("do", stage).get("outs", [])]
    kept = {name for out in outs if isinstance(out, dict) for name, at in out.items()
            if at.get("push") is False}  # fmt: skip
    assert kept == {
        "data/raw/${key}", "data/remapped/${key}", "data/shards/trainval/${key}",
        "data/shards/test/${key}", "data/shards/adapt", "report/overview.png",
        "report/report.html", "report/executed.ipynb", "report/index.html",
    }  # fmt: skip


@pytest.fixture(scope="module")
def other(clone):
    return clone("other")


def test_a_clone_trains_and_scores_nothing(project, other):
    """It makes the data itself, from which the same shards result, and so the same digests."""
    printed = other.run("dvc", "exp", "run", "--pull", *RESULTS)
    assert ran(printed) == REBUILT
    places = ("dvc.lock", "models", "metrics/scores", "metrics/summary.json", *WITH_IMAGES)
    left_out = ("models/.training", "models/.gitignore")
    expected = project.hashes(*places)
    found = other.hashes(*places)
    assert {k: v for k, v in found.items() if not k.startswith(left_out)} == {
        k: v for k, v in expected.items() if not k.startswith(left_out)
    }
    assert other.run("git", "status", "--porcelain") == ""


def test_a_clone_without_data_gets_the_networks_and_says_nothing_is_wrong(project, clone):
    light = clone("light")
    light.run("python", "-m", "ablation.remote", "pull")
    assert light.hashes("models/a.keras") == project.hashes("models/a.keras")
    assert not [*(light.folder / "data/shards").rglob("*.tfrecord*")]
    assert light.run("git", "status", "--porcelain") == ""


def test_an_experiment_travels_through_a_bare_repository(project, other):
    project.run(
        "dvc", "exp", "run", "--name", "wide", "-S", "evaluate.bootstrap_samples=60", *RESULTS
    )
    project.run("dvc", "exp", "push", "origin", "wide")
    other.run("dvc", "exp", "pull", "origin", "wide")
    # It ends with an error for what is in no remote, after it has applied all the rest.
    printed = other.run("dvc", "exp", "apply", "wide", ok=False)
    assert "Checkout failed for following targets:" in printed
    assert "models/a.keras" not in printed
    places = ("params.yaml", "dvc.lock", "metrics/summary.json", "models/a.keras")
    assert other.hashes(*places) == project.hashes(*places)
    assert ran(other.run("dvc", "repro", "--pull", *RESULTS)) <= {"overview"}
    project.run("git", "checkout", "--quiet", ".")
    project.run("dvc", "checkout", "--allow-missing")


@pytest.fixture
def s3(monkeypatch):
    """The URL of an S3 on this machine, with a bucket `lab`."""
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("dvc_s3", reason="dvc-s3 is not installed")
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    url = "http://{}:{}".format(*running.get_host_and_port())
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="lab")
    yield url
    running.stop()


def test_a_remote_on_s3(project, clone, s3):
    for remote in ("lab", "nobucket"):
        project.run("dvc", "remote", "add", "--default", remote, f"s3://{remote}/roadshift")
        project.run("dvc", "remote", "modify", remote, "endpointurl", s3)
    refused = project.run("python", "-m", "ablation.remote", "push", ok=False)
    assert refused.startswith("error: DVC remote 'nobucket': no bucket nobucket; ")
    assert refused.count("\n") == 1
    project.run("dvc", "remote", "default", "lab")
    project.run("python", "-m", "ablation.remote", "push")
    far = clone("far")
    shutil.copyfile(project.folder / ".dvc/config", far.folder / ".dvc/config")
    far.run("python", "-m", "ablation.remote", "pull")
    assert far.hashes("models/a.keras") == project.hashes("models/a.keras")
    assert far.hashes(".dvc/cache/runs")
    project.run("git", "checkout", "--quiet", ".dvc/config")


def test_where_images_may_be_given_on_a_clone_runs_nothing(project, clone):
    """One word of dvc.yaml, which changes nothing in dvc.lock."""
    before = project.hashes("dvc.lock")
    file = project.folder / "dvc.yaml"
    text = file.read_text("utf-8")
    assert text.count("push: ") == 1
    file.write_text(text.replace("push: false", "push: true"), "utf-8")
    assert ran(project.run("dvc", "repro", *RESULTS)) == set()
    assert project.hashes("dvc.lock") == before
    project.commit("images for all")
    project.run("git", "push", "--quiet", "origin", "main")
    project.run("python", "-m", "ablation.remote", "push")
    near = clone("near")
    assert ran(near.run("dvc", "exp", "run", "--pull", *RESULTS)) == set()
    assert near.hashes("report/overview.png") == project.hashes("report/overview.png")


def test_tasks_of_an_array_share_one_cache_and_an_interrupted_one_resumes(project):
    """The body of the job's script, two tasks at once, without SLURM."""
    line = "-S data.split.seed={} remap@a\n"
    (project.folder / "sweep.txt").write_text(line.format(8) + line.format(9), "utf-8")
    command = ("bash", "experiments/slurm.sh", "sweep.txt")
    clone = project.folder / ".dvc/tmp/slurm/sweep-1"
    with project.started("env", "SLURM_ARRAY_TASK_ID=1", *command) as task:
        until = time.monotonic() + 300
        while time.monotonic() < until and "stages.remap a" not in task.stdout.readline():
            pass
        assert min(f.stat().st_nlink for f in (clone / "data/raw/a").rglob("*.png")) > 1
    tasks = [("env", f"SLURM_ARRAY_TASK_ID={number}", *command) for number in (1, 2)]
    with project.started(*tasks[0]) as first:
        project.run(*tasks[1])
        printed, _ = first.communicate(timeout=300)
        assert first.returncode == 0, printed
    names = project.run("git", "for-each-ref", "--format=%(refname:lstrip=4)", "refs/exps")
    assert {"sweep-1", "sweep-2"} <= {*names.split()}
    assert not [*clone.parent.iterdir()]
    saved = project.run("git", "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/sweep-2")
    params = yaml.safe_load(project.run("git", "show", f"{saved.strip()}:params.yaml"))
    assert params["data"]["split"]["seed"] == 9


def test_a_task_without_a_line_is_one_line_of_an_error(project):
    printed = project.run(
        "env", "SLURM_ARRAY_TASK_ID=3", "bash", "experiments/slurm.sh", "sweep.txt", ok=False
    )
    assert printed == "error: sweep.txt: no line 3, see --array\n"


@pytest.fixture(scope="module")
def empty(place):
    """A project with the program that checks remotes, and nothing else."""
    folder = place / "empty"
    for name in ("ablation", "roadshift", "stages"):
        shutil.copytree(PROJECT / name, folder / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    project = Miniature(folder)
    project.run("dvc", "init", "--quiet")
    return project


def test_without_a_remote_an_experiment_takes_nothing_and_a_push_says_what_to_do(empty):
    assert empty.run("python", "-m", "ablation.remote", "options") == "\n"
    for command in ("push", "pull"):
        assert empty.run("python", "-m", "ablation.remote", command, ok=False) == (
            "error: no DVC remote is configured; name one: "
            "dvc remote add --default NAME FOLDER_OR_URL\n"
        )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "[core]\nremote = lab\n['remote \"lab\"']\nurl = {folder}/unmounted\n",
            "error: DVC remote 'lab': no folder {folder}/unmounted; make or mount it, or name "
            "another one: dvc remote modify lab url FOLDER_OR_URL\n",
        ),
        (
            "[core]\nremote = lab\n['remote \"lab\"']\nurl = s3://lab/x\nendpointurl = {port}\n",
            "error: DVC remote 'lab': Could not connect to the endpoint URL: \"{port}/lab/x\"; "
            "mend that, or correct its settings: dvc remote modify lab KEY VALUE\n",
        ),
        (
            "[core]\nremote = other\n",
            "error: .dvc/config: config file error: remote 'other' doesn't exist\n",
        ),
        (
            "[core]\nremote = lab\n['remote \"lab\"']\nurl = nosuch://x\n",
            "error: .dvc/config: config file error: Unsupported URL type nosuch:// for dictionary "
            "value @ data['remote']['lab']\n",
        ),
        (
            "[core]\nremote = lab\n['remote \"lab\"']\nurl = hdfs://x/y\n",
            "error: DVC remote 'lab': hdfs is supported, but requires 'dvc-hdfs' to be installed; "
            "mend that, or correct its settings: dvc remote modify lab KEY VALUE\n",
        ),
    ],
)
@pytest.mark.parametrize("command", ["push", "options"])
def test_a_remote_that_is_missing_is_one_line_of_an_error(
    empty, closed_port, monkeypatch, command, settings, expected
):
    if "s3://" in settings:
        pytest.importorskip("dvc_s3", reason="dvc-s3 is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    values = {"{folder}": str(empty.folder), "{port}": closed_port}
    for name, value in values.items():
        settings, expected = settings.replace(name, value), expected.replace(name, value)
    (empty.folder / ".dvc/config").write_text(settings, "utf-8")
    assert empty.run("python", "-m", "ablation.remote", command, ok=False) == expected
