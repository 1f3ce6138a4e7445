"""The digests by which a training knows its sources: the stages by themselves, then by DVC."""

import hashlib
import json
import re
import shutil
import sys

import pytest
import yaml

pytestmark = pytest.mark.workflow


def stage(project, *words, ok=True):
    """Runs a stage as DVC does, but for its outputs, which stay."""
    name, *arguments = words
    return project.run(sys.executable, "-m", f"stages.{name}", *arguments, ok=ok)


def load(project, name):
    return json.loads((project.folder / name).read_text("utf-8"))


def replace(file, content):
    """Writes a file anew, since DVC's cache may have a link to the old one."""
    file.unlink()
    file.write_bytes(content)


def digest_of(folder):
    """As the reference has it: SHA-256 of a JSON list of each file's path and SHA-256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    pairs = [
        [f.relative_to(folder).as_posix(), hashlib.sha256(f.read_bytes()).hexdigest()]
        for f in files
    ]
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


@pytest.fixture(scope="module")
def hashed(miniature):
    miniature.run("dvc", "repro", "hash_sources")
    miniature.commit("digests")
    return miniature


@pytest.fixture
def untouched(hashed, tmp_path):
    """The project with its digests; what a test does to shards, digests and keys is undone."""
    shutil.copytree(hashed.folder / "data", tmp_path / "data")
    yield hashed
    hashed.remove("data")
    shutil.copytree(tmp_path / "data", hashed.folder / "data")
    hashed.run("git", "checkout", "--", "params.yaml")


@pytest.fixture(scope="module")
def shards(hashed):
    """The folder of b's train and val shards."""
    return hashed.folder / "data/shards/trainval/b"


def test_the_digests_are_those_of_the_shards_of_each_mix(hashed):
    places = {role: hashed.folder / "data/shards/trainval" / role for role in ("a", "b")}
    digests = {role: digest_of(place) for role, place in places.items()}
    assert digests["a"] != digests["b"]
    assert load(hashed, "data/sources.json") == digests
    assert load(hashed, "data/sources/ab.json") == digests
    for role, digest in digests.items():
        assert load(hashed, f"data/digests/{role}.json") == {"shards": digest}
        assert load(hashed, f"data/sources/{role}.json") == {role: digest}
    assert load(hashed, "data/digests/target.json") == {"shards": None}


@pytest.mark.parametrize("change", ["a byte", "a name", "a file less", "a file more"])
def test_any_change_of_the_shards_changes_the_digests_of_the_mixes_that_have_them(
    untouched, shards, change
):
    before = untouched.hashes("data/sources", "data/sources.json")
    file = next(iter(sorted(shards.glob("*.tfrecord*"))))
    content = file.read_bytes()
    if change == "a byte":
        replace(file, content[:-1] + bytes([content[-1] ^ 1]))
    elif change == "a name":
        file.rename(file.with_name("other.tfrecord"))
    elif change == "a file less":
        file.unlink()
    else:
        (shards / "more.tfrecord").write_bytes(b"")
    stage(untouched, "hash_shards", "b")
    stage(untouched, "hash_sources")
    after = untouched.hashes("data/sources", "data/sources.json")
    changed = {name for name in before if before[name] != after[name]}
    assert before.keys() == after.keys()
    assert changed == {"data/sources.json", "data/sources/b.json", "data/sources/ab.json"}
    assert load(untouched, "data/sources/b.json") == {"b": digest_of(shards)}


def test_the_order_of_the_sources_in_params_yaml_changes_no_byte(untouched):
    before = untouched.hashes("data/sources", "data/sources.json")
    file = untouched.folder / "params.yaml"
    params = yaml.safe_load(file.read_text("utf-8"))
    params["mixes"]["ab"] = {"b": 1, "a": 1}
    file.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    stage(untouched, "hash_sources")
    assert untouched.hashes("data/sources", "data/sources.json") == before


def test_shards_that_are_not_there_have_no_digest(untouched, shards):
    before = untouched.hashes("data/digests")
    untouched.remove("data/shards/trainval/b")
    assert stage(untouched, "hash_shards", "b", ok=False) == (
        "error: data/shards/trainval/b: missing; run `dvc repro shard@b` first\n"
    )
    assert untouched.hashes("data/digests") == before
    # The target's are not even looked for.
    untouched.remove("data/shards/trainval/target")
    stage(untouched, "hash_shards", "target")
    assert untouched.hashes("data/digests") == before


def test_a_missing_digest_is_named(untouched):
    before = untouched.hashes("data/sources", "data/sources.json")
    untouched.remove("data/digests/b.json")
    printed = stage(untouched, "hash_sources", ok=False)
    assert printed == "error: data/digests/b.json: missing; run `dvc repro hash_sources`\n"
    assert untouched.hashes("data/sources", "data/sources.json") == before


@pytest.mark.parametrize("content", ["", '{"shards": "12', "[]", '{"shards": null}', "\udcff"])
def test_a_damaged_digest_is_named_and_nothing_is_written(untouched, content):
    """An empty digest is the target's alone."""
    before = untouched.hashes("data/sources", "data/sources.json")
    file = untouched.folder / "data/digests/b.json"
    replace(file, content.encode("utf-8", "surrogateescape"))
    assert stage(untouched, "hash_sources", ok=False) == (
        "error: data/digests/b.json: not the digest of a source's shards; delete it and run "
        "`dvc repro hash_sources`\n"
    )
    assert untouched.hashes("data/sources", "data/sources.json") == before


def test_damaged_digests_of_the_sources_stop_a_training(untouched):
    replace(untouched.folder / "data/sources/b.json", b'{"b": "12')
    printed = stage(untouched, "train", "b", ok=False)
    assert printed.splitlines()[-1] == (
        "error: data/sources/b.json: not digests by source; delete it and run "
        "`dvc repro hash_sources`"
    )
    assert "Traceback" not in printed


def ran(project, *targets):
    return {*re.findall("Running stage '(.*)'", project.run("dvc", "repro", *targets))}


def test_another_split_of_a_trains_a_anew_and_b_not(untouched):
    untouched.run("dvc", "repro", "train@a", "train@b")
    before = untouched.hashes("models/trained/b", "data/sources/b.json")
    file = untouched.folder / "params.yaml"
    params = yaml.safe_load(file.read_text("utf-8"))
    assert params["data"]["split"]["by"]["a"] == "official"
    params["data"]["split"]["by"]["a"] = "random"
    file.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    found = ran(untouched, "train@a", "train@b")
    assert {"remap@a", "shard@a", "hash_shards@a", "hash_sources", "train@a"} <= found
    assert not {name for name in found if name.endswith("@b")}
    assert untouched.hashes("models/trained/b", "data/sources/b.json") == before
