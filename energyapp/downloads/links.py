"""Where a link may lead: by https to servers of the public internet, never into our own network."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

import certifi

from energyapp.downloads.faults import LastingFault, PassingFault

# (host, port, seconds) -> addresses
Resolve = Callable[[str, int, float], list[str]]

# The last label is no number: what the system's resolver makes of 127.1, 0x7f000001 or 2130706433 is no name of a server.
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*"
    r"(?!(?:[0-9]+|0x[0-9a-f]*)$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# RFC 6052: how a network without IPv4 reaches the rest of the world.
_NAT64 = IPv6Network("64:ff9b::/96")
# Older Pythons' tables take these for public: relays of 6to4 (RFC 7526), documentation (RFC 9637).
_NOT_PUBLIC = (IPv4Network("192.88.99.0/24"), IPv6Network("3fff::/20"))


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a download may do. As they stand they are for links that strangers have written."""

    hosts: tuple[str, ...] = ()  # names, or ".example.org" for all below it too; none: any
    ports: frozenset[int] = frozenset({443})
    networks: tuple[
        IPv4Network | IPv6Network, ...
    ] = ()  # allowed although they are not public: for a test's own server
    ca_file: str = certifi.where()
    max_bytes: int = 50 * 2**20
    connect_s: float = 10
    read_s: float = 20  # without a byte
    total_s: float = 120


@dataclass(frozen=True)
class Link:
    host: str
    port: int
    target: str  # path and query

    @property
    def server(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"https://{self.server}{self.target}"


def parse_link(url: str, rules: Rules) -> Link:
    """The parts of a link that may be followed as far as its text goes; its addresses are looked at by `addresses_of`.

    >>> parse_link("https://Music.Example.org/a b.mp3?x=1#t=3", Rules())
    Link(host='music.example.org', port=443, target='/a%20b.mp3?x=1')

    Raises
    ------
    LastingFault
    """
    url = url.strip().replace(" ", "%20")
    if any(character < " " or character in "\\\x7f" for character in url):
        raise LastingFault("The link holds a backslash or control characters")
    try:
        parts = urlsplit(url)
        port = 443 if parts.port is None else parts.port
    except ValueError:
        raise LastingFault("The link is not a valid address") from None
    if parts.scheme != "https":
        raise LastingFault(f"The link begins with {parts.scheme[:20] or 'no scheme'!r}; expected https")
    if "@" in parts.netloc:
        raise LastingFault("The link holds a user name or a password")
    host = _host(parts.hostname or "")
    if port not in rules.ports:
        raise LastingFault(f"The link leads to port {port}; expected {', '.join(map(str, sorted(rules.ports)))}")
    if rules.hosts and not any(_matches(host, pattern.lower()) for pattern in rules.hosts):
        raise LastingFault(f"{host} is not among the servers that files may be fetched from")
    return Link(host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _host(name: str) -> str:
    """As it is looked up: ASCII, lower case, without the last dot."""
    try:
        name = name.encode("idna").decode().lower().removesuffix(".")
        if _HOST_NAME.fullmatch(name):
            return name
        if "%" in name:
            raise ValueError  # the zone of an address that is valid in one network only
        return str(ip_address(name))
    except ValueError:
        raise LastingFault("The link does not name a server by a valid name or address") from None


def _matches(host: str, pattern: str) -> bool:
    """
    >>> _matches("cdn.example.org", ".example.org"), _matches("example.org", ".example.org")
    (True, True)
    >>> _matches("badexample.org", ".example.org"), _matches("cdn.example.org", "example.org")
    (False, False)
    """
    return host == pattern.removeprefix(".") or (pattern.startswith(".") and host.endswith(pattern))


# ---- Addresses


def addresses_of(link: Link, rules: Rules, *, resolve: Resolve, timeout_s: float) -> list[str]:
    """The addresses of a link's server, all of them public. Who connects must take one of these, and not look up again.

    Raises
    ------
    LastingFault
        One of them is not public. That others are does not help: the next answer may hold only this one.
    PassingFault
        The name cannot be looked up.
    """
    try:
        addresses = [str(ip_address(link.host))]
    except ValueError:
        addresses = resolve(link.host, link.port, timeout_s)
    for address in addresses:
        if not is_public(address) and not _is_in(address, rules.networks):
            raise LastingFault(f"{link.host} is not a server on the public internet")
    return addresses


def is_public(address: str) -> bool:
    """Whether the address can only lead to the public internet; one that carries an IPv4 address is judged by that.

    >>> is_public("93.184.216.34"), is_public("10.0.0.1"), is_public("::ffff:10.0.0.1"), is_public("64:ff9b::10.0.0.1")
    (True, False, False, False)
    """
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not (ip.is_multicast or ip.is_reserved) and not _is_in(address, _NOT_PUBLIC)
    if ip.scope_id:
        return False
    if (embedded := _embedded(ip)) is not None:
        return is_public(str(embedded))
    return ip in _GLOBAL_UNICAST and ip.is_global and not _is_in(address, _NOT_PUBLIC)


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])


def _is_in(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(ip_address(address) in network for network in networks)


def look_up(host: str, port: int, timeout_s: float) -> list[str]:
    """The system's answer. getaddrinfo knows no time limit: the thread it runs in is left to itself when it takes too long."""
    answer: SimpleQueue[list[str] | OSError] = SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answer), name=f"look up {host}", daemon=True).start()
    try:
        found = answer.get(timeout=timeout_s)
    except Empty:
        found = TimeoutError()
    if isinstance(found, list):
        return found
    if found.errno in {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)}:
        # Passing, as a name may be on its way; whoever asks again and again ends by himself.
        raise PassingFault(f"There is no server with the name {host}")
    raise PassingFault(f"The address of {host} cannot be looked up at the moment")


def _look_up(host: str, port: int, answer: SimpleQueue[list[str] | OSError]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as problem:
        answer.put(problem)
    else:
        answer.put(list(dict.fromkeys(str(address[0]) for *_, address in found)))
