"""Sending a message to a link that somebody has given: as guarded as fetching a file."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from urllib3 import HTTPSConnectionPool, Timeout
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from energyapp.downloads.connections import PunctualSocket, ends_within, faults, left_s
from energyapp.downloads.faults import PassingFault
from energyapp.downloads.links import Link, Resolve, Rules, addresses_of, look_up, parse_link


def post(url: str, body: bytes, headers: Mapping[str, str], *, rules: Rules, resolve: Resolve = look_up) -> int:
    """The status of the answer; its body is not read, and a redirect is not followed.

    Raises
    ------
    PassingFault
        The server cannot be reached now, or does not answer in time.
    LastingFault
        The link may not be followed (see `parse_link`, `addresses_of`), or its certificate is another's.
    """
    with ends_within(rules.total_s):
        link = parse_link(url, rules)
        with faults(link.host):
            for address in addresses_of(link, rules, resolve=resolve, timeout_s=min(rules.connect_s, left_s())):
                try:
                    return _post_to(address, link, body, headers, rules)
                except (NewConnectionError, ConnectTimeoutError):
                    continue
        raise PassingFault(f"{link.host} does not take connections")


def _post_to(address: str, link: Link, body: bytes, headers: Mapping[str, str], rules: Rules) -> int:
    tls = ssl.create_default_context(cafile=rules.ca_file)
    tls.sslsocket_class = PunctualSocket
    host = f"[{address}]" if ":" in address else address
    with HTTPSConnectionPool(host, link.port, ssl_context=tls, server_hostname=link.host) as pool:
        response = pool.urlopen(
            "POST",
            link.target,
            body=body,
            headers={"User-Agent": "energyapp", **headers, "Host": link.server.removesuffix(":443")},
            timeout=Timeout(connect=min(rules.connect_s, left_s()), read=min(rules.read_s, left_s())),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        response.close()
        return response.status
