import pytest
from dvc.repo import Repo

from tests.miniature import default_project, miniature, shared_cache
from tests.stages.graph import PROJECT

__all__ = ["default_project", "miniature", "shared_cache"]


@pytest.fixture(scope="module")
def index():
    """The stages of dvc.yaml, of DVC."""
    with Repo(str(PROJECT)) as repo:
        yield repo.index
