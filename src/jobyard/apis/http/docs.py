"""The description of the API for machines, and Swagger UI and a front page for people; all offline."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from litestar import HttpMethod, Response, route
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

_FILES: Mapping[str, str] = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
"""The files of Swagger UI that are served, and their media types. No other name reaches the disk."""

_START = """\
window.onload = () => SwaggerUIBundle({
  url: new URL("../openapi.json", document.baseURI).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"""

_DOCS = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_INDEX = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<ul>
{items}
</ul>
</body>
</html>
"""

_HTML_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Swagger UI sets styles on elements and draws its icons from data: URLs.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


def docs_routes(*, openapi: bytes, title: str, places: Mapping[str, str]) -> Sequence[HTTPRouteHandler]:
    """`openapi` is a document in JSON; `places` are the paths that the front page lists, with captions."""
    index = _index(title, places)

    async def document() -> Response[bytes]:
        return Response(openapi, media_type="application/json", headers={"Access-Control-Allow-Origin": "*"})

    async def front_page() -> Response[str]:
        return Response(index, media_type="text/html", headers=_HTML_HEADERS)

    async def swagger() -> Response[str]:
        return Response(_DOCS, media_type="text/html", headers=_HTML_HEADERS)

    async def file(name: FromPath[str]) -> Response[bytes]:
        return _file(name)

    reading = [HttpMethod.GET, HttpMethod.HEAD]
    return [
        route("/", http_method=reading)(front_page),
        route("/openapi.json", http_method=reading)(document),
        route("/docs", http_method=reading)(swagger),
        route("/docs/{name:str}", http_method=reading)(file),
    ]


def _index(title: str, places: Mapping[str, str]) -> str:
    items = "\n".join(
        f'<li><a href="{escape(path)}">{escape(path)}</a> {escape(caption)}</li>'
        for path, caption in places.items()
    )
    return _INDEX.format(title=escape(title), items=items)


def _file(name: str) -> Response[bytes]:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=86400"}
    if name == "start.js":
        return Response(_START.encode(), media_type="text/javascript", headers=headers)
    if name not in _FILES:
        raise NotFoundException
    return Response((_swagger_ui() / name).read_bytes(), media_type=_FILES[name], headers=headers)


def _swagger_ui() -> Path:
    from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]  # it has no types

    return Path(swagger_ui_path)
