"""Finds the results that a user names: of the workspace, a git revision or experiment, or files.

Results of another revision are read through DVC, without checking anything out.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from roadshift.errors import RoadshiftError
from roadshift.scoring.recipes import SEED, ScoredRun, leaves, shown_value
from roadshift.scoring.results import MixMatrices, MixScores
from roadshift.settings import format_validation_error, load_yaml, suggestion

if TYPE_CHECKING:
    from dvc.repo import Repo

_Content = TypeVar("_Content")
WORKSPACE = "workspace"
"""DVC's name of the uncommitted files."""
SCORES, MATRICES = PurePosixPath("metrics/scores"), PurePosixPath("models/scores")
REMAPPED = PurePosixPath("data/remapped")
PARAMS, LOCK = PurePosixPath("params.yaml"), PurePosixPath("dvc.lock")
"""Paths of the workflow, relative to the project's folder."""


@dataclass(frozen=True)
class Results:
    """The results that a name stands for.

    Attributes:
        name: the name, as the user gave it.
        read: returns the content of a file, or raises FileNotFoundError.
        names: returns the names of the files in a folder, none if there is no folder.
        scores: the folder of the metrics.
        matrices: the folder of the confusion matrices.
        missing: what to say where matrices are missing.
        only: the only mix that is meant; None for all.
    """

    name: str
    read: Callable[[PurePosixPath], bytes]
    names: Callable[[PurePosixPath], Sequence[str]]
    scores: PurePosixPath = SCORES
    matrices: PurePosixPath = MATRICES
    missing: str = "missing; get it with `dvc pull`, or run dvc repro"
    only: str | None = None

    @cached_property
    def mixes(self) -> list[str]:
        """The mixes that have metrics, in the order of their names."""
        found = (PurePosixPath(name) for name in self.names(self.scores))
        mixes = sorted(file.stem for file in found if file.suffix == ".json")
        return [mix for mix in mixes if self.only in (None, mix)]

    def load(self, mix: str) -> ScoredRun:
        """Reads the results of a mix.

        Raises:
            RoadshiftError: a file is missing or damaged, or is of another run than the others.
        """
        scores = self._scores(mix)
        matrices = self._matrices(mix)
        made_with = self._made_with(mix)
        params, inputs = made_with or (self._params, {})
        run = ScoredRun(
            name=self.name, params=params, inputs=inputs, scores=scores, matrices=matrices
        )
        run.check()
        return run

    def groups(self, domain: str) -> Mapping[str, str] | None:
        """Returns the group of each image of a domain by its id, '' for an image without one.

        None where the manifest of the domain's images is not at hand.

        Raises:
            RoadshiftError: the manifest is damaged.
        """
        from roadshift.datasets.samples import read_manifest

        file = REMAPPED / domain / "manifest.csv"
        try:
            content = self.read(file)
        except (FileNotFoundError, RoadshiftError):
            # Groups are a further look at the scores: a remote that does not answer stops no table.
            return None
        return {sample.id: sample.group for sample in self._parsed(file, content, read_manifest)}

    def stale(self, mix: str) -> str:
        """Says that a mix was scored with other parameters than params.yaml has; '' if not."""
        made_with, now = self._made_with(mix), self._params
        if made_with is None or now is None:
            return ""
        for key, value in made_with[0].items():
            if key in now and now[key] != value:
                return (
                    f"{self.name}: mix '{mix}' was scored with {key}={shown_value(value)}, but "
                    f"params.yaml has {shown_value(now[key])}; run dvc repro, or go back to the "
                    "last commit"
                )
        return ""

    def _scores(self, mix: str) -> MixScores:
        file = self.scores / f"{mix}.json"
        try:
            return MixScores.model_validate_json(self.read(file))
        except FileNotFoundError:
            raise RoadshiftError(f"{self.name}: {file}: missing; run dvc repro") from None
        except ValidationError as error:
            reason = format_validation_error(error, MixScores)
            raise RoadshiftError(
                f"{self.name}: {file}: not the scores of a mix ({reason}); run dvc repro"
            ) from None

    def _matrices(self, mix: str) -> MixMatrices:
        file = self.matrices / f"{mix}.npz"
        try:
            content = self.read(file)
        except FileNotFoundError:
            raise RoadshiftError(f"{self.name}: {file}: {self.missing}") from None
        return self._parsed(file, content, MixMatrices.load)

    def _parsed(
        self, file: PurePosixPath, content: bytes, parse: Callable[[Path], _Content]
    ) -> _Content:
        """Reads a content by a function that takes a path."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / file.name
            copy.write_bytes(content)
            try:
                return parse(copy)
            except RoadshiftError as error:
                message = str(error).replace(str(copy), f"{self.name}: {file}")
                raise RoadshiftError(message) from None

    @cached_property
    def _params(self) -> Mapping[str, Any] | None:
        content = self._yaml(PARAMS)
        return None if content is None else dict(leaves(content))

    @cached_property
    def _stages(self) -> Mapping[str, Any] | None:
        content = self._yaml(LOCK)
        return None if content is None else content.get("stages") or {}

    def _yaml(self, file: PurePosixPath) -> Mapping[str, Any] | None:
        try:
            content = load_yaml(self.read(file))
        except FileNotFoundError:
            return None
        except RoadshiftError as error:
            raise RoadshiftError(f"{self.name}: {file}: {error}") from None
        if not isinstance(content, Mapping):
            raise RoadshiftError(f"{self.name}: {file}: not a mapping; get it back from git")
        return content

    def _made_with(self, mix: str) -> tuple[Mapping[str, Any], Mapping[str, str]] | None:
        """Returns the parameters, and the digests of code and data, by dvc.lock; None without."""
        stages = list(makers(self._stages or {}, str(self.matrices / f"{mix}.npz")))
        if not stages:
            return None
        params: dict[str, Any] = {}
        seeded = []
        for stage in stages:
            own = dict(leaves((stage.get("params") or {}).get(str(PARAMS)) or {}))
            params |= own
            if SEED in own:
                seeded.append(stage)
        # What the seed decides is no input; what it does not decides all that comes before.
        outs = [out["path"] for stage in seeded for out in stage["outs"]]
        inputs = {
            dep["path"]: str(dep.get("md5") or dep.get("hash"))
            for stage in seeded
            for dep in stage.get("deps") or []
            if not any(_overlap(dep["path"], out) for out in outs)
        }
        return params, inputs


def known_groups(found: Sequence[Results], domain: str) -> Mapping[str, str] | None:
    """Returns the group of each image of a domain by the first results that know it, else None.

    Raises:
        RoadshiftError: a manifest is damaged.
    """
    return next((g for each in found if (g := each.groups(domain)) is not None), None)


def makers(stages: Mapping[str, Any], path: str) -> Iterator[Mapping[str, Any]]:
    """Yields the stage of a dvc.lock that writes a path, and all stages that it follows from."""
    wanted, left = [path], dict(stages)
    while wanted:
        place = wanted.pop()
        for name, stage in list(left.items()):
            if any(_overlap(place, out["path"]) for out in stage.get("outs") or []):
                yield left.pop(name)
                wanted += [dep["path"] for dep in stage.get("deps") or []]


def find_results(names: Sequence[str]) -> list[Results]:
    """Finds results by their names.

    Args:
        names: 'workspace', git branches, tags and commits, names of DVC experiments, and paths of
            results: a project's folder, a folder of `.npz` and `.json` files, or one of them.

    Raises:
        RoadshiftError: a name is none of these.
    """
    repo = _open_repo()
    return [_find(name, repo) for name in names]


def _find(name: str, repo: "Repo | None") -> Results:
    if name == WORKSPACE:
        return _of_files(name, Path())
    commit = _resolve(repo, name) if repo is not None else None
    if repo is not None and commit is not None:
        return _of_revision(name, commit, repo)
    path = Path(name)
    if path.exists():
        return _of_path(name, path)
    if repo is None:
        raise RoadshiftError(
            f"'{name}' is no path of results, and this folder is no DVC project in git, which "
            "could have it as a branch, tag, commit or experiment"
        )
    # Many experiments are too many to list.
    close, listed, _ = suggestion(name, _known_names(repo)).partition("; known: ")
    hint = "; git branch, git tag and dvc exp list have the names" if listed else close
    raise RoadshiftError(f"'{name}' is no branch, tag, commit, experiment or path of results{hint}")


def _of_files(name: str, root: Path) -> Results:
    return Results(
        name,
        read=lambda file: (root / file).read_bytes(),
        names=lambda folder: [found.name for found in (root / folder).glob("*")],
    )


def _of_path(name: str, path: Path) -> Results:
    """The results in a folder: a project's, or one that holds the files themselves."""
    only = None
    if path.is_file():
        path, only = path.parent, path.stem
    for inner in (SCORES, MATRICES):
        if path.resolve().parts[-2:] == inner.parts:
            path = path.resolve().parents[1]
    found = _of_files(name, path)
    if not (path / SCORES).is_dir():
        here = PurePosixPath()
        if not list(path.glob("*.npz")):
            raise RoadshiftError(
                f"{name}: holds no results; name a folder with {SCORES} and {MATRICES}, or with "
                "<mix>.json and <mix>.npz"
            )
        return Results(name, found.read, found.names, scores=here, matrices=here, only=only)
    return Results(name, found.read, found.names, only=only)


