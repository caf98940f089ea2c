"""Which rows of a request are captured, and under which keys."""

import secrets
import time
from collections import Counter
from typing import Any, NamedTuple

from perennial_trainer.captured.keys import captured_key, is_captured
from perennial_trainer.contract.capture.settings import Capture
from perennial_trainer.data.categories import category_name
from perennial_trainer.serve.protocol import Inference


class Chosen(NamedTuple):
    """The rows of one request that are captured, at least one."""

    at: int
    """Microseconds since 1970."""
    keys: list[str]
    """As they are stored, of each row."""
    places: list[int]
    """Of each row, among those of the request with the same key."""
    rows: list[int] | None
    """Their positions in the request; None for all."""


class Chooser:
    """Chooses by the HMACs of keys."""

    def __init__(self, settings: Capture, secret: bytes) -> None:
        self._settings = settings
        self._secret = secret

    def choose(self, inference: Inference) -> tuple[Inference, Chosen | None]:
        """The request, with an id that its answer carries if it had no key, and its rows that are captured, if any."""
        keys: list[str | None] | str | None
        keys = [*map(_text, inference.keys)] if isinstance(inference.keys, list) else _text(inference.keys)
        if (keys is None or (isinstance(keys, list) and None in keys)) and not inference.id:
            inference = inference._replace(id=secrets.token_hex(16))
        if not isinstance(keys, list):
            return inference, self._of_request(inference, keys or _text(inference.id) or str(inference.id))
        of_request = _text(inference.id) or str(inference.id)
        return inference, self._of_rows([of_request if key is None else key for key in keys])

    def _of_request(self, inference: Inference, key: str) -> Chosen | None:
        if not is_captured(self._secret, key, self._settings.share):
            return None
        rows = inference.rows
        return Chosen(_now(), [self._stored(key)] * rows, [*range(rows)], None)

    def _of_rows(self, keys: list[str]) -> Chosen | None:
        seen: Counter[str] = Counter()
        chosen: list[tuple[int, str, int]] = []
        for row, key in enumerate(keys):
            if is_captured(self._secret, key, self._settings.share):
                chosen.append((row, self._stored(key), seen[key]))
                seen[key] += 1
        if not chosen:
            return None
        rows, stored, places = (list(each) for each in zip(*chosen, strict=True))
        return Chosen(_now(), stored, places, None if len(rows) == len(keys) else rows)

    def _stored(self, key: str) -> str:
        return key if self._settings.key_in_clear else captured_key(self._secret, key)


def _now() -> int:
    return time.time_ns() // 1000


def _text(key: Any) -> str | None:
    """As keys of labels are written, too: 1, 1.0 and "1" are one key; None if it is missing."""
    name = category_name(key)
    return name if isinstance(name, str) and name else None
