"""Response headers that every answer carries, pages and streams and errors alike."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "font-src 'self'",
        "manifest-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)

SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


EMBED = "/embed"


def embeddable(ancestors: str) -> dict[str, str]:
    """The headers of the one page that other sites may show in a frame. It has no account, no cookie and
    no control that changes anything but this visitor's own view, so there is no click to steal."""
    policy = CONTENT_SECURITY_POLICY.replace(
        "frame-ancestors 'self'", f"frame-ancestors {ancestors}"
    )
    return SECURITY | {
        "Content-Security-Policy": policy,
        # Without this a page that isolates itself (COEP) could not show it.
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
    }


class Headers:
    """ASGI middleware; adds the security headers and says what may be cached."""

    def __init__(self, app: ASGIApp, embed_ancestors: str = "*") -> None:
        self._app = app
        self._embed = embeddable(embed_ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (self._embed if path == EMBED else SECURITY).items():
                    headers[name] = value
                headers.setdefault("Cache-Control", _cache(path))
            await send(message)

        await self._app(scope, receive, with_headers)


def _cache(path: str) -> str:
    if path.startswith("/vendor/"):
        return "public, max-age=86400"
    if path in ("/", EMBED) or path.startswith(("/static/", "/text/")):
        return "no-cache"  # kept, but asked about each time: they change with every release
    return "no-store"
