"""Long tasks and results: their JSON, compressed by zlib and written in base 85 (RFC 1924), as `{"zlib": ...}`."""

import base64
import binascii
import zlib

import msgspec

MAX_TASK = 8 << 20  # bytes; a few thousand compressed ones may be a thousand times as many


class Compressed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that is too long as it is."""

    zlib: str


def compress(content: bytes) -> bytes:
    """The JSON document that stands for `content`."""
    return msgspec.json.encode(Compressed(base64.b85encode(zlib.compress(content, 9)).decode()))


def decompress(content: bytes) -> bytes:
    """The content that was compressed, or the same if it was not. Raises a ValueError if it is damaged or too long."""
    try:
        text = msgspec.json.decode(content, type=Compressed).zlib
    except (msgspec.DecodeError, UnicodeDecodeError):
        return content
    decompressor = zlib.decompressobj()
    try:
        original = decompressor.decompress(base64.b85decode(text), MAX_TASK)
    except (zlib.error, binascii.Error) as error:
        raise ValueError(f"its content is damaged: {error}") from error
    if not decompressor.eof:
        raise ValueError(f"it is damaged, or longer than {MAX_TASK} bytes")
    return original
