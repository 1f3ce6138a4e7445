"""Choice of the images to label first: typical, typical weighed by error, uncertain, random."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from roadshift.datasets.splits import seeded_order
from roadshift.errors import RoadshiftError

Choice = Literal["random", "typical", "weighed", "uncertain"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
NEIGHBOURS = 20
"""Number of nearest neighbours that typicality is measured by, as in the paper."""
_ITERATIONS = 100
_ROWS = 256
"""Number of images whose distances to all others are in memory together."""


def pick(
    choice: Choice,
    names: Sequence[str],
    *,
    number: int,
    seed: int,
    features: np.ndarray | None = None,
    errors: np.ndarray | None = None,
) -> list[int]:
    """Picks images to label.

    Args:
        choice: 'random'; 'typical' (see the function); 'weighed', typical images of the groups with
            the largest errors; or 'uncertain', those with the largest errors.
        names: names of all images, each once; ties and random choices go by them.
        number: number of images to pick, from 1.
        seed: seed of the random choices.
        features: float (N, D), features of the images; for 'typical' and 'weighed'.
        errors: float (N,), expected error of each image; for 'weighed' and 'uncertain'.

    Returns:
        Places of the picked images, in the order in which they should be labelled.

    Raises:
        RoadshiftError: there are fewer images.
    """
    if number > len(names):
        raise RoadshiftError(
            f"{number} images are to be picked of {len(names)}; pick no more than there are"
        )
    # The name of a file may have bytes that are no UTF-8, which cannot be hashed as they are.
    places = {
        name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"): place
        for place, name in enumerate(names)
    }
    order = [places[name] for name in seeded_order(places, seed)]
    if choice == "random":
        return order[:number]
    if choice != "typical" and errors is None:
        raise ValueError(f"{choice} images are picked by their errors")
    if choice == "uncertain" and errors is not None:
        return sorted(range(len(names)), key=lambda k: (-errors[k], names[k]))[:number]
    if features is None:
        raise ValueError(f"{choice} images are picked by their features")
    # Not in the order of the names, so that equally typical images are taken at random.
    weights = errors[order] if choice == "weighed" and errors is not None else None
    found = typical(features[order], number, seed, weights)
    return [order[place] for place in found]


def typical(
    features: np.ndarray, number: int, seed: int, errors: np.ndarray | None = None
) -> list[int]:
    """Picks typical images of different kinds (TypiClust).

    The images are parted into as many clusters as are to be picked; of each cluster, the largest
    first, the image is taken whose neighbours in it are nearest. At small budgets this beats both
    random and uncertain images: Hacohen et al., ICML 2022, https://arxiv.org/abs/2202.02794.

    With errors there are twice as many clusters, and those whose images have the largest sum of
    errors come first, so that no label is spent on what the network does well.

    Args:
        features: float (N, D), N >= number.
        number: number of images to pick, from 1.
        seed: seed of the clusters' first centres.
        errors: float (N,), expected error of each image; None, the default, to leave it out.

    Returns:
        Places of the picked images, those of the largest clusters first.
    """
    points = _standardized(features)
    parts = number if errors is None else min(2 * number, len(points))
    clusters = k_means(points, parts, seed)
    picked: list[int] = []
    sizes = np.bincount(clusters, errors, minlength=parts)
    for cluster in np.argsort(-sizes, kind="stable")[:number]:
        members = np.flatnonzero(clusters == cluster)
        if len(members):
            picked.append(int(members[typicality(points[members]).argmax()]))
    # Fewer distinct images than clusters: the rest is taken by typicality among all.
    if len(picked) < number:
        order = np.argsort(-typicality(points), kind="stable").tolist()
        picked += [place for place in order if place not in picked][: number - len(picked)]
    return picked


def typicality(points: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """The inverse of the mean distance to the nearest neighbours, float64 (N,).

    Args:
        points: float64 (N, D), N >= 1.
        neighbours: number of neighbours; all others where there are fewer.
    """
    count = min(neighbours, len(points) - 1)
    if not count:
        return np.ones(1)
    means = np.empty(len(points))
    for start in range(0, len(points), _ROWS):
        distances = np.sqrt(_squared(points[start : start + _ROWS], points))
        # The nearest of all is the point itself.
        distances[np.arange(len(distances)), start + np.arange(len(distances))] = 0
        nearest = np.partition(distances, count, axis=1)[:, : count + 1]
        means[start : start + _ROWS] = nearest.sum(axis=1) / count
    return 1 / (means + 1e-12)


def k_means(points: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Parts points into clusters, by Lloyd's iterations from centres of k-means++.

    Arthur and Vassilvitskii, SODA 2007: each further centre is drawn with a probability in
    proportion to its squared distance from the nearest one.

    Args:
        points: float64 (N, D), N >= number.
        number: number of clusters, from 1; one may stay empty where points coincide.
        seed: seed of the centres.

    Returns:
        int64 (N,), the cluster of each point, 0..number - 1.
    """
    generator = np.random.default_rng(seed)
    centres = points[[int(generator.integers(len(points)))]]
    nearest = _squared(points, centres)[:, 0]
    for _ in range(number - 1):
        total = nearest.sum()
        drawn = generator.choice(len(points), p=nearest / total) if total > 0 else 0
        centres = np.vstack([centres, points[drawn]])
        nearest = np.minimum(nearest, _squared(points, centres[-1:])[:, 0])
    clusters = np.full(len(points), -1)
    for _ in range(_ITERATIONS):
        found = _squared(points, centres).argmin(axis=1)
        if (found == clusters).all():
            break
        clusters = found
        for cluster in range(number):
            members = clusters == cluster
            if members.any():
                centres[cluster] = points[members].mean(axis=0)
    return clusters


def _standardized(features: np.ndarray) -> np.ndarray:
    """Scales each feature to a spread of 1, so that none decides alone; constant ones become 0."""
    points = np.asarray(features, np.float64)
    points = points - points.mean(axis=0)
    spread = points.std(axis=0)
    varying = spread > 1e-6 * max(float(spread.max(initial=0.0)), 1e-12)
    return np.divide(points, spread, out=np.zeros_like(points), where=varying)


def _squared(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distances, float64 (N, M)."""
    squares = (points**2).sum(axis=1)[:, np.newaxis] + (others**2).sum(axis=1)
    return np.maximum(squares - 2 * points @ others.T, 0)
