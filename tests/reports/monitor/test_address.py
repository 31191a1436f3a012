"""An address is a port of this machine unless a host stands before it."""

import pytest

from kvzero.errors import ConfigError
from kvzero.reports.monitor.address import check_monitor, read_monitor, write_url


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        ("9100", "127.0.0.1", 9100, "http://127.0.0.1:9100/metrics"),
        ("0", "127.0.0.1", 0, "http://127.0.0.1:0/metrics"),
        ("0.0.0.0:65535", "0.0.0.0", 65535, "http://0.0.0.0:65535/metrics"),
        ("node-3.lab:80", "node-3.lab", 80, "http://node-3.lab:80/metrics"),
        ("[::1]:9100", "::1", 9100, "http://[::1]:9100/metrics"),
    ],
)
def test_a_port_and_a_host_are_read(text, host, port, url):
    check_monitor(text)
    assert read_monitor(text) == (host, port)
    assert write_url(host, port) == url


@pytest.mark.parametrize(
    "text", ["", ":9100", "host", "host:", "65536", "-1", "9 100", "²", "::1:9100", "[]:9100", "http://host:9100"]
)
def test_anything_else_is_refused_with_what_it_is(text):
    with pytest.raises(ConfigError, match="give PORT, 0 for any free one, or HOST:PORT") as caught:
        check_monitor(text)
    assert repr(text) in str(caught.value)
