"""The choice of the target's labelled images: a part of the parameters."""

from typing import Literal

from pydantic import Field

from roadshift.settings import Method, ParameterDoc, Reference, Settings


class ChoiceSettings(Settings):
    """Choice of the target's labelled images among its train split."""

    choice: Literal["random", "typical", "weighed", "uncertain"] = Field(
        default="random",
        description="which images of the train split",
        json_schema_extra=ParameterDoc(
            detail="Typical images are the middles of groups that look alike to the encoder with "
            "model.weights, which must not be none. Uncertain ones have the lowest confidence by a "
            "network, whose .keras file model.weights names. Weighed ones are typical of the "
            "groups that this network is least sure of.",
            sources=(Reference("TypiClust, Hacohen et al., ICML 2022", "2202.02794"),),
            method=Method("adaptation", "which images of the target are worth a label"),
        ),
    )
