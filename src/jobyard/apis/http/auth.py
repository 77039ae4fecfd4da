"""Header → principal. Without logins everybody is one local person."""

from typing import Any

from litestar import Request

from jobyard.domain.people import LOCAL, Principal


def principal(request: Request[Any, Any, Any]) -> Principal:
    """Who asks. An open server takes no notice of credentials that clients send ahead (contract tes 5.9)."""
    del request
    return LOCAL
