"""What the operator's environment says, read once and frozen."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from perennial_operator.core.world import Policy

PREFIX = "PERENNIAL_"
LONGEST = 86_400
"""Seconds: a day."""

NAMESPACE = r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?"
PROMETHEUS = r"(https?://[^\s/?#@]+(/[^\s?#]*)?)?"
DOTTED = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?"

T = TypeVar("T")


class BadSettingError(ValueError):
    """An environment variable cannot be used; the message names it, its value and the mend."""


@dataclass(frozen=True, slots=True)
class Settings:
    policy: Policy
    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; none means all."""
    resync_seconds: float = 300.0
    """How often everything is listed anew, which mends what a watch has missed."""
    workers: int = 32
    """Passes at the same time, each about another ModelDeployment; most of a pass is waiting for the API server."""
    lease_namespace: str = ""
    """Where the Lease is by which several operators agree on one that acts; without it this one acts alone."""
    identity: str = ""
    """How this operator signs the Lease; no other may sign like it."""
    probes_port: int = 0
    """Port of /healthz and /readyz; 0 for none."""
    metrics_port: int = 0
    """Port of /metrics; 0 for none."""
    bind_address: str | None = None
    """The address of both ports; none means all of the pod's."""
    log_format: str = "text"
    prometheus: str = ""
    """Address of the Prometheus that queries of roll-outs are put to; none means that there are no such queries."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings that `environment` asks for. BadSettingError names the variable that is wrong."""

    def read(name: str, default: str, meaning: Callable[[str], T], mend: str) -> T:
        text = environment.get(PREFIX + name, default)
        try:
            return meaning(text)
        except ValueError:
            raise BadSettingError(f"{PREFIX}{name} is {text!r}; give {mend}") from None

    settings = Settings(
        policy=Policy(
            trainer_image=read("TRAINER_IMAGE", "perennial-trainer:0.1.0", _matching(r"\S+"), "the name of an image"),
            max_trainings=read("MAX_TRAININGS", "10", _whole(1, 100_000), "a whole number from 1 to 100000"),
            service_account=read("TRAINER_SERVICE_ACCOUNT", "", _matching(DOTTED), "the name of a ServiceAccount"),
        ),
        namespaces=read("NAMESPACES", "", _names, "names of namespaces with commas between them, or nothing for all"),
        resync_seconds=read("RESYNC_SECONDS", "300", _seconds, f"a number of seconds from 1 to {LONGEST}"),
        workers=read("WORKERS", "32", _whole(1, 1000), "a whole number from 1 to 1000"),
        lease_namespace=read("LEASE_NAMESPACE", "", _matching(DOTTED), "the name of a namespace, or nothing"),
        identity=read("IDENTITY", environment.get("HOSTNAME", ""), _matching(r"\S{0,253}"), "a name without spaces"),
        probes_port=read("PROBES_PORT", "0", _whole(0, 65535), "a port from 1 to 65535, or 0 for none"),
        metrics_port=read("METRICS_PORT", "0", _whole(0, 65535), "a port from 1 to 65535, or 0 for none"),
        bind_address=read("BIND_ADDRESS", "", _address, "an IP address, or nothing for all of the pod's"),
        log_format=read("LOG_FORMAT", "text", _matching("text|json"), "text or json"),
        prometheus=read(
            "PROMETHEUS", "", _matching(PROMETHEUS), "an address such as http://prometheus.monitoring:9090, or nothing"
        ),
    )
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    if settings.lease_namespace and not settings.identity:
        raise BadSettingError(
            f"{PREFIX}LEASE_NAMESPACE is set and {PREFIX}IDENTITY is not; give each operator a name of its own, "
            "such as its pod's"
        )
    if settings.probes_port and settings.probes_port == settings.metrics_port:
        raise BadSettingError(
            f"{PREFIX}PROBES_PORT and {PREFIX}METRICS_PORT are both {settings.probes_port}; give two different ports"
        )


def _matching(pattern: str) -> Callable[[str], str]:
    def meaning(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return meaning


def _names(text: str) -> tuple[str, ...]:
    """Each once: kopf would take wildcards too, of which our own lists know nothing."""
    return tuple(dict.fromkeys(_matching(NAMESPACE)(name) for name in text.replace(",", " ").split()))


def _whole(least: int, most: int) -> Callable[[str], int]:
    def meaning(text: str) -> int:
        if not least <= (number := int(text)) <= most:
            raise ValueError
        return number

    return meaning


def _seconds(text: str) -> float:
    if not (math.isfinite(number := float(text)) and 1 <= number <= LONGEST):
        raise ValueError
    return number


def _address(text: str) -> str | None:
    return str(ipaddress.ip_address(text)) if text else None
