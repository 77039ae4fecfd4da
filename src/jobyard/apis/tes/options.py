"""What an operator can choose about this protocol, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TesOptions:
    max_body: int = 16 * 1024**2
    """Largest request body, in bytes."""
    expose_tes11_states: bool = False
    """Show CANCELING and PREEMPTED, which clients of TES 1.0 do not know."""
    prepopulate_executor_logs: bool = False
    """Show a placeholder log for each executor that is sure to run (contract 4.4)."""
    reject_unknown_fields: bool = False
    supported_schemes: frozenset[str] | None = None
    """URL schemes in lower case, without the colon; None accepts all and leaves it to the run."""
    missing_outputs_ok: bool = False
    """An output that the commands did not make is a warning, unless a task says otherwise."""
    max_cpu_cores: float | None = None
    max_ram_gb: float | None = None
    max_disk_gb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceInfoValues:
    """How the service introduces itself (contract 1.8)."""

    id: str
    name: str
    version: str
    """Of the service, not of the API."""
    organization_name: str
    organization_url: str
    description: str | None = None
    contact_url: str | None = None
    documentation_url: str | None = None
    environment: str | None = None
    created_at: str | None = None
    """RFC 3339, as is `updated_at`."""
    updated_at: str | None = None
    storage: tuple[str, ...] = ()
    """URL prefixes that inputs and outputs may have."""
