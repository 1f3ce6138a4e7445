"""Writes beside a network what an estimate without labels needs of its sources."""

from roadshift.estimation.source_profile import SourceProfile
from stages.entry import run
from stages.params import Params
from stages.paths import calibration_file, estimate_file


def main(params: Params, mix: str) -> None:
    """Join a mix's calibration and what all mixes' estimates missed on held-out sources."""
    profiles = {name: SourceProfile.load(calibration_file(name)) for name in params.mixes}
    cells = [cell for profile in profiles.values() for cell in profile.cells]
    profiles[mix].model_copy(update={"cells": cells}).save(estimate_file(mix))


if __name__ == "__main__":
    run(main, "mix")
