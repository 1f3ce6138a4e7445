import subprocess

import pytest

from roadshift.errors import RoadshiftError
from roadshift.training.history import open_live


def test_without_a_commit_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["dvc", "init", "--quiet"], check=True)
    with pytest.raises(RoadshiftError, match=r"Empty git repo.*git commit"):
        open_live(tmp_path / "curves")
