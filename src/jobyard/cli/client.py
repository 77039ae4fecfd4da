"""A client of any GA4GH TES server, for the command line and for other programs.

Documents are what the server sent, as JSON objects; `wire.task_of` gives the parts of one their types.
Failures are the kinds of `jobyard.domain.errors`, with the server's own words in them.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx
import msgspec

from jobyard.cli.states import State, View
from jobyard.cli.wire import Document
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
from jobyard.domain.files import masked

PAGE_SIZE = 512
"""Tasks asked for at once; the standard allows fewer than 2048."""

_TRANSIENT = frozenset({429, 502, 503, 504})
_LONGEST_PAUSE = 5.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """All must hold. A tag with an empty value asks for the key alone."""

    state: State | None = None
    name_prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def query(self) -> list[tuple[str, str]]:
        """Every key is followed by its value, so that the server can pair them by position."""
        pairs = [
            pair for key, value in self.tags.items() for pair in (("tag_key", key), ("tag_value", value))
        ]
        state = [("state", self.state.value)] if self.state else []
        prefix = [("name_prefix", self.name_prefix)] if self.name_prefix else []
        return [*state, *prefix, *pairs]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    tasks: list[Document] = []
    next_page_token: str | None = None


class TesClient:
    """Speaks to the server at a URL: as given, or with `/ga4gh/tes/v1` or `/v1` after it, whichever answers
    other than "404 Not Found" (contract tes 5.1).

    Reads are tried again for as long as `patience` while the server is away or busy; nothing else is.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        patience: timedelta = timedelta(seconds=1),
        timeout: timedelta = timedelta(seconds=30),
    ) -> None:
        self._bases = _bases(url)
        self._shown = masked(url)
        self._patience = patience.total_seconds()
        plain = url.lower().startswith("http:")  # to load certificates takes longer than most requests
        self._http = httpx.Client(
            headers={"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}),
            timeout=httpx.Timeout(timeout.total_seconds(), connect=5),
            verify=not plain,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def create(self, task: Document) -> str:
        """The id of the new task. Not tried again: a task might be made twice."""
        answer = self._document(self._ask("POST", "/tasks", body=task))
        id = answer.get("id")
        if not isinstance(id, str):
            raise self._strange("no id for the new task")
        return id

    def get(self, id: str, view: View = View.MINIMAL) -> Document:
        """Raises `NotFound`."""
        path = f"/tasks/{quote(id, safe='')}"
        return self._document(self._read(path, [("view", view.value)]))

    def cancel(self, id: str) -> None:
        """Ask for the end; no error if it has ended. Raises `NotFound`."""
        self._ask("POST", f"/tasks/{quote(id, safe='')}:cancel")

    def page(self, filters: Filters, view: View, *, size: int = PAGE_SIZE, token: str | None = None) -> Page:
        """Newest first."""
        query = [*filters.query(), ("view", view.value), ("page_size", str(size))]
        response = self._read("/tasks", [*query, ("page_token", token)] if token else query)
        try:
            return msgspec.convert(self._document(response), Page)
        except msgspec.ValidationError as error:
            raise self._strange(f"a list that does not follow the standard ({error})") from error

    def tasks(
        self, filters: Filters, view: View = View.BASIC, *, page_size: int = PAGE_SIZE
    ) -> Iterator[Document]:
        """All of them, newest first, asked for page by page as they are needed."""
        token = None
        while True:
            page = self.page(filters, view, size=page_size, token=token)
            yield from page.tasks
            token = page.next_page_token
            if not token:
                return

    def _read(self, path: str, query: list[tuple[str, str]]) -> httpx.Response:
        """A GET, tried again with growing pauses until the patience ends."""
        give_up = time.monotonic() + self._patience
        pause = 0.1
        while True:
            try:
                return self._ask("GET", path, query=query)
            except Unavailable:
                if time.monotonic() + pause > give_up:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _ask(
        self, method: str, path: str, *, query: list[tuple[str, str]] | None = None, body: object = None
    ) -> httpx.Response:
        """Raises the error kind of the server's answer, `Unavailable` where there is none."""
        missing: list[httpx.Response] = []
        for base in self._bases:
            response = self._send(method, base + path, query or [], body)
            if response.status_code != httpx.codes.NOT_FOUND:
                self._bases = (base,)
                break
            missing.append(response)
        else:
            response = next((answer for answer in missing if _message(answer)), missing[0])
        if response.is_success:
            return response
        raise self._refusal(response)

    def _send(self, method: str, url: str, query: list[tuple[str, str]], body: object) -> httpx.Response:
        try:
            return self._http.request(method, url, params=httpx.QueryParams(tuple(query)), json=body)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Invalid(
                f"{self._shown} is no server address: give a URL such as http://127.0.0.1:8080"
            ) from error
        except httpx.TimeoutException as error:
            raise Unavailable(f"{self._shown} did not answer in time; try again") from error
        except httpx.TransportError as error:
            raise Unavailable(
                f"cannot reach {self._shown} ({error}); is the service running (`jobyard serve`), and is "
                "--server or JOBYARD_SERVER right?"
            ) from error

    def _refusal(self, response: httpx.Response) -> JobyardError:
        status = response.status_code
        words = _message(response) or f"{self._shown} answered {status} {response.reason_phrase}"
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return Denied(f"{words}; a bearer token goes into JOBYARD_TOKEN")
        if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            return TooLarge(words)
        if status in (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY):
            return Invalid(words, _details(response))
        kinds = {httpx.codes.NOT_FOUND.value: NotFound, httpx.codes.CONFLICT.value: Conflict}
        return kinds.get(status, Unavailable if status in _TRANSIENT else JobyardError)(words)

    def _document(self, response: httpx.Response) -> Document:
        try:
            return msgspec.convert(response.json(), Document)
        except (ValueError, msgspec.ValidationError) as error:
            raise self._strange("something other than a JSON object") from error

    def _strange(self, what: str) -> JobyardError:
        return JobyardError(f"{self._shown} sent {what}; is it a TES server?")


def _bases(url: str) -> tuple[str, ...]:
    bare = url.rstrip("/")
    return (bare,) if bare.endswith("/v1") else (f"{bare}/ga4gh/tes/v1", f"{bare}/v1", bare)


class _ErrorDetail(msgspec.Struct):
    loc: str = ""
    msg: str = ""


class _ErrorBody(msgspec.Struct):
    message: str = ""
    error: str = ""
    details: list[_ErrorDetail] = []


def _error_body(response: httpx.Response) -> _ErrorBody:
    """Our own shape (contract tes 7.1), and as much of another server's as fits into it."""
    try:
        return msgspec.json.decode(response.content, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _ErrorBody()


def _message(response: httpx.Response) -> str:
    body = _error_body(response)
    return body.message or body.error


def _details(response: httpx.Response) -> list[Problem]:
    return [Problem(detail.loc, detail.msg) for detail in _error_body(response).details]
