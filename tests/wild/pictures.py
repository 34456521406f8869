"""Compares pictures by what is seen."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

_APART = 24  # of 255: a difference that may be seen
_SHARE = 0.0002  # of the points of a picture that may be apart

PICTURES = ("image/png", "image/jpeg", "image/gif")


def difference(one: str, other: str) -> str:
    """Say how two pictures, given in base64, differ; an empty text where they look the same."""
    if one == other:
        return ""
    first, second = _points(one), _points(other)
    if first.shape != second.shape:
        return f"size {first.shape[1]}x{first.shape[0]} -> {second.shape[1]}x{second.shape[0]}"
    apart = np.abs(first - second).max(axis=2) > _APART
    share = float(apart.mean())
    return f"{share:.2%} of the points differ" if share > _SHARE else ""


def svg_difference(one: str, other: str) -> str:
    """Say whether two drawings differ in more than ids and dates."""
    return "" if _without_ids(one) == _without_ids(other) else "the drawings' texts differ"


def _points(text: str) -> np.ndarray:
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    return np.asarray(picture.convert("RGBA")).astype(np.int16)


def _without_ids(text: str) -> str:
    text = re.sub(r"<dc:date>.*?</dc:date>", "", text)
    ids = {
        name: f"id{number}" for number, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', text)))
    }
    return re.sub(r'(\bid="|#)([^")]+)', lambda found: found[1] + ids.get(found[2], found[2]), text)
