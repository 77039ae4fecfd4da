"""The description says what the standard says (contract tes 1.2 to 1.8)."""

import json

import pytest
from openapi_spec_validator import validate

from jobyard.apis.tes.openapi import openapi_document
from jobyard.apis.tes.options import ServiceInfoValues

INFO = ServiceInfoValues(
    id="a.b", name="Jobyard", version="0.1", organization_name="o", organization_url="https://o.example"
)

FIELDS = {
    "tesTask": (
        "id state name description inputs outputs resources executors volumes tags logs creation_time",
        "executors",
    ),
    "tesExecutor": ("image command workdir stdin stdout stderr env ignore_error", "image command"),
    "tesInput": ("name description url path type content streamable", "path"),
    "tesOutput": ("name description url path path_prefix type", "url path"),
    "tesResources": (
        "cpu_cores preemptible ram_gb disk_gb zones backend_parameters backend_parameters_strict",
        "",
    ),
    "tesTaskLog": ("logs metadata start_time end_time outputs system_logs", "logs outputs"),
    "tesExecutorLog": ("start_time end_time stdout stderr exit_code", "exit_code"),
    "tesOutputFileLog": ("url path size_bytes", "url path size_bytes"),
    "tesListTasksResponse": ("tasks next_page_token", "tasks"),
    "tesCreateTaskResponse": ("id", "id"),
    "tesCancelTaskResponse": ("", ""),
    "tesServiceType": ("group artifact version", "group artifact version"),
    "tesOrganization": ("name url", "name url"),
    "tesServiceInfo": (
        (
            "id name type description organization contactUrl documentationUrl createdAt updatedAt"
            " environment version storage tesResources_backend_parameters"
        ),
        "id name type organization version",
    ),
}
OPERATIONS = {
    ("/service-info", "get"): ("GetServiceInfo", set(), "tesServiceInfo"),
    ("/tasks", "get"): (
        "ListTasks",
        {"name_prefix", "state", "tag_key", "tag_value", "page_size", "page_token", "view"},
        "tesListTasksResponse",
    ),
    ("/tasks", "post"): ("CreateTask", {"Idempotency-Key"}, "tesCreateTaskResponse"),
    ("/tasks/{id}", "get"): ("GetTask", {"id", "view"}, "tesTask"),
    ("/tasks/{id}:cancel", "post"): ("CancelTask", {"id"}, "tesCancelTaskResponse"),
}


@pytest.fixture(scope="module")
def document():
    return json.loads(openapi_document(INFO))


def test_the_description_is_valid(document) -> None:
    validate(document)


@pytest.mark.parametrize("name, expected", FIELDS.items())
def test_a_model_has_the_standards_fields(document, name, expected) -> None:
    fields, required = expected
    model = document["components"]["schemas"][name]
    assert set(model["properties"]) == set(fields.split())
    assert set(model.get("required", [])) == set(required.split())


def test_the_enums_are_the_standards(document) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["tesState"]["enum"]) == {
        "UNKNOWN",
        "QUEUED",
        "INITIALIZING",
        "RUNNING",
        "PAUSED",
        "COMPLETE",
        "EXECUTOR_ERROR",
        "SYSTEM_ERROR",
        "CANCELED",
        "PREEMPTED",
        "CANCELING",
    }
    assert set(schemas["tesFileType"]["enum"]) == {"FILE", "DIRECTORY"}
    assert schemas["tesServiceType"]["properties"]["artifact"]["enum"] == ["tes"]
    size = schemas["tesOutputFileLog"]["properties"]["size_bytes"]
    assert size == {"type": "string", "format": "int64"}


def test_the_operations_are_the_standards_and_no_more(document) -> None:
    described = {
        (path, method): (
            operation["operationId"],
            {parameter["name"] for parameter in operation.get("parameters", [])},
            operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2],
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert described == OPERATIONS


def test_the_security_schemes_are_the_standards(document) -> None:
    assert document["components"]["securitySchemes"] == {
        "BearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "BasicAuth": {"type": "http", "scheme": "basic"},
    }
