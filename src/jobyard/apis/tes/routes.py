"""GA4GH TES 1.1 over HTTP: URL → one service call → answer (contract 1.1, 1.2)."""

import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
from litestar import HttpMethod, Request, Response, route
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from jobyard.apis.http.auth import principal
from jobyard.apis.http.body import header, read_json
from jobyard.apis.http.paging import page_token
from jobyard.apis.tes import wire
from jobyard.apis.tes.errors import task_not_found
from jobyard.apis.tes.listing import ListRequest, read_list, read_view
from jobyard.apis.tes.options import ServiceInfoValues, TesOptions
from jobyard.apis.tes.reading import read_draft
from jobyard.apis.tes.rendering import Renderer, list_answer
from jobyard.apis.tes.service_info import service_info
from jobyard.apis.tes.states import StateTable
from jobyard.domain.errors import Invalid, NotFound, Problem
from jobyard.domain.job import JobId
from jobyard.services.jobs import Jobs

BASES = ("", "/v1", "/ga4gh/tes/v1")
"""Live clients use all three."""

_JSON = "application/json"
_EMPTY = b"{}"
_MAX_SHOWN = 100
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_GET = [HttpMethod.GET, HttpMethod.HEAD]


def tes_routes(*, jobs: Jobs, options: TesOptions, info: ServiceInfoValues) -> Sequence[HTTPRouteHandler]:
    """Plain handlers: a `Router` would be copied deeply, and the service with it."""
    tasks = Tasks(jobs, options)
    about = msgspec.json.encode(service_info(info))

    async def get_service_info() -> Response[bytes]:
        return Response(about, media_type=_JSON)

    async def what_is_possible() -> Response[None]:
        return Response(None, headers={"Allow": "GET, HEAD, POST, OPTIONS"})

    # First in line: else the framework answers, and names the methods of the first handler of a path only.
    both = _route("/tasks", "/tasks/{name:str}", http_method=HttpMethod.OPTIONS, status_code=204)
    create = _route("/tasks", http_method=HttpMethod.POST, status_code=200)
    act = _route("/tasks/{name:str}", http_method=HttpMethod.POST, status_code=200)
    return [
        both(what_is_possible),
        _route("/service-info", "/tasks/service-info", http_method=_GET)(get_service_info),
        _route("/tasks", http_method=_GET)(tasks.list_tasks),
        create(tasks.create_task),
        _route("/tasks/{name:str}", http_method=_GET)(tasks.get_task),
        act(tasks.act_on_task),
    ]


def _route(*paths: str, **options: Any) -> route:
    at = [base + path for base in BASES for path in paths]
    return route(at, exception_handlers={NotFound: task_not_found}, **options)


class Numbered(Protocol):
    """A job, in whichever detail."""

    @property
    def number(self) -> int: ...


class Tasks:
    """The operations on tasks."""

    def __init__(self, jobs: Jobs, options: TesOptions) -> None:
        self._jobs = jobs
        self._options = options
        self._states = StateTable(expose_tes11_states=options.expose_tes11_states)
        self._renderer = Renderer(options, self._states)

    async def create_task(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await read_json(request, max_body=self._options.max_body)
        draft = read_draft(body, self._options)
        key = header(request, b"idempotency-key")
        if key is not None:
            draft = replace(draft, once=_once(key, body))
        job = await self._jobs.create(principal(request), draft)
        return Response(msgspec.json.encode(wire.CreateTaskResponse(id=job.id)), media_type=_JSON)

    async def get_task(self, request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        if ":" in name:
            raise _not_readable(name)
        view = read_view(request.scope["query_string"])
        id, who = _id(name), principal(request)
        if view is wire.View.MINIMAL:
            answer = self._renderer.minimal(id, await self._jobs.standing(who, id))
        else:
            answer = self._renderer.task(await self._jobs.get(who, id), full=view is wire.View.FULL)
        return Response(answer, media_type=_JSON)

    async def list_tasks(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = read_list(request.scope["query_string"], self._states)
        if asked.listing is None:
            return Response(list_answer((), None), media_type=_JSON)
        who = principal(request)
        if asked.view is wire.View.MINIMAL:
            briefs = await self._jobs.list_briefs(who, asked.listing)
            page = [self._renderer.minimal(brief.id, brief.standing) for brief in briefs[: asked.page_size]]
            token = _next(briefs, asked)
        else:
            full = asked.view is wire.View.FULL
            jobs = await self._jobs.list(who, asked.listing)
            page = [self._renderer.task(job, full=full) for job in jobs[: asked.page_size]]
            token = _next(jobs, asked)
        return Response(list_answer(page, token), media_type=_JSON)

    async def act_on_task(self, request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        """The only action is `cancel`, whose body is nobody's business (contract 5.9)."""
        id, _, verb = name.partition(":")
        if verb != "cancel":
            raise _no_action(name)
        await self._jobs.cancel(principal(request), _id(id))
        return Response(_EMPTY, media_type=_JSON)


def _id(name: str) -> JobId:
    """Raises `NotFound` for what cannot be an id, so that nothing odd goes further."""
    if not _ID.fullmatch(name):
        raise NotFound("no such task")
    return JobId(name)


def _next(found: Sequence[Numbered], asked: ListRequest) -> str | None:
    """The token of the next page, if one more was found than goes on this one."""
    if len(found) <= asked.page_size:
        return None
    return page_token(found[asked.page_size - 1].number, asked.filters)


def _once(key: str, body: bytes) -> tuple[str, str]:
    """Raises `Invalid`."""
    if not _KEY.fullmatch(key):
        msg = "must be 1 to 255 visible ASCII characters"
        raise Invalid(f"Idempotency-Key: {msg}", [Problem("Idempotency-Key", msg)])
    return key, blake2b(body, digest_size=16).hexdigest()


def _no_action(name: str) -> HTTPException:
    """For a POST to a task."""
    _, colon, verb = name.partition(":")
    if colon:
        return NotFoundException(f"tasks have no action {verb[:_MAX_SHOWN]!r}; there is :cancel")
    return MethodNotAllowedException(
        "POST is for /tasks and /tasks/{id}:cancel", headers={"Allow": "GET, HEAD, OPTIONS"}
    )


def _not_readable(name: str) -> HTTPException:
    """For a GET of an action."""
    if name.endswith(":cancel"):
        return MethodNotAllowedException("cancel a task with POST", headers={"Allow": "POST, OPTIONS"})
    return NotFoundException()
