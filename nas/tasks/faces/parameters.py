"""Everything that distinguishes one drawn face from another, drawn from a random generator.

Lengths are in head units: the head reaches from -1 (crown) to 1 (chin), x grows to the viewer's
right, which is the person's left. Angles are in radians, colours are RGB in 0 to 255.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

_SKIN_TONES = np.array(
    [[255, 226, 202], [243, 196, 160], [214, 152, 108], [160, 100, 64], [104, 64, 42], [66, 42, 32]]
)
_HAIR_TONES = np.array(
    [[24, 20, 20], [62, 40, 28], [112, 70, 38], [176, 126, 66], [226, 196, 132], [170, 168, 166]]
)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Blends two colours; `share` is that of the second."""
    blend = (1 - share) * np.array(first) + share * np.array(second)
    return _colour(blend)


def any_colour(rng: np.random.Generator) -> Colour:
    """A colour of any hue, seldom garish."""
    hue, saturation, value = rng.uniform(), rng.beta(1.5, 2), rng.uniform(0.15, 1)
    return _colour(255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value)))


@dataclass(frozen=True)
class Pose:
    """Where the head is and how it is turned.

    `scale` is half the head's height as a share of the image's side, `x` and `y` the head's
    centre in the same unit.
    """

    roll: float
    yaw: float
    pitch: float
    scale: float
    x: float
    y: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Pose:
        return cls(
            roll=float(np.clip(rng.normal(0, 0.22), -0.6, 0.6)),
            yaw=rng.uniform(-0.55, 0.55),
            pitch=rng.uniform(-0.22, 0.22),
            scale=rng.uniform(0.32, 0.5),
            x=rng.uniform(0.38, 0.62),
            y=rng.uniform(0.4, 0.6),
        )


@dataclass(frozen=True)
class Head:
    """The outline and colour of the head; `jaw` is the power that squares the chin."""

    width: float
    jaw: float
    chin: float
    skin: Colour
    cheeks: float
    stubble: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Head:
        return cls(
            width=rng.uniform(0.7, 0.88),
            jaw=rng.uniform(1.8, 2.8),
            chin=rng.uniform(0.7, 1.0),
            skin=_tone(rng, _SKIN_TONES, odd=0.08),
            cheeks=rng.uniform(0, 0.3),
            stubble=float(rng.uniform(0.15, 0.6) if rng.uniform() < 0.25 else 0),
        )


@dataclass(frozen=True)
class Eyes:
    """Both eyes.

    `openness` is height over width of each, `spacing` how far their centres are from the middle.
    """

    spacing: float
    height: float
    half_width: float
    openness: tuple[float, float]
    slant: float
    gaze: tuple[float, float]
    iris: Colour
    sclera: Colour

    @classmethod
    def sample(cls, rng: np.random.Generator, skin: Colour) -> Eyes:
        openness = rng.uniform(0.4, 0.85)
        winks = rng.uniform(size=2) < 0.05
        return cls(
            spacing=rng.uniform(0.31, 0.4),
            height=rng.uniform(-0.2, -0.04),
            half_width=rng.uniform(0.16, 0.24),
            openness=tuple(0.25 if wink else openness for wink in winks),  # type: ignore[arg-type]
            slant=rng.normal(0, 0.14),
            gaze=(rng.uniform(-0.45, 0.45), rng.uniform(-0.2, 0.2)),
            iris=_tone(rng, _HAIR_TONES, odd=0.5),
            sclera=mix((250, 248, 244), skin, rng.uniform(0, 0.35)),
        )


@dataclass(frozen=True)
class Brows:
    """Both brows; `contrast` is how far their colour is from the skin's."""

    gap: float
    half_length: float
    thickness: float
    slope: tuple[float, float]
    arch: float
    colour: Colour

    @classmethod
    def sample(cls, rng: np.random.Generator, skin: Colour, hair: Colour) -> Brows:
        slope = rng.normal(0, 0.18)
        return cls(
            gap=rng.uniform(0.19, 0.29),
            half_length=rng.uniform(0.19, 0.28),
            thickness=rng.uniform(0.045, 0.09),
            slope=(slope + rng.normal(0, 0.08), slope + rng.normal(0, 0.08)),
            arch=rng.uniform(0, 0.09),
            colour=mix(skin, mix(hair, (20, 16, 14), 0.3), rng.uniform(0.3, 1)),
        )


@dataclass(frozen=True)
class Nose:
    """The nose; `lift` is how far its tip stands out, `shade` its brightness against the skin."""

    top: float
    bottom: float
    half_width: float
    lift: float
    shade: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Nose:
        return cls(
            top=rng.uniform(-0.22, -0.08),
            bottom=rng.uniform(0.2, 0.34),
            half_width=rng.uniform(0.13, 0.2),
            lift=rng.uniform(0.08, 0.3),
            shade=rng.choice([-1, 1]) * rng.uniform(0.06, 0.18),
        )


