"""Which requests are captured, and under which key: both by HMACs with a secret of the model's own.

So a request that is sent again, a copy of it and another version agree, and no caller can choose to be captured. Keys
of requests and of labels are texts as `category_name` writes them.
"""

import hmac
from functools import lru_cache
from hashlib import sha256
from typing import Any

SECRET = "PERENNIAL_CAPTURE_KEY"  # noqa: S105 - the name of the variable that has it
_KEY, _SELECTION = b"perennial key\0", b"perennial selection\0"


def captured_key(secret: bytes, key: str) -> str:
    """The key that is stored for a request's key, or for that of a label: 64 hexadecimal digits."""
    return _digest(secret, _KEY, key).hex()


def is_captured(secret: bytes, key: str, share: float) -> bool:
    """Whether the rows of this key belong to the captured share; those of a smaller share belong to a greater one."""
    return int.from_bytes(_digest(secret, _SELECTION, key)[:8]) < share * 2**64


def _digest(secret: bytes, purpose: bytes, key: str) -> bytes:
    """HMAC-SHA256; each row of a request with keys of its own waits for one, so it takes half the time of `hmac`'s."""
    inner, outer = (each.copy() for each in _started(secret, purpose))
    inner.update(key.encode(errors="replace"))
    outer.update(inner.digest())
    return bytes(outer.digest())


@lru_cache(maxsize=16)
def _started(secret: bytes, purpose: bytes) -> tuple[Any, Any]:
    block = (sha256(secret).digest() if len(secret) > sha256().block_size else secret).ljust(sha256().block_size, b"\0")
    return sha256(block.translate(hmac.trans_36) + purpose), sha256(block.translate(hmac.trans_5C))
