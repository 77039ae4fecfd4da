"""The backend parameters that this service knows (contract 1.7, 7.3). Keys count in any letter case."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from jobyard.apis.tes.fields import Limits, Notes, as_number, shown
from jobyard.domain.resources import Request

KNOWN = ("timeout_seconds", "retries", "missing_outputs")
"""`timeout_seconds`: longest running time of an attempt. `retries`: further attempts after a fault of the
system. `missing_outputs`: `error` or `warn`, for outputs that the executors did not make.
"""

LIMITS = Limits(entries=100, key=256, value=4096)
MAX_RETRIES = 99
_MIN_SECONDS = 0.001
_MAX_SECONDS = 10 * 365 * 86_400

_LOC = "resources.backend_parameters"
_MISSING_OUTPUTS: Mapping[str, bool] = {"error": False, "warn": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What the known ones ask for; None where nothing was asked."""

    time_limit: timedelta | None = None
    max_attempts: int | None = None
    missing_outputs_ok: bool | None = None


def keep_known(request: Request, notes: Notes) -> Request:
    """The request without parameters that nobody here honours: refused if it is strict, else dropped."""
    if not request.parameters:
        return request
    known = {key: value for key, value in request.parameters.items() if key.lower() in KNOWN}
    unknown = [shown(key) for key in request.parameters if key not in known]
    if unknown and request.parameters_strict:
        notes.problem(_LOC, f"backend parameters not supported: {', '.join(unknown)}")
    for key in unknown:
        notes.warn(f"backend parameter {key} is not supported and was dropped")
    return replace(request, parameters=known or None) if unknown else request


def read_parameters(request: Request | None, notes: Notes) -> Parameters:
    if request is None or not request.parameters:
        return Parameters()
    values = {key.lower(): value for key, value in request.parameters.items()}
    return Parameters(
        time_limit=_time_limit(values.get("timeout_seconds"), notes),
        max_attempts=_max_attempts(values.get("retries"), notes),
        missing_outputs_ok=_missing_outputs_ok(values.get("missing_outputs"), notes),
    )


def _time_limit(value: str | None, notes: Notes) -> timedelta | None:
    if value is None:
        return None
    seconds = as_number(value)
    if seconds is None or not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
        notes.problem(f"{_LOC}.timeout_seconds", f"must be a number from {_MIN_SECONDS} to {_MAX_SECONDS}")
        return None
    return timedelta(seconds=seconds)


def _max_attempts(value: str | None, notes: Notes) -> int | None:
    if value is None:
        return None
    retries = as_number(value)
    if retries is None or retries < 0 or retries % 1:
        notes.problem(f"{_LOC}.retries", "must be a whole number, 0 or more")
        return None
    if retries > MAX_RETRIES:
        notes.warn(f"retries {retries:g} was lowered to {MAX_RETRIES}")
    return int(min(retries, MAX_RETRIES)) + 1


def _missing_outputs_ok(value: str | None, notes: Notes) -> bool | None:
    if value is None:
        return None
    if value.lower() not in _MISSING_OUTPUTS:
        notes.problem(f"{_LOC}.missing_outputs", "must be error or warn")
    return _MISSING_OUTPUTS.get(value.lower())
