"""The operator's settings, read once from the environment."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from perennial_operator.core.api.allowed_in_pods import DEFAULTS
from perennial_operator.core.world import Policy

PREFIX = "PERENNIAL_"
LONGEST = 86_400
"""Seconds: a day."""
MOST_SHARDS = 32

NAMESPACE = r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?"
AN_ADDRESS = "http://prometheus.monitoring:9090"
PROMETHEUS = r"(https?://[^\s/?#@]+(/[^\s?#]*)?)?"
DOTTED = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?"
PACKAGE = r"[a-z0-9]+(-[a-z0-9]+)*"

T = TypeVar("T")


class BadSettingError(ValueError):
    """An environment variable is invalid; the message names it, its value and what is valid."""


@dataclass(frozen=True, slots=True)
class Settings:
    policy: Policy
    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; empty means all."""
    resync_seconds: float = 300.0
    """How often every kind is listed again, which repairs what a watch missed."""
    workers: int = 32
    """Concurrent passes, each for another ModelDeployment; a pass mostly waits for the API server."""
    lease_namespace: str = ""
    """Namespace of the Lease that elects the leader; empty means that this operator is the only one."""
    identity: str = ""
    """The holder identity in the Lease, unique to this operator."""
    shards: int = 1
    """Parts of the fleet, by namespace; each has a Lease of its own, so that several operators share the work."""
    probes_port: int = 0
    """Port of /healthz and /readyz; 0 for none."""
    metrics_port: int = 0
    """Port of /metrics; 0 for none."""
    bind_address: str | None = None
    """The address of both ports; None means all of the pod's addresses."""
    log_format: str = "text"
    prometheus: str = ""
    """Address of the Prometheus that answers the queries of roll-out analyses; empty means that none is configured."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. BadSettingError names the invalid variable."""

    def read(name: str, default: str, convert: Callable[[str], T], valid: str) -> T:
        text = environment.get(PREFIX + name, default)
        try:
            return convert(text)
        except ValueError:
            raise BadSettingError(f"{PREFIX}{name} is {text!r}; give {valid}") from None

    settings = Settings(
        policy=Policy(
            trainer_image=read("TRAINER_IMAGE", "perennial-trainer:0.1.0", _matching(r"\S+"), "the name of an image"),
            max_trainings=read("MAX_TRAININGS", "10", _whole(1, 100_000), "a whole number from 1 to 100000"),
            trainings_per_day=read(
                "TRAININGS_PER_DAY", "1000", _whole(1, 1_000_000), "a whole number from 1 to 1000000"
            ),
            service_account=read("TRAINER_SERVICE_ACCOUNT", "", _matching(DOTTED), "the name of a ServiceAccount"),
            allowed_in_pods=read(
                "ALLOWED_IN_PODS", "", _allowances, f"field=pattern, the field one of {', '.join(DEFAULTS)}"
            ),
            allowed_packages=read(
                "ALLOWED_PACKAGES", "", _packages, "names of packages in lower case, such as acme-trees"
            ),
            adopt_joblib=read("ADOPT_JOBLIB", "false", _yes_or_no, "true or false"),
        ),
        namespaces=read("NAMESPACES", "", _names, "names of namespaces with commas between them, or nothing for all"),
        resync_seconds=read("RESYNC_SECONDS", "300", _seconds, f"a number of seconds from 1 to {LONGEST}"),
        workers=read("WORKERS", "32", _whole(1, 1000), "a whole number from 1 to 1000"),
        lease_namespace=read("LEASE_NAMESPACE", "", _matching(DOTTED), "the name of a namespace, or nothing"),
        shards=read("SHARDS", "1", _whole(1, MOST_SHARDS), f"a whole number from 1 to {MOST_SHARDS}"),
        identity=read("IDENTITY", environment.get("HOSTNAME", ""), _matching(r"\S{0,253}"), "a name without spaces"),
        probes_port=read("PROBES_PORT", "0", _whole(0, 65535), "a port from 1 to 65535, or 0 for none"),
        metrics_port=read("METRICS_PORT", "0", _whole(0, 65535), "a port from 1 to 65535, or 0 for none"),
        bind_address=read("BIND_ADDRESS", "", _address, "an IP address, or nothing for all of the pod's"),
        log_format=read("LOG_FORMAT", "text", _matching("text|json"), "text or json"),
        prometheus=read("PROMETHEUS", "", _matching(PROMETHEUS), f"an address such as {AN_ADDRESS}, or nothing"),
    )
    return _checked(settings)


def _checked(settings: Settings) -> Settings:
    """The settings, of which no two contradict each other."""
    if settings.lease_namespace and not settings.identity:
        raise BadSettingError(
            f"{PREFIX}LEASE_NAMESPACE is set and {PREFIX}IDENTITY is not; give each operator a name of its own, "
            "such as its pod's"
        )
    if settings.policy.max_trainings < settings.shards:
        raise BadSettingError(
            f"{PREFIX}MAX_TRAININGS is {settings.policy.max_trainings} and {PREFIX}SHARDS is {settings.shards}; "
            "give at least as many trainings as shards, which share them"
        )
    if settings.probes_port and settings.probes_port == settings.metrics_port:
        raise BadSettingError(
            f"{PREFIX}PROBES_PORT and {PREFIX}METRICS_PORT are both {settings.probes_port}; give two different ports"
        )
    return settings


def _matching(pattern: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return convert


def _names(text: str) -> tuple[str, ...]:
    """Each name once; wildcards are invalid, since only kopf understands them and our own lists do not."""
    return tuple(dict.fromkeys(_matching(NAMESPACE)(name) for name in text.replace(",", " ").split()))


def _allowances(text: str) -> tuple[str, ...]:
    """Each entry once; a field that no `pod` section has is an error, since it would allow nothing."""
    return tuple(
        dict.fromkeys(_matching(rf"({'|'.join(DEFAULTS)})=\S+")(each) for each in text.replace(",", " ").split())
    )


def _packages(text: str) -> tuple[str, ...]:
    """Each name once, in the form in which model.estimator has it."""
    return tuple(dict.fromkeys(_matching(PACKAGE)(name) for name in text.replace(",", " ").split()))


def _whole(least: int, most: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not least <= (number := int(text)) <= most:
            raise ValueError
        return number

    return convert


def _yes_or_no(text: str) -> bool:
    return {"true": True, "false": False}[_matching("true|false")(text)]


def _seconds(text: str) -> float:
    if not (math.isfinite(number := float(text)) and 1 <= number <= LONGEST):
        raise ValueError
    return number


def _address(text: str) -> str | None:
    return str(ipaddress.ip_address(text)) if text else None
