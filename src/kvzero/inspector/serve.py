"""One page on a port of this machine."""

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kvzero.errors import ConfigError

__all__ = ["serve_page"]


def serve_page(page: bytes, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve a page, and nothing else, until interrupted; `on_ready` is told its address.

    Raises:
        ConfigError: if the port cannot be opened there; port 0 takes any that is free.
    """
    try:
        server = ThreadingHTTPServer((host, port), _handler_of(page))
    except (OSError, OverflowError) as error:
        raise ConfigError(f"{host} port {port} cannot be opened ({error}); choose another --port or --host") from error
    with server:
        on_ready(f"http://{host}:{server.server_address[1]}/")
        server.serve_forever()


def _handler_of(page: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers with the page."""

        def do_GET(self) -> None:
            """Send the page, whatever follows the slash as a question."""
            if self.path.partition("?")[0] != "/":
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
            """Say nothing of each request."""

    return Handler
