"""The paths of the workflow, relative to the project's folder.

Outputs of one kind lie under one folder, the split first and the role second, so that a stage that
scores or shows all of them depends on the folder.
"""

from pathlib import Path

VALIDATED = Path("data/params.validated")
CODE_DIGESTS = Path("data/code")
"""Digests of the code that each stage runs, a file a stage."""
INPUTS = Path("data/inputs")
"""Digests of what decides results beside parameters and code: local files, the environment."""
RAW = Path("data/raw")
BY_HAND = Path("data/by_hand")
"""The folder in which a person puts archives that no program may fetch."""
REMAPPED = Path("data/remapped")
TRAINVAL = Path("data/shards/trainval")
"""Shards of the train and val splits by role; a training may see no more of a role."""
TEST = Path("data/shards/test")
"""Shards of the test split by role; no training sees them."""
ADAPT = Path("data/shards/adapt")
"""Shards of the target's images that trainings may see."""
DIGESTS = Path("data/digests")
"""The digest of the train and val shards of each role, none of the target."""
SOURCES = Path("data/sources")
"""Digests of the shards of each mix's sources."""
ALL_SOURCES = Path("data/sources.json")
"""Digests of the shards of all sources."""
TRAINED = Path("models/trained")
"""The network as it was trained, and its history, by mix."""
SCORES = Path("metrics/scores")
"""All metrics on all domains, by mix."""
CALIBRATION = Path("models/calibration")
"""Calibration of each mix's network by its sources, and estimates on held-out sources."""
EXPECTED = Path("metrics/expected")
"""Scores expected without labels beside the true ones, by mix."""
SUMMARY = Path("metrics/summary.json")
PLOTS = Path("metrics/plots")
"""The learning curves of all mixes, for DVC's plots."""
OVERVIEW = Path("report/overview.png")
NOTEBOOK = Path("report/report.ipynb")
REPORT_TEMPLATE = Path("report/report.html.j2")
EXECUTED = Path("report/executed.ipynb")
REPORT = Path("report/report.html")
RESULTS = Path("docs/results")
"""The kept results of ablations and of runs on real images."""
PAGE = Path("report/index.html")
LOCKS = Path(".dvc/tmp/stages")
"""Files that running stages lock, and the durations of their last runs."""

CODE = ("roadshift", "stages", "dvc.yaml", "params.yaml")
"""The code that results depend on; the provenance file names its commit."""


def downloads(role: str) -> Path:
    """Downloads of a role that are not unpacked yet.

    This is no output of the stage: DVC removes outputs before it runs a stage, so that an
    interrupted download could not resume. Each role has a folder of its own, so that two stages
    that run side by side never write to the same file.
    """
    return Path("data/.downloads") / role


def audit_file(role: str) -> Path:
    """The pixel counts of a role, by class."""
    return Path("metrics/audit") / f"{role}.csv"


def digest_file(role: str) -> Path:
    """The digest of the train and val shards of a role."""
    return DIGESTS / f"{role}.json"


def sources_file(mix: str) -> Path:
    """The digest of the train and val shards of each source of a mix."""
    return SOURCES / f"{mix}.json"


def trained_network_file(mix: str) -> Path:
    """The network of a mix as it was trained."""
    return TRAINED / mix / "model.keras"


def history_file(mix: str) -> Path:
    """The epochs of a mix's training, the selected one, and the target's images it was given."""
    return TRAINED / mix / "history.json"


def training_state(mix: str) -> Path:
    """The state that an interrupted training of a mix resumes from.

    This is no output of the stage, since DVC removes outputs before it runs a stage.
    """
    return Path("models/.training") / mix


def curves_folder(mix: str) -> Path:
    """DVCLive's folder of a mix's training."""
    return Path("metrics/curves") / mix


def network_file(mix: str) -> Path:
    """The network of a mix, ready for use: with the inference settings that it was scored with."""
    return Path("models") / f"{mix}.keras"


def scores_file(mix: str) -> Path:
    """The metrics of a mix on all domains."""
    return SCORES / f"{mix}.json"


def matrices_file(mix: str) -> Path:
    """The confusion matrix of every image that a mix was scored on."""
    return Path("models/scores") / f"{mix}.npz"


def transfer_file(mix: str) -> Path:
    """The metrics of a mix on images that may choose: of the sources, none of test."""
    return Path("metrics/transfer") / f"{mix}.json"


def transfer_matrices_file(mix: str) -> Path:
    """The confusion matrix of every image that `transfer_file` is of."""
    return Path("models/transfer") / f"{mix}.npz"


def calibration_file(mix: str) -> Path:
    """The calibration of a mix's network by its sources."""
    return CALIBRATION / f"{mix}.json"


def estimate_file(mix: str) -> Path:
    """The sources' profile that `roadshift estimate` reads, beside the network ready for use."""
    return Path("models") / f"{mix}.estimate.json"


def expected_file(mix: str) -> Path:
    """The scores of a mix on all domains that are expected without labels, beside the true ones."""
    return EXPECTED / f"{mix}.json"


def predictions_file(mix: str) -> Path:
    """A mix's predictions on the example images."""
    return Path("models/predictions") / f"{mix}.npz"


def facts_file(mix: str) -> Path:
    """The size of a mix's network, and the shift of its features on each domain."""
    return Path("metrics/networks") / f"{mix}.json"


def confusion_file(mix: str) -> Path:
    """The confusion matrices of a mix as rows, for plots."""
    return Path("metrics/confusion") / f"{mix}.csv"


def provenance_file(stage: str, mix: str) -> Path:
    """The provenance of a stage's result; it is no output, see `roadshift.environment`."""
    return Path("metrics/environment") / f"{stage}-{mix}.json"


def ablation_results(ablation: str) -> Path:
    """The results of an ablation: a record of each run, and the tables."""
    return RESULTS / ablation
