"""The OpenAPI 3.0 description of this API, made from the shapes in `wire.py`.

3.0 and not 3.1, as the standard's own document and the Swagger UI that is shipped.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from jobyard.apis.http.errors import ErrorBody, ErrorDetail
from jobyard.apis.tes import wire
from jobyard.apis.tes.listing import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from jobyard.apis.tes.options import ServiceInfoValues

Document = Mapping[str, Any]

_REF = "#/components/schemas/"
_OWN = (
    wire.ServiceInfo,
    wire.Task,
    wire.ListTasksResponse,
    wire.CreateTaskResponse,
    wire.CancelTaskResponse,
    ErrorBody,
    ErrorDetail,
)


def openapi_document(info: ServiceInfoValues) -> bytes:
    """JSON."""
    document = {
        "openapi": "3.0.3",
        "info": {
            "title": f"{info.name}: GA4GH Task Execution Service",
            "description": "Run tasks: programs in containers, with files that go in and come out.",
            "version": wire.VERSION,
            "x-service-version": info.version,
        },
        "servers": [{"url": "/ga4gh/tes/v1"}, {"url": "/v1"}, {"url": "/"}],
        "security": [{}, {"BearerAuth": []}, {"BasicAuth": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "responses": {"Error": {"description": "What went wrong.", "content": _json("ErrorBody")}},
            "securitySchemes": {
                "BearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "BasicAuth": {"type": "http", "scheme": "basic"},
            },
        },
    }
    return msgspec.json.encode(document)


def _schemas() -> Document:
    _, components = msgspec.json.schema_components(_OWN, ref_template=f"{_REF}tes{{name}}")
    return {f"tes{name}": _in_3_0(schema) for name, schema in sorted(components.items())}


def _in_3_0(schema: Document) -> Document:
    """JSON Schema 2020-12 as OpenAPI 3.0 has it: no empty `required`, and a type for every enum."""
    kept = {
        key: value for key, value in schema.items() if key != "title" and (key, value) != ("required", [])
    }
    return {"type": "string", **kept} if "enum" in kept else kept


def _paths() -> Document:
    return {
        "/service-info": {
            "get": _operation("GetServiceInfo", "About this service.", answer="ServiceInfo"),
        },
        "/tasks": {
            "get": _operation(
                "ListTasks",
                "Tasks, newest first. All conditions must hold.",
                parameters=_list_parameters(),
                answer="ListTasksResponse",
            ),
            "post": _operation(
                "CreateTask",
                "Create a task; it is queued at once.",
                parameters=[_IDEMPOTENCY_KEY],
                body="Task",
                answer="CreateTaskResponse",
            ),
        },
        "/tasks/{id}": {
            "get": _operation("GetTask", "One task.", parameters=[_ID, _view()], answer="Task"),
        },
        "/tasks/{id}:cancel": {
            "post": _operation(
                "CancelTask",
                "End a task. Canceling one that has ended changes nothing.",
                parameters=[_ID],
                answer="CancelTaskResponse",
            ),
        },
    }


def _operation(
    id: str,
    summary: str,
    *,
    answer: str,
    parameters: list[Document] | None = None,
    body: str | None = None,
) -> Document:
    operation: dict[str, Any] = {
        "operationId": id,
        "summary": summary,
        "tags": ["TaskService"],
        "responses": {
            "200": {"description": "Done.", "content": _json(answer)},
            "default": {"$ref": "#/components/responses/Error"},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body:
        operation["requestBody"] = {"required": True, "content": _json(body)}
    return operation


def _json(name: str) -> Document:
    return {"application/json": {"schema": {"$ref": f"{_REF}tes{name}"}}}


def _list_parameters() -> list[Document]:
    strings = {"type": "array", "items": {"type": "string"}}
    pages = {
        "type": "integer",
        "format": "int32",
        "minimum": 0,
        "maximum": MAX_PAGE_SIZE,
        "default": DEFAULT_PAGE_SIZE,
    }
    return [
        _query("name_prefix", "The name starts with this, letter for letter."),
        _query("state", "The state is this one.", {"$ref": f"{_REF}tesState"}),
        _query("tag_key", "The task has a tag with this key; repeat it for more.", strings),
        _query("tag_value", "The value of the tag key at the same position; empty for any.", strings),
        _query("page_size", "Most tasks in one answer.", pages),
        _query("page_token", "The next_page_token of the page before."),
        _view(),
    ]


def _query(name: str, description: str, schema: Document | None = None) -> Document:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


def _view() -> Document:
    schema = {"type": "string", "enum": list(wire.View), "default": wire.View.MINIMAL}
    return _query("view", "How much of a task to show: MINIMAL is its id and state.", schema)


_ID: Document = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
_IDEMPOTENCY_KEY: Document = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Requests with the same key and body create one task.",
    "schema": {"type": "string", "maxLength": 255},
}
