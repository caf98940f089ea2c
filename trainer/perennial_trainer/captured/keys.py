"""Which requests are captured, and under which key: both by HMACs with a secret of the model's own.

So a request that is sent again, a copy of it and another version agree, and no caller can choose to be captured.
"""

import hmac

SECRET = "PERENNIAL_CAPTURE_KEY"  # noqa: S105 - the name of the variable that has it
_KEY, _SELECTION = b"perennial key\0", b"perennial selection\0"


def captured_key(secret: bytes, key: str) -> str:
    """The key that is stored for a request's key, or for that of a label: 64 hexadecimal digits."""
    return hmac.digest(secret, _KEY + key.encode(), "sha256").hex()


def is_captured(secret: bytes, key: str, share: float) -> bool:
    """Whether the rows of this key belong to the captured share; those of a smaller share belong to a greater one."""
    return int.from_bytes(hmac.digest(secret, _SELECTION + key.encode(), "sha256")[:8]) < share * 2**64
