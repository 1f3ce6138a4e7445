import os
import re
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from unittest import mock

import pytest

from tests.bad_input.project import NOTHING, STAGES, listed, run, write_inputs
from tests.bad_input.table import CASES, PAGE, check_case, make_case, make_model, page, warm_up

pytestmark = pytest.mark.workflow

LOG = "predictions/predictions.json"
QUIET = {"TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
PLAIN = ("validate_params", "download", "remap")
"""Stages that need no TensorFlow, and run in another process, since they fork."""


class Processes:
    """A process with TensorFlow and one without, which run the commands."""

    def __init__(self, plain, tensorflow):
        self.plain, self.tensorflow = plain, tensorflow

    def run(self, folder, command, environment=NOTHING):
        pool = self.plain if command[0] in PLAIN else self.tensorflow
        return pool.submit(run, folder, command, environment).result()

    def call(self, function, *arguments):
        return self.tensorflow.submit(function, *arguments).result()


@pytest.fixture(scope="module")
def processes():
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context) as plain, ProcessPoolExecutor(1, context) as tensorflow:
        with mock.patch.dict(os.environ, QUIET):
            plain.submit(warm_up, False).result()
            tensorflow.submit(warm_up, True).result()
        yield Processes(plain, tensorflow)


@pytest.fixture(scope="module")
def whole(processes, tmp_path_factory):
    """A project with shards, a network with random weights, and its scores."""
    folder = tmp_path_factory.mktemp("whole")
    processes.call(write_inputs, folder)
    processes.call(make_model, folder)
    for command in (*STAGES, ("evaluate", "a")):
        outcome = processes.run(folder, command)
        assert (outcome.status, outcome.err) == (0, ""), outcome.err
    return folder


@pytest.mark.parametrize("name", CASES)
def test_bad_input_has_the_expected_outcome(processes, whole, tmp_path, name):
    case = CASES[name]
    folder = tmp_path / "project"
    shutil.copytree(whole, folder)
    processes.call(make_case, folder, name)
    for command in case.commands:
        before = listed(folder)
        outcome = processes.run(folder, command, case.environment)
        assert "Traceback" not in outcome.err
        if outcome.status:
            break
    if case.works:
        assert outcome.status == 0, outcome.err
        assert "error" not in outcome.err.lower()
        processes.call(check_case, folder, name)
        return
    prefix = "Error: " if command[0] == "roadshift" else "error: "
    expected = re.escape(f"{prefix}{case.error}\n").replace("…", ".*").replace("⋮", "(?:.+\n)*.+")
    assert re.fullmatch(expected, outcome.err), outcome.err
    assert outcome.status == 1
    # The log, in which predict lists the inputs that failed, may change.
    after = {name: value for name, value in listed(folder).items() if name != LOG}
    assert after == before


def test_there_are_at_least_40_cases():
    assert len(CASES) >= 40


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.bad_input.table"
