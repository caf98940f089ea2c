"""Text that others wrote, as it may stand in a status, an event, a log or on a terminal."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator

_SPACE = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 with the escape that begins a terminal's commands, and C1
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, or turn the direction of text
    "\ud800-\udfff\U000e0000-\U000e007f]"  # halves of characters, and invisible tags
)


def printable(text: str) -> str:
    """The text on one line, with a replacement character for each control character; never longer than before."""
    if text.isascii() and text.isprintable():  # as most texts of most objects are, which each pass reads
        return text
    return _CONTROL.sub("\ufffd", _SPACE.sub(" ", text))


def all_printable(value: Any) -> Any:
    """The same value of JSON with every text in it printable, keys included."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): all_printable(inner) for key, inner in value.items()}
    return [all_printable(inner) for inner in value] if isinstance(value, list) else value


Sentence = Annotated[str, AfterValidator(printable)]
"""A message: printable, also where others wrote parts of it."""