def _open_repo() -> "Repo | None":
    """Opens the project in this folder; returns None if it is none, or not in git."""
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo
    from dvc.scm import NoSCM, SCMError

    try:
        repo = Repo(".")
    except (NotDvcRepoError, SCMError):
        return None
    return None if isinstance(repo.scm, NoSCM) else repo


def _resolve(repo: "Repo", name: str) -> str | None:
    """Returns the commit of a revision or experiment; None if there is none of that name."""
    from dvc.scm import RevError, resolve_rev

    try:
        return resolve_rev(repo.scm, name)
    except RevError:
        pass
    # An experiment's name that comes twice, as after a commit in between, means the newest.
    found = [ref for ref in _experiments(repo) if ref.rpartition("/")[2] == name]
    commits = [repo.scm.get_ref(ref) for ref in found]
    times = {commit: repo.scm.resolve_commit(commit).commit_time for commit in commits}
    return max(times, key=lambda commit: times[commit], default=None)


def _experiments(repo: "Repo") -> list[str]:
    # refs/exps/<2>/<38>/<name>; others are DVC's own.
    return [ref for ref in repo.scm.iter_refs("refs/exps") if len(ref.split("/")) == 5]


def _known_names(repo: "Repo") -> list[str]:
    experiments = sorted({ref.rpartition("/")[2] for ref in _experiments(repo)})
    return [WORKSPACE, *repo.scm.list_branches(), *repo.scm.list_tags(), *experiments]


