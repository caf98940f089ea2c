"""Redacts credentials from text and logs, and the control characters of names and values in data.

Credentials are passwords and signatures in URLs, and the values of secret variables.
"""

import logging
import os
import re
import sys

_PASSWORD = re.compile(r"(?<=://)[^\s/@'\"]*:[^\s/@'\"]*@")
_SIGNATURE = re.compile(r"(https?://[^\s?'\"]*)\?[^\s'\"]*")  # in other URLs a ? is a wildcard
_SECRET = re.compile("KEY|SECRET|TOKEN|PASSW|CREDENTIAL|SAS|CONNECTION_STRING", re.IGNORECASE)
_SPACE = re.compile("[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_CONTROL = re.compile(  # terminals obey the first two kinds, and the others are invisible or turn the direction of text
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
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


def printable(text: str) -> str:
    """The text on one line, with a replacement character for each control character."""
    return _CONTROL.sub("\ufffd", _SPACE.sub(" ", text))


class RedactingFormatter(logging.Formatter):
    """Formats log lines and tracebacks without credentials; a message is one line, and a traceback is indented."""

    def format(self, record: logging.LogRecord) -> str:
        first, *others = redact(super().format(record)).splitlines() or [""]
        if record.exc_info:
            return "\n".join([printable(first), *(f"  {printable(line)}" for line in others)])
        return " ".join(map(printable, [first, *others]))


def log_to_stdout() -> logging.Logger:
    """The trainer's log, which has one line for each entry in the standard output; libraries log warnings only."""
    to_stdout = logging.StreamHandler(sys.stdout)
    to_stdout.setFormatter(RedactingFormatter("%(message)s"))
    logging.basicConfig(handlers=[to_stdout], force=True)
    logging.captureWarnings(True)
    log = logging.getLogger("perennial_trainer")
    log.setLevel(logging.INFO)
    return log
