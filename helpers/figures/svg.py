"""Drawings as the page holds them: small, and dark where the page is."""

from __future__ import annotations

import base64
import re
from io import BytesIO
from urllib.parse import quote

from PIL import Image

# What a browser adds of itself, or nobody reads: the head, metadata, comments, groups' names.
NOT_NEEDED = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->"
    r'| id="(?!m|h|p[0-9a-f]{10}|image|D|[a-z]+[0-9a-f]{8,})[^"]*"| version="1.1"',
    re.DOTALL,
)
NUMBER = re.compile(r"-?\d+\.\d+")
STYLE = re.compile(r' style="[^"]*"')
PLACES = re.compile(r' (?:d|points|transform|x|y|x1|x2|y1|y2|width|height|viewBox)="[^"]*"')
PART = re.compile(r"\s*([MLQCZzm])\s*")
PICTURE = re.compile(r'data:image/png;base64,\s*([^"]*)"')
GLYPH = re.compile(r'(<path id="D[^"]*" d=")([^"]*)" transform="scale\(0\.015625\)"')
SHIFT = re.compile(
    r'(<use )xlink:(href="#D[^"]*") transform="translate\((-?[\d.]+)(?:,(-?[\d.]+))?\)"'
)
COARSER = 16  # units of a glyph, a fortieth of a point, that are one in the page
# In the dark ink turns light, and paper and boxes dark; images keep their colours.
TURNED = {
    "fill": {
        "#ffffff": "#15181c", "#222222": "#e4e7eb", "#444444": "#a3adb8", "#eeeeee": "#2a2f36",
        "#d6e8f5": "#1f3a4f", "#fbe3c8": "#4a3415", "#d3efe4": "#1d4034",
    },
    "stroke": {
        "#222222": "#e4e7eb", "#000000": "#e4e7eb", "#444444": "#a3adb8", "#dddddd": "#3a424b",
        "#ffffff": "#15181c",
    },
}  # fmt: skip
RULES = [
    f"[style*='{part}:{light}']{{{part}:{dark}!important}}"
    for part, colours in TURNED.items()
    for light, dark in colours.items()
]
DARK = f"@media (prefers-color-scheme:dark){{{''.join(RULES)}}}"


def has_pictures(svg: str) -> bool:
    """Tell whether a drawing holds images."""
    return "<image" in svg


def compact(svg: str) -> str:
    """Write a drawing of matplotlib's with fewer letters: it looks the same.

    Coordinates are rounded to a hundredth of a point. One with images gets colours for the dark; all
    others can be inverted.
    """
    svg = NOT_NEEDED.sub("", svg)
    svg = PICTURE.sub(lambda found: f'data:image/webp;base64,{_small(found[1])}"', svg)
    svg = svg.replace("DejaVuSans-", "D")
    svg = GLYPH.sub(_glyph, svg)
    svg = PLACES.sub(lambda found: _rounded(found[0]), svg)
    svg = SHIFT.sub(_shift, svg).replace("xlink:href", "href")
    svg = STYLE.sub(lambda found: re.sub(r"([:;,]) ", r"\1", found[0]), svg)
    if has_pictures(svg):
        svg = svg.replace("</style>", f"{DARK}</style>", 1)
    svg = re.sub(r">\s+<", "><", svg).strip()
    return re.sub(r"\s+", " ", svg)


def _glyph(found: re.Match[str]) -> str:
    path = re.sub(r"-?\d+", lambda n: f"{round(int(n[0]) / COARSER)}", found[2])
    return f'{found[1]}{path}" transform="scale({COARSER / 64:g})"'


def _shift(found: re.Match[str]) -> str:
    down = f' y="{found[4]}"' if found[4] not in (None, "0") else ""
    return f'{found[1]}{found[2]} x="{found[3]}"{down}'


def _rounded(attribute: str) -> str:
    """Round the numbers of an attribute, and part them by commas: a space takes three letters."""
    name, _, value = NUMBER.sub(lambda n: _number(n[0]), attribute).partition("=")
    if name == " d":
        value = PART.sub(r"\1", " ".join(value.split())).replace(' "', '"')
    return f"{name}={value.replace(' ', ',')}"


def _number(text: str) -> str:
    short = f"{float(text):.2f}".rstrip("0").rstrip(".")
    short = "0" if short == "-0" else short
    return re.sub(r"^(-?)0\.", r"\1.", short)


def _small(encoded: str) -> str:
    """Write an image without the opacity that it does not use."""
    image = Image.open(BytesIO(base64.b64decode(encoded))).convert("RGBA")
    if image.getextrema()[3] == (255, 255):
        image = image.convert("RGB")
    return webp(image)


def webp(image: Image.Image) -> str:
    """Write an image without loss, as base64."""
    buffer = BytesIO()
    image.save(buffer, "webp", lossless=True, quality=100, method=6)
    return base64.b64encode(buffer.getvalue()).decode()


def as_source(svg: str) -> str:
    """Write a drawing as a data URI, which has no spaces: it may stand in a ``srcset``."""
    return "data:image/svg+xml," + quote(svg.replace('"', "'"), safe="!$'()*+,-./:;=?@_~{}[]|^")
