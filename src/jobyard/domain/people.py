"""Who asks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller, whichever way it came."""

    subject: str
    groups: tuple[str, ...] = ()


LOCAL = Principal(subject="local")
"""Everybody, where there is no login: the loopback default."""
