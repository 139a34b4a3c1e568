"""Who is asking: the address that limits are counted by, and the address under which we are known.

``X-Forwarded-For`` is a list that everybody on the way may write to, so it is believed only as far as it
was written by proxies of ``TWOFOLD_TRUSTED_PROXIES``: from the right, the first address that is not one
of them is the client.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection

Networks = Sequence[IPv4Network | IPv6Network]
HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,4}|:[1-5][0-9]{4})?")


def client_of(request: HTTPConnection) -> str:
    """The client's address; of IPv6 the first 64 bits, since that is what one household gets."""
    return _grouped(_address(request), 64)


def site_of(request: HTTPConnection) -> str:
    """The same, of IPv6 the first 48 bits: anybody can have so many addresses, which would be 65 536
    clients. For what may be guessed at."""
    return _grouped(_address(request), 48)


def public_base(request: HTTPConnection) -> str:
    """Scheme and host under which the visitor sees us, without a slash at the end. ``X-Forwarded-Proto``
    and ``-Host`` count if a trusted proxy sent them."""
    scheme, host = request.url.scheme, request.url.netloc
    peer = request.client.host if request.client else ""
    if is_trusted(peer, request.app.state.services.settings.trusted_proxies):
        proto = request.headers.get("x-forwarded-proto", scheme)
        scheme = proto if proto in ("http", "https") else scheme
        told = request.headers.get("x-forwarded-host", host)
        host = told if HOST.fullmatch(told) else host
    return f"{scheme}://{host if HOST.fullmatch(host) else _own(request)}"


def _own(request: HTTPConnection) -> str:
    """Where this server listens, for whoever names no host that an address could hold."""
    name, port = request.scope["server"]
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _address(request: HTTPConnection) -> str:
    trusted = request.app.state.services.settings.trusted_proxies
    peer = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    return _client(peer, forwarded, trusted)


def _client(peer: str, forwarded: str, trusted: Networks) -> str:
    if not is_trusted(peer, trusted):
        return peer
    for hop in reversed(forwarded.split(",")):
        address = hop.strip()
        if not _is_address(address):
            return peer  # nonsense written further out; the proxy itself is all that is certain
        if not is_trusted(address, trusted):
            return address
        peer = address
    return peer


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_trusted(address: str, trusted: Networks) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in trusted)


def _grouped(address: str, bits: int) -> str:
    if not _is_address(address):
        return address
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((parsed, bits), strict=False))
    return str(parsed)
