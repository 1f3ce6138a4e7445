"""Where everything lies, relative to the project's folder."""

from pathlib import Path

CHECKED = Path("data/params.checked")
RAW = Path("data/raw")
BY_HAND = Path("data/by_hand")
"""Where a person puts archives that no machine may fetch."""
REMAPPED = Path("data/remapped")
SHARDS = Path("data/shards")
ADAPT = SHARDS / "adapt"
"""Shards of what trainings may see of the target."""
MODELS = Path("models")
METRICS = Path("metrics")
SUMMARY = METRICS / "summary.json"
OVERVIEW = Path("report/overview.png")
NOTEBOOK = Path("report/report.ipynb")
REPORT_TEMPLATE = Path("report/report.html.j2")
EXECUTED = Path("report/executed.ipynb")
REPORT = Path("report/report.html")
RESULTS = Path("docs/results")
"""What is kept of ablations and of runs on real pictures."""
PAGE = Path("report/index.html")
ABLATIONS = Path(".dvc/tmp/ablation")
LOCKS = Path(".dvc/tmp/stages")
"""Files that running stages hold locked."""


CODE = ("roadshift", "stages", "dvc.yaml", "params.yaml")
"""What results come of; the record of the environment tells its commit."""


def downloads(role: str) -> Path:
    """What was downloaded for a role and is not unpacked yet.

    It is no output of the stage, since DVC removes outputs before it runs a stage, and what has
    come of a download that was cut off would be lost. Each role has its own: two stages that run
    side by side never write to the same file.
    """
    return Path("data/.downloads") / role


def trainval(role: str) -> Path:
    """Shards of a role's train and val splits, all that a training may see of it."""
    return SHARDS / role / "trainval"


def test(role: str) -> Path:
    """Shards of a role's test split, which no training sees."""
    return SHARDS / role / "test"


def audit(role: str) -> Path:
    """The account of a role's pixels."""
    return METRICS / "audit" / f"{role}.csv"


def network(mix: str) -> Path:
    """The trained network of a mix."""
    return MODELS / mix / "model.keras"


def history(mix: str) -> Path:
    """The epochs of a mix's training, the one that was chosen, and what it saw of the target."""
    return MODELS / mix / "history.json"


def training(mix: str) -> Path:
    """What an interrupted training of a mix goes on from.

    It is no output of the stage, since DVC removes outputs before it runs a stage.
    """
    return MODELS / ".training" / mix


def environment(stage: str, mix: str) -> Path:
    """What the outcome of a stage was made with; no output of it, see `roadshift.environment`."""
    return METRICS / "environment" / f"{stage}-{mix}.json"


def curves(mix: str) -> Path:
    """DVCLive's folder of a mix's training."""
    return METRICS / "curves" / mix


def scores(mix: str) -> Path:
    """Everything a mix scored, on all domains."""
    return METRICS / f"{mix}.json"


def confusion(mix: str) -> Path:
    """A mix's confusion matrices as rows, for plots."""
    return METRICS / "confusion" / f"{mix}.csv"


def pictures(mix: str) -> Path:
    """A mix's confusion matrix of each picture."""
    return MODELS / "scores" / f"{mix}.npz"


def ablation_results(ablation: str) -> Path:
    """What an ablation measured: a record of each run, and the tables."""
    return RESULTS / ablation


def ablation_chart(ablation: str) -> Path:
    """An ablation as a picture."""
    return Path("report/ablations") / f"{ablation}.png"
