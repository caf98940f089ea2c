"""Redacts credentials from text and logs: passwords and signatures in URLs, and the values of secret variables."""

import logging
import os
import re

_PASSWORD = re.compile(r"(?<=://)[^\s/@'\"]*:[^\s/@'\"]*@")
_SIGNATURE = re.compile(r"(https?://[^\s?'\"]*)\?[^\s'\"]*")  # in other URLs a ? is a wildcard
_SECRET = re.compile("KEY|SECRET|TOKEN|PASSW|CREDENTIAL|SAS|CONNECTION_STRING", re.IGNORECASE)
_MIN_LENGTH = 6  # characters; a shorter value is not a secret, and occurs in ordinary words


def redact(text: str) -> str:
    """The text without passwords in URLs, queries of web addresses and values of secret variables."""
    text = _SIGNATURE.sub(r"\1?***", redact_passwords(text))
    secrets = {value for name, value in os.environ.items() if _SECRET.search(name) and len(value) >= _MIN_LENGTH}
    for value in sorted(secrets, key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def redact_passwords(text: str) -> str:
    """The text without passwords in URLs."""
    return _PASSWORD.sub("***@", text)


class RedactingFormatter(logging.Formatter):
    """Formats log lines and tracebacks without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
