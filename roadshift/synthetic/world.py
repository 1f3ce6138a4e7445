"""Synthetic worlds: schema and reader of `worlds/<name>.yaml`, which describe one domain each."""

from functools import cache
from importlib import resources
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, format_validation_error, load_yaml, suggestion

Colour = Annotated[str, Field(pattern="^#[0-9a-f]{6}$", description="sRGB colour, #rrggbb")]
Colours = Annotated[list[Colour], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Density = Annotated[float, Field(ge=0, le=60, description="number in 100 m of street")]


class CameraSettings(Settings):
    """A pinhole camera over the right half of the road, looking along the street."""

    height: float = Field(default=1.4, ge=0.5, le=4, description="metres above the road")
    pitch: float = Field(default=1.5, ge=-10, le=20, description="degrees; positive looks down")
    field_of_view: float = Field(default=62, ge=25, le=110, description="horizontal, degrees")
    pitch_jitter: float = Field(default=0.6, ge=0, le=5, description="degrees, standard deviation")
    yaw_jitter: float = Field(default=2.5, ge=0, le=15, description="degrees, standard deviation")
    bonnet: bool = Field(default=False, description="whether the own vehicle's bonnet is in view")


class LayoutSettings(Settings):
    """The street: its cross-section, the buildings along it, and the density of other things."""

    lanes: int = Field(
        default=2, ge=1, le=6, description="number of lanes, both directions together"
    )
    lane_width: float = Field(default=3.4, ge=2.4, le=4.5, description="metres")
    parking_width: float = Field(
        default=2.2, ge=0, le=3, description="metres on each side; 0: no parking places"
    )
    verge_width: float = Field(
        default=1.4, ge=0, le=6, description="width of the grass on each side, metres"
    )
    sidewalk_width: float = Field(default=2.8, ge=1, le=8, description="metres on each side")
    setback: float = Field(
        default=2.5, ge=0, le=12, description="depth of the front gardens, metres"
    )
    floors_min: int = Field(default=2, ge=1, le=12, description="storeys of the lowest building")
    floors_max: int = Field(default=4, ge=1, le=12, description="storeys of the highest building")
    building_width_min: float = Field(default=9, ge=5, le=40, description="metres")
    building_width_max: float = Field(default=18, ge=5, le=60, description="metres")
    gap: Share = Field(default=0.25, description="share of lots without a building")
    shops: Share = Field(default=0.2, description="share of buildings with a shop")
    pitched_roofs: Share = Field(default=0.7, description="share of buildings with a pitched roof")
    crossing: Share = Field(default=0.6, description="share of images with a crossing street")
    zebra: Share = Field(default=0.6, description="share of images with a zebra crossing")
    fences: Share = Field(default=0.5, description="share of front gardens with a fence or wall")
    trees: Density = 7.0
    lamps: Density = 4.0
    signs: Density = 4.0
    people: Density = 10.0
    two_wheelers: Density = 5.0
    traffic: Density = 5.0
    parked: Share = Field(default=0.5, description="share of parking places that are taken")
    heavy: Share = Field(default=0.2, description="share of trucks and buses in the traffic")
    clutter: Density = 3.0

    @model_validator(mode="after")
    def _ordered(self) -> "LayoutSettings":
        if self.floors_min > self.floors_max:
            raise ValueError("floors_min is greater than floors_max")
        if self.building_width_min > self.building_width_max:
            raise ValueError("building_width_min is greater than building_width_max")
        return self


class LightSettings(Settings):
    """Light sources, their colours, and the exposure."""

    sun_elevation: float = Field(default=52, ge=1, le=90, description="degrees")
    sun_azimuth: float = Field(
        default=-60, ge=-180, le=180, description="degrees; 0 ahead, 90 right"
    )
    sun: float = Field(default=2.2, ge=0, le=10, description="strength of direct light")
    sun_colour: Colour = "#fff1dc"
    ambient: float = Field(default=0.6, ge=0, le=5, description="strength of the sky's light")
    ambient_colour: Colour = "#b8d0f4"
    sky_top: Colour = "#3f7fd0"
    sky_horizon: Colour = "#c4dcf2"
    sky_strength: float = Field(default=1.0, ge=0, le=5, description="brightness of the sky")
    lamps: Share = Field(default=0, description="strength of lamps, headlights and lit windows")
    lit_windows: Share = Field(default=0, description="share of windows with a light behind them")
    exposure: float = Field(default=1.0, ge=0.05, le=10)
    contrast: float = Field(default=1.0, ge=0.3, le=2)
    saturation: float = Field(default=1.0, ge=0, le=2)
    tint: Colour = Field(default="#ffffff", description="sRGB colour of white in this camera")


class PaletteSettings(Settings):
    """Colours of surfaces in white light; each thing takes one of a list at random."""

    facades: Colours = Field(
        default=["#e6d3b1", "#d8b98c", "#c98f6b", "#e9e2d2", "#b9694f", "#d9c7a5"]
    )
    trims: Colours = Field(default=["#f4efe4", "#e0d8c8", "#8a7a68"])
    roofs: Colours = Field(default=["#a4513a", "#8c4434", "#6c5a50"])
    road: Colour = "#77767a"
    marking: Colour = "#f2f2ee"
    sidewalk: Colour = "#b5aca0"
    kerb: Colour = "#cdc8c0"
    verge: Colour = "#7f9c4c"
    foliage: Colours = Field(default=["#5f8a36", "#4f7c31", "#76983f"])
    vehicles: Colours = Field(
        default=["#e8e8e8", "#1c1f24", "#a9adb3", "#9c1f1f", "#23467e", "#d9d3c3"]
    )
    clothes: Colours = Field(
        default=["#2b3a67", "#b5302a", "#e8e4da", "#3c3c3c", "#3f7d5a", "#d9a441"]
    )


class TextureSettings(Settings):
    """Contrast and size of surface details."""

    asphalt: Share = Field(default=0.25, description="grain of the road")
    patches: Share = Field(default=0.35, description="stains, repairs and tyre tracks on the road")
    wear: Share = Field(default=0.2, description="wear of the road markings")
    paving: float = Field(
        default=0.6, ge=0.1, le=3, description="size of a slab of the sidewalk, metres"
    )
    facade: Share = Field(default=0.15, description="roughness of plaster and brick")
    brick: Share = Field(default=0.2, description="share of brick buildings")
    foliage: Share = Field(default=0.5, description="contrast of leaves")


class WeatherSettings(Settings):
    """Clouds, haze, rain and water on the road."""

    clouds: Share = Field(default=0.35, description="cloud cover of the sky")
    haze: float = Field(default=0.0025, ge=0, le=0.05, description="extinction, 1/metre")
    rain: Share = Field(default=0, description="rain in the air")
    wetness: Share = Field(default=0, description="water on the road, which reflects")


class SensorSettings(Settings):
    """Degradations of the image by the camera."""

    noise: float = Field(default=1.5, ge=0, le=30, description="standard deviation, 8-bit steps")
    blur: float = Field(default=0.0, ge=0, le=4, description="radius in pixels")
    vignetting: Share = Field(default=0.15, description="loss of light in the corners")


class WorldSettings(Settings):
    """A synthetic domain; the defaults are a clear noon in a suburban street.

    Two worlds differ in these settings and in nothing else.
    """

    width: int = Field(default=256, ge=32, le=2048, description="width of an image, pixels")
    height: int = Field(default=160, ge=32, le=2048, description="height of an image, pixels")
    camera: CameraSettings = CameraSettings()
    layout: LayoutSettings = LayoutSettings()
    light: LightSettings = LightSettings()
    palette: PaletteSettings = PaletteSettings()
    texture: TextureSettings = TextureSettings()
    weather: WeatherSettings = WeatherSettings()
    sensor: SensorSettings = SensorSettings()


def world_names() -> tuple[str, ...]:
    """Returns the names of the worlds, sorted."""
    folder = resources.files(__package__) / "worlds"
    files = (file.name for file in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")))


@cache
def load_world(name: str) -> WorldSettings:
    """Reads a world of this package.

    Args:
        name: file name in `worlds`, without `.yaml`.

    Raises:
        RoadshiftError: no world has that name, or its file does not fit the schema.
    """
    if name not in world_names():
        raise RoadshiftError(f"'{name}' is not a world{suggestion(name, world_names())}")
    content = (resources.files(__package__) / "worlds" / f"{name}.yaml").read_bytes()
    return parse_world(content, f"roadshift/synthetic/worlds/{name}.yaml")


def parse_world(content: bytes, file: str) -> WorldSettings:
    """Parses and checks the description of a world.

    Args:
        content: YAML, UTF-8, in the schema of `WorldSettings`.
        file: name of the file, for error messages.

    Raises:
        RoadshiftError: it is not YAML or does not fit the schema; names the file and the key.
    """
    try:
        return WorldSettings.model_validate(load_yaml(content))
    except ValidationError as error:
        reason = format_validation_error(error, WorldSettings)
        raise RoadshiftError(f"{file}: {reason}") from None
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {error}") from None
