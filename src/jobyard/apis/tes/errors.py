"""Errors in this protocol's words; the table and the body are those of all HTTP protocols."""

from http import HTTPStatus
from typing import Any

from litestar import Request, Response

from jobyard.apis.http.errors import answer
from jobyard.domain.errors import NotFound

_MAX_SHOWN = 100


def task_not_found(request: Request[Any, Any, Any], error: NotFound) -> Response[bytes]:
    """Also for tasks that are there and not the caller's to see (contract 7.5)."""
    del error
    name = str(request.scope["path_params"].get("name", "")).partition(":")[0]
    return answer(request, HTTPStatus.NOT_FOUND, f"task not found: {name[:_MAX_SHOWN]}")
