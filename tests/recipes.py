"""Scored runs for tests, whose confusion matrices are drawn."""

import numpy as np

from roadshift.scoring.calibration import no_pixels
from roadshift.scoring.domain_metrics import score_domain
from roadshift.scoring.recipes import ScoredRun
from roadshift.scoring.results import ImageMatrices, MixMatrices, MixScores
from roadshift.scoring.settings import EvaluateSettings

CLASSES = ("road", "car", "person")
PIXELS = 1000
SETTINGS = EvaluateSettings(bootstrap_samples=200)


def image_matrices(hits, *, images=6, seed=0, prefix="img"):
    """Images of three classes of as many pixels each; of every class a share is recognized.

    Args:
        hits: by class, the share that is recognized; what is not goes to the next class.
        images: number of images.
        seed: seed of the differences between images.
        prefix: first letters of their ids.
    """
    generator = np.random.default_rng(seed)
    matrices = np.zeros((images, len(CLASSES), len(CLASSES)), np.int64)
    for class_id, share in enumerate(hits):
        found = (PIXELS * (share + generator.uniform(-0.02, 0.02, images))).astype(np.int64)
        matrices[:, class_id, class_id] = found
        matrices[:, class_id, (class_id + 1) % len(CLASSES)] = PIXELS - found
    return ImageMatrices(tuple(f"{prefix}{k}" for k in range(images)), matrices)


def scored_run(name, hits=(0.8, 0.6, 0.5), **changes):
    """A run that was scored on the domain target.

    Args:
        name: name of the run.
        hits: by class, the share of its pixels that is recognized.
        changes: `params` and `inputs` of the run, `matrices` by domain, `taxonomy`, `data_set`.
    """
    seed = (changes.get("params") or {}).get("seed", 0)
    matrices = changes.get("matrices") or {"target": image_matrices(hits, seed=seed)}
    domains = {
        domain: score_domain(
            found,
            no_pixels(),
            data_set=changes.get("data_set", "dusk"),
            class_names=CLASSES,
            settings=SETTINGS,
        )
        for domain, found in matrices.items()
    }
    return ScoredRun(
        name=name,
        params=changes.get("params"),
        inputs=changes.get("inputs", {}),
        scores=MixScores(mix="ab", taxonomy=changes.get("taxonomy", "three"), domains=domains),
        matrices=MixMatrices(matrices),
    )
