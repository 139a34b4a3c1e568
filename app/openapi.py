"""The OpenAPI document as this server really answers: refusals in our shape, and what any call may get."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.schemas import Problems

ANYWHERE = {
    "400": "is not HTTP, or broke off",
    "403": "a page of another site asked for it",
    "408": "a head or a body did not arrive in time",
    "503": "full or shutting down, see Retry-After",
}
_FRAMEWORK = ("HTTPValidationError", "ValidationError")


def install(app: FastAPI) -> None:
    """Makes ``app.openapi()`` return our document, which is built once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            _correct(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _correct(schema: dict[str, Any]) -> None:
    ours = {"application/json": {"schema": {"$ref": "#/components/schemas/Problems"}}}
    for operations in schema["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            if any(name in str(responses.get("422")) for name in _FRAMEWORK):
                responses["422"] = {"description": "a field cannot be used", "content": ours}
            for status, description in ANYWHERE.items():
                responses.setdefault(status, {"description": description, "content": ours})
    parts = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in _FRAMEWORK:
        parts.pop(name, None)
    problems = Problems.model_json_schema(ref_template="#/components/schemas/{model}")
    parts |= problems.pop("$defs")
    parts["Problems"] = problems
