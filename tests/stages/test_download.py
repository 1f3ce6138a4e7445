"""The download stage as a user has it: through DVC, on a network that fails."""

import io
import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest
import yaml

pytestmark = pytest.mark.workflow

CONTENT = os.urandom(1 << 20)


def zip_file(members):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


@pytest.fixture(scope="module")
def project(miniature):
    """The miniature, whose domain a is a set that is fetched."""
    cards = miniature.folder / "roadshift/datasets/cards"
    card = yaml.safe_load((cards / "kitti.yaml").read_text("utf-8"))
    card["archive"] = {"name": "set.zip", "by_hand": "ask the office", "unpacked_megabytes": 2}
    (cards / "fetched.yaml").write_text(yaml.safe_dump(card), "utf-8")
    miniature.set_params(domains={"a": "fetched"})
    miniature.run("dvc", "repro", "validate_params")
    miniature.commit("a set that is fetched")
    return miniature


def serve(project, url):
    file = project.folder / "roadshift/datasets/cards/fetched.yaml"
    card = yaml.safe_load(file.read_text("utf-8"))
    card["archive"]["url"] = url
    file.write_text(yaml.safe_dump(card), "utf-8")


@pytest.fixture
def no_mirror(monkeypatch):
    monkeypatch.delenv("ROADSHIFT_MIRROR", raising=False)


def error_lines(printed):
    lines = printed.splitlines()
    (first,) = [n for n, line in enumerate(lines) if line.startswith("error: ")]
    return lines[first:]


def test_what_a_person_has_to_fetch_is_explained(project, no_mirror):
    printed = project.run(sys.executable, "-m", "stages.download", "a", ok=False)
    first, second, third = error_lines(printed)
    assert "download by hand set.zip (ask the office)" in first
    assert second == f"and save it as {project.folder}/data/by_hand/set.zip,"
    assert "ROADSHIFT_MIRROR" in third


def test_a_hostile_archive_ends_the_stage_with_status_1(project, no_mirror):
    by_hand = project.folder / "data/by_hand"
    by_hand.mkdir()
    (by_hand / "set.zip").write_bytes(zip_file({"../../evil.png": b"evil"}))
    command = [sys.executable, "-m", "stages.download", "a"]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert "member '../../evil.png' would be written outside the folder" in line
    assert not list(project.folder.rglob("evil.png"))
    assert not (project.folder / "data/raw/a").exists()


def test_what_a_person_put_there_is_found_and_stays_out_of_git(project, no_mirror):
    archive = project.folder / "data/by_hand/set.zip"
    archive.write_bytes(zip_file({"training/image_2/0.png": b"zero"}))
    project.run(sys.executable, "-m", "stages.download", "a")
    assert (project.folder / "data/raw/a/training/image_2/0.png").read_bytes() == b"zero"
    assert project.run("git", "status", "--porcelain") == ""
    archive.unlink()


def test_a_download_that_was_cut_resumes_when_the_stage_is_run_again(
    project, no_mirror, server, answer
):
    body = zip_file({"training/image_2/1.png": CONTENT})
    serve(project, server.serve("/set.zip", answer(body, cut=1 << 19), answer(b"", 404)))
    printed = project.run("dvc", "repro", "download@a", ok=False)
    assert "answers 404 Not Found; download by hand set.zip" in printed
    assert "Traceback" not in printed
    assert not (project.folder / "data/raw/a").exists()
    part = project.folder / "data/.downloads/a/set.zip.part"
    assert part.stat().st_size == 1 << 19
    server.serve("/set.zip", answer(body))
    project.run("dvc", "repro", "download@a")
    assert server.requests[-1][1]["Range"] == f"bytes={1 << 19}-"
    assert (project.folder / "data/raw/a/training/image_2/1.png").read_bytes() == CONTENT
    assert not part.parent.exists()
    status = project.run("git", "status", "--porcelain").split("\n")
    assert {line[3:] for line in status if line} <= {
        "dvc.lock",
        "roadshift/datasets/cards/fetched.yaml",
    }


def test_ctrl_c_ends_cleanly_and_keeps_what_has_come(project, no_mirror, server, answer):
    body = zip_file({"training/image_2/1.png": CONTENT})
    serve(project, server.serve("/set.zip", answer(body, cut=1 << 19, silence=60)))
    part = project.folder / "data/.downloads/a/set.zip.part"
    command = [sys.executable, "-m", "stages.download", "a"]
    with subprocess.Popen(
        command, cwd=project.folder, stderr=subprocess.PIPE, text=True,
        # Tests in a shell's background ignore the signal, and would hand that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if part.exists() and part.stat().st_size == 1 << 19:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        _, printed = process.communicate(timeout=20)
    assert time.monotonic() - asked < 5
    assert process.returncode == 130
    assert printed.splitlines()[-1] == "interrupted"
    assert "Traceback" not in printed
    assert part.stat().st_size == 1 << 19
    assert sorted(p.name for p in (project.folder / "data/raw").iterdir()) == [".gitignore", "a"]