@dataclass(frozen=True)
class Mouth:
    """The mouth; `opening` is 0 when it is closed, `smile` lifts its corners."""

    height: float
    half_width: float
    upper: float
    lower: float
    opening: float
    smile: float
    lip: Colour
    inside: Colour
    teeth: bool

    @classmethod
    def sample(cls, rng: np.random.Generator, skin: Colour) -> Mouth:
        red = _colour(rng.uniform((130, 30, 50), (215, 90, 110)))
        return cls(
            height=rng.uniform(0.48, 0.6),
            half_width=rng.uniform(0.2, 0.36),
            upper=rng.uniform(0.05, 0.1),
            lower=rng.uniform(0.06, 0.12),
            opening=float(rng.uniform(0.06, 0.24) if rng.uniform() < 0.6 else 0),
            smile=rng.uniform(-0.07, 0.14),
            lip=mix(skin, red, rng.uniform(0.3, 0.9)),
            inside=_colour(rng.uniform(0.3, 1) * np.array([140, 40, 45])),
            teeth=bool(rng.uniform() < 0.5),
        )


@dataclass(frozen=True)
class Hair:
    """The hair; `length` is where it ends beside the face, `line` where it begins above it."""

    style: str
    colour: Colour
    volume: float
    length: float
    line: float
    parting: float
    waves: int
    waviness: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Hair:
        style = str(rng.choice(["short", "long", "round", "bald"], p=[0.42, 0.36, 0.14, 0.08]))
        return cls(
            style=style,
            colour=_tone(rng, _HAIR_TONES, odd=0.15),
            volume=rng.uniform(0.25, 0.5) if style == "round" else rng.uniform(0.06, 0.22),
            length=rng.uniform(0.4, 1.5) if style == "long" else rng.uniform(-0.5, 0.1),
            line=rng.uniform(-0.75, -0.42),
            parting=rng.uniform(-0.6, 0.6),
            waves=int(rng.integers(2, 9)),
            waviness=rng.uniform(0, 0.09),
        )


@dataclass(frozen=True)
class Cover:
    """What stands before the face."""

    kind: str
    hat: bool
    colour: Colour
    angle: float
    offset: float
    width: float

    @classmethod
    def sample(cls, rng: np.random.Generator, skin: Colour) -> Cover:
        kinds = ["nothing", "glasses", "sunglasses", "hand", "bar", "mask"]
        kind = str(rng.choice(kinds, p=[0.46, 0.22, 0.05, 0.11, 0.1, 0.06]))
        own = mix(skin, (0, 0, 0), rng.uniform(0, 0.2))
        return cls(
            kind=kind,
            hat=bool(rng.uniform() < 0.1),
            colour=own if kind == "hand" else any_colour(rng),
            angle=rng.uniform(0, 2 * np.pi),
            offset=rng.uniform(-0.6, 0.7),
            width=rng.uniform(0.12, 0.3),
        )


@dataclass(frozen=True)
class Light:
    """How the scene is lit and recorded; `noise` in grey levels, `blur` in pixels."""

    direction: float
    gradient: float
    shadow: float
    shadow_offset: float
    tint: tuple[float, float, float]
    gamma: float
    haze: float
    blur: float
    noise: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Light:
        red, green, blue = rng.uniform(0.78, 1.12, size=3)
        return cls(
            direction=rng.uniform(0, 2 * np.pi),
            gradient=rng.uniform(0, 0.5),
            shadow=float(rng.uniform(0.2, 0.5) if rng.uniform() < 0.3 else 0),
            shadow_offset=rng.uniform(-0.25, 0.25),
            tint=(red, green, blue),
            gamma=float(np.exp(rng.normal(0, 0.22))),
            haze=rng.uniform(0, 0.25),
            blur=rng.uniform(0, 0.7),
            noise=rng.uniform(0, 7),
        )


@dataclass(frozen=True)
class Face:
    """One face, complete."""

    pose: Pose
    head: Head
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    hair: Hair
    cover: Cover
    light: Light

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Face:
        head, hair = Head.sample(rng), Hair.sample(rng)
        return cls(
            pose=Pose.sample(rng),
            head=head,
            eyes=Eyes.sample(rng, head.skin),
            brows=Brows.sample(rng, head.skin, hair.colour),
            nose=Nose.sample(rng),
            mouth=Mouth.sample(rng, head.skin),
            hair=hair,
            cover=Cover.sample(rng, head.skin),
            light=Light.sample(rng),
        )


def _tone(rng: np.random.Generator, tones: np.ndarray, odd: float) -> Colour:
    if rng.uniform() < odd:
        return any_colour(rng)
    position = rng.uniform(0, len(tones) - 1)
    below, share = int(position), position % 1
    blend = (1 - share) * tones[below] + share * tones[min(below + 1, len(tones) - 1)]
    return _colour(blend + rng.normal(0, 7, size=3))


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (int(value) for value in np.clip(values, 0, 255))
    return red, green, blue