def _of_revision(name: str, commit: str, repo: "Repo") -> Results:
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.fs import GitFileSystem
    from dvc.repo import Repo

    # DVCFileSystem by itself takes the folder of the git repository for the project's.
    place = repo.fs.relparts(repo.root_dir, repo.scm.root_dir)
    root = "/" if place == (".",) else "/".join(("", *place))
    revision = Repo(root, fs=GitFileSystem(scm=repo.scm, rev=commit), scm=repo.scm)
    files = DVCFileSystem(revision)

    def read(file: PurePosixPath) -> bytes:
        try:
            return bytes(files.cat_file(f"/{file}"))
        except FileNotFoundError:
            raise
        except (DvcException, OSError) as error:
            # Of the remote, such as one that needs a password.
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RoadshiftError(f"{name}: {file}: cannot be read: {reason}") from None

    def names(folder: PurePosixPath) -> list[str]:
        try:
            return [PurePosixPath(path).name for path in files.ls(f"/{folder}", detail=False)]
        except FileNotFoundError:
            return []

    return Results(
        name,
        read,
        names,
        missing=(
            "not in DVC's cache; get it with `dvc fetch --all-commits`, an experiment's with "
            f"`dvc exp pull`, or run {name} again"
        ),
    )


def _overlap(one: str, other: str) -> bool:
    """Returns whether two paths are the same, or one of them is in the other."""
    a, b = PurePosixPath(one), PurePosixPath(other)
    return a == b or a in b.parents or b in a.parents
