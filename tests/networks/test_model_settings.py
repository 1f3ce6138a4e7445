import subprocess
import sys

import pytest
from pydantic import ValidationError

from roadshift.errors import RoadshiftError
from roadshift.networks.settings import ModelSettings


def test_defaults_are_a_pretrained_efficientnet():
    settings = ModelSettings()
    assert (settings.encoder, settings.weights) == ("efficientnet_lite0", "imagenet")
    assert (settings.frozen_stages, settings.frozen_batch_norm) == (0, True)


def test_unknown_encoder_is_refused_and_the_known_are_named():
    with pytest.raises(ValidationError, match=r"efficientnet_lite0.*mobilenet_v2.*unet"):
        ModelSettings(encoder="efficientnet")  # type: ignore[arg-type]


@pytest.mark.parametrize("frozen_stages", [-1, 8])
def test_freeze_out_of_range_is_refused(frozen_stages):
    with pytest.raises(ValidationError):
        ModelSettings(frozen_stages=frozen_stages)


def test_unet_has_no_imagenet_weights():
    with pytest.raises(RoadshiftError, match=r"set model\.weights=none"):
        ModelSettings(encoder="unet")


def test_import_does_not_import_tensorflow():
    code = (
        "import sys, roadshift.networks.settings;"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
