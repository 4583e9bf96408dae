"""The product's settings for workers that fetch from a test's own https server, which says where it is."""

import os
from ipaddress import ip_network

from energyapp.settings import *  # noqa: F403

PREVIEW_TEST_RULES = {
    "ports": frozenset({int(os.environ.get("TEST_HTTPS_PORT", "443"))}),
    "networks": (ip_network("127.0.0.0/8"), ip_network("::1")),
    "ca_file": os.environ.get("TEST_HTTPS_CA", ""),
    # That server is as slow as the machine, and holds answers back as long as a test wants.
    "connect_s": 60,
    "read_s": 120,
    "total_s": 300,
}
