import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from roadshift import __version__
from roadshift.__main__ import COMMANDS, main

PROJECT = Path(__file__).parents[2]


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT, check=False, capture_output=True, text=True, **options,
    )  # fmt: skip


def imported_by(*arguments):
    """Returns the modules that a run of the command imports, as the interpreter lists them."""
    done = run("-X", "importtime", "-m", "roadshift", *arguments)
    assert done.returncode == 0
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_help_lists_every_command_and_says_how_to_go_on():
    done = run("-m", "roadshift", "--help")
    assert done.returncode == 0
    for name, summary in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", done.stdout, re.MULTILINE)
    assert "Exit status:" in done.stdout
    assert "_ROADSHIFT_COMPLETE=bash_source" in done.stdout


def test_there_is_a_file_a_command_and_a_command_a_file():
    files = {p.stem for p in (PROJECT / "roadshift/commands").glob("*.py")}
    assert files - {"__init__", "image_sets", "inference", "output", "shards"} == {*COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name):
    done = CliRunner().invoke(main, [name, "-h"])
    assert done.exit_code == 0
    assert "Usage:" in done.output


def test_help_imports_nothing_heavy():
    heavy = {"tensorflow", "keras", "numpy", "pydantic", "rich", "yaml"}
    assert not heavy & imported_by("--help")


@pytest.mark.parametrize("arguments", [["datasets"], ["taxonomy", "camvid", "kitti"]])
def test_tables_come_without_tensorflow(arguments):
    assert not {"tensorflow", "keras"} & imported_by(*arguments)


def test_the_version_is_the_package_s():
    assert CliRunner().invoke(main, ["--version"]).output == f"roadshift, version {__version__}\n"


def test_the_script_is_declared():
    declared = (PROJECT / "pyproject.toml").read_text("utf-8")
    assert 'roadshift = "roadshift.__main__:main"' in declared
    assert isinstance(main, click.Group)


def test_what_the_user_can_put_right_is_one_line_on_stderr_and_status_1():
    done = run("-m", "roadshift", "datasets", "camvit")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "Error: 'camvit' is not a data set; did you mean 'camvid'?\n"


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["--nothing"], ["datasets", "--nothing"], ["browse"]]
)
def test_wrong_usage_is_status_2(arguments):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "Usage:" in done.stderr


@pytest.mark.parametrize(
    "locale", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"}]
)
@pytest.mark.parametrize("arguments", [["datasets"], ["datasets", "kitti"], ["--help"]])
def test_any_encoding_of_the_terminal_will_do(arguments, locale):
    environment = {**os.environ, "PYTHONUTF8": "0", **locale}
    done = run("-m", "roadshift", *arguments, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert done.stdout


def test_a_closed_pipe_is_no_error():
    command = f"'{sys.executable}' -m roadshift datasets | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    assert done.stdout.startswith("name")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("roadshift da", {"datasets"}),
        ("roadshift datasets camvid", {"camvid", "camvid32"}),
        ("roadshift taxonomy camvid kit", {"kitti", "kitti_ids"}),
        ("roadshift taxonomy --taxonomy driving", {"driving7", "driving11"}),
        ("roadshift browse --split t", {"train", "test"}),
    ],
)
def test_the_shell_completes_commands_and_names(words, offered):
    environment = {
        "_ROADSHIFT_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = CliRunner().invoke(main, env=environment, prog_name="roadshift")
    assert {line.partition(",")[2] for line in done.output.splitlines()} >= offered


def test_no_module_outside_of_the_commands_imports_one():
    for folder in ("roadshift", "stages", "ablation"):
        for file in (PROJECT / folder).rglob("*.py"):
            if file.parent.name != "commands":
                assert "import roadshift.commands" not in file.read_text("utf-8")
                assert "from roadshift.commands" not in file.read_text("utf-8")
