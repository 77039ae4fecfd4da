"""What work asks for, and what a machine has."""

from dataclasses import dataclass

GB = 10**9
"""Bytes in a GB, wherever a protocol says GB (contract tes 1.7)."""

_MOST = 2**62
"""Bytes: more than any machine has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A quantity of each countable resource."""

    cores: int = 0
    memory: int = 0  # bytes
    disk: int = 0  # bytes

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            cores=self.cores + other.cores, memory=self.memory + other.memory, disk=self.disk + other.disk
        )

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(
            cores=self.cores - other.cores, memory=self.memory - other.memory, disk=self.disk - other.disk
        )

    def fits(self, room: "Amount") -> bool:
        return self.cores <= room.cores and self.memory <= room.memory and self.disk <= room.disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the work asks for. None is "no request": the backend's default applies, and is not echoed."""

    cores: int | None = None
    memory_gb: float | None = None  # GB, as asked
    disk_gb: float | None = None  # GB, as asked
    preemptible: bool | None = None
    zones: tuple[str, ...] = ()
    parameters: dict[str, str] | None = None
    """Backend parameters that the service knows; others were dropped with a warning."""
    parameters_strict: bool | None = None

    def amount(self, default: Amount) -> Amount:
        """The countable part, with `default` where nothing was asked; in bytes."""
        return Amount(
            cores=self.cores or default.cores,
            memory=_bytes(self.memory_gb) if self.memory_gb else default.memory,
            disk=_bytes(self.disk_gb) if self.disk_gb else default.disk,
        )


def _bytes(gb: float) -> int:
    return int(min(gb * GB, _MOST))  # what a float can hold, times 10^9, may be infinite
