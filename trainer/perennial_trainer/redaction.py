"""What nobody is told: passwords and signatures in addresses, and the values of secret variables."""

import logging
import os
import re

_PASSWORD = re.compile(r"(?<=://)[^\s/@'\"]*:[^\s/@'\"]*@")
_SIGNATURE = re.compile(r"(https?://[^\s?'\"]*)\?[^\s'\"]*")  # elsewhere a ? is a wildcard
_SECRET = re.compile("KEY|SECRET|TOKEN|PASSW|CREDENTIAL|SAS|CONNECTION_STRING", re.IGNORECASE)
_SHORTEST = 6  # characters: less is no secret, and stands in words


def redact(text: str) -> str:
    """The text without passwords in addresses, queries of web addresses and values of secret variables."""
    text = _SIGNATURE.sub(r"\1?***", redact_passwords(text))
    values = {value for name, value in os.environ.items() if _SECRET.search(name) and len(value) >= _SHORTEST}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, "***")
    return text


def redact_passwords(text: str) -> str:
    return _PASSWORD.sub("***@", text)


class RedactingFormatter(logging.Formatter):
    """A line of the log, with the traceback if there is one, tells no secret."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
