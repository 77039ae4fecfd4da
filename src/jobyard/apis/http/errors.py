"""Errors over HTTP: one table from domain errors to status codes, one JSON body (contract tes 7.1)."""

import re
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from jobyard.domain.errors import (
    Conflict,
    Denied,
    Invalid,
    JobyardError,
    NotFound,
    Problem,
    TooLarge,
    Unavailable,
)

STATUS: Mapping[type[JobyardError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Denied: HTTPStatus.FORBIDDEN,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    JobyardError: HTTPStatus.INTERNAL_SERVER_ERROR,  # `Failure` and `Fenced` never belong to a request
}
"""The nearest base class counts."""

CODES: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "payload_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.TOO_MANY_REQUESTS: "too_many_requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}
VALIDATION_FAILED = "validation_failed"
"""A 400 whose `details` say which fields."""

RETRY_AFTER = "5"
"""Seconds, with every 503."""

MAX_DETAILS = 50

_MAX_ECHO = 500
"""Characters of the request's path that are repeated."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class ErrorDetail(msgspec.Struct, frozen=True):
    """One thing wrong with the request."""

    loc: str
    msg: str


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What every failed request is answered with."""

    status: int
    error: str
    message: str
    path: str
    request_id: str
    details: list[ErrorDetail] | msgspec.UnsetType = msgspec.UNSET


def status_of(error: JobyardError) -> HTTPStatus:
    return next(STATUS[base] for base in type(error).__mro__ if base in STATUS)


def request_id(request: Request[Any, Any, Any]) -> str:
    """The caller's `X-Request-ID` if it is a plain word, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def exception_handlers() -> ExceptionHandlersMap:
    """For the whole application: nothing that is raised escapes the one body."""
    return {JobyardError: _domain_error, HTTPException: _http_error, Exception: _unexpected}


def _domain_error(request: Request[Any, Any, Any], error: JobyardError) -> Response[bytes]:
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(request, error)
    headers = {"Retry-After": RETRY_AFTER} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    problems = error.problems if isinstance(error, Invalid) else ()
    return answer(request, status, str(error), headers=headers, problems=problems)


def _http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    status = HTTPStatus(error.status_code)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(request, error)
    message = error.detail
    if message == status.phrase:  # the framework's own, which helps nobody
        message = _MESSAGES.get(status, message).format(method=request.method)
    return answer(request, status, message, headers=error.headers or {})


_MESSAGES: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "there is nothing at this path",
    HTTPStatus.METHOD_NOT_ALLOWED: "{method} is not possible here; the Allow header says what is",
}


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    known_as = request_id(request)
    log.error("request failed", request_id=known_as, path=_path(request), exc_info=error)
    return answer(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the service failed on this request; its log has more under the request_id",
        known_as=known_as,
    )


def answer(
    request: Request[Any, Any, Any],
    status: HTTPStatus,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    problems: tuple[Problem, ...] = (),
    known_as: str | None = None,
) -> Response[bytes]:
    """The one body. `known_as` is the request's id, where it was told to the log already."""
    known_as = known_as or request_id(request)
    body = ErrorBody(
        status=status.value,
        error=VALIDATION_FAILED if problems else CODES.get(status, _family(status)),
        message=_clean(message),
        path=_path(request),
        request_id=known_as,
        details=[ErrorDetail(loc=_clean(p.loc), msg=_clean(p.msg)) for p in problems[:MAX_DETAILS]]
        or msgspec.UNSET,
    )
    return Response(
        msgspec.json.encode(body),
        status_code=status.value,
        media_type="application/json",
        headers={**(headers or {}), "X-Request-ID": known_as},
    )


def _family(status: HTTPStatus) -> str:
    return CODES[
        HTTPStatus.BAD_REQUEST
        if status < HTTPStatus.INTERNAL_SERVER_ERROR
        else HTTPStatus.INTERNAL_SERVER_ERROR
    ]


def _path(request: Request[Any, Any, Any]) -> str:
    return _clean(request.scope["path"][:_MAX_ECHO])


def _clean(text: str) -> str:
    """Text that UTF-8 can carry: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
