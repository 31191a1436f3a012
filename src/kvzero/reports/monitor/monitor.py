"""The newest figures of a run, served over HTTP for as long as it goes on."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, SupportsFloat

from kvzero.errors import ConfigError, RunError
from kvzero.reports.figures import ENV_STEPS
from kvzero.reports.machine import library_versions
from kvzero.reports.monitor.address import read_monitor, write_url
from kvzero.reports.monitor.families import Place, find_place

__all__ = ["Monitor"]


class Monitor:
    """A server of figures, open from when it is made; a sink's opener for the run that it tells of.

    Whoever reaches the port can read the figures, and nothing else.

    Args:
        address: `PORT` on the loopback, or `HOST:PORT`; port 0 is any free one.

    Raises:
        ConfigError: if it is no address, or prometheus_client is not installed.
        RunError: if nothing can be served there, such as where the port is taken.
    """

    def __init__(self, address: str) -> None:
        host, port = read_monitor(address)
        try:
            import prometheus_client  # noqa: PLC0415  # optional
        except ImportError as error:
            raise ConfigError(f'monitor needs {error.name}; install it with: pip install "kvzero[monitor]"') from error
        self._registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self._registry)
        try:
            self._server, self._thread = prometheus_client.start_http_server(port, host, self._registry)
        except OSError as error:
            raise RunError(
                f"figures cannot be served at {host}:{port} ({error.strerror or error}); give monitor another port, "
                "or 0 for any free one"
            ) from error
        self.url = write_url(host, self._server.server_port)
        """What Prometheus asks."""

    def __call__(self, run_dir: Path, *, resume_from: int | None = None) -> "MonitorSink":
        """Return the sink of a run, whose figures are served from now on; what came before a resume is not."""
        sink = MonitorSink(run_dir.resolve().name)
        self._registry.register(sink)
        return sink

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MonitorSink:
    """Keeps the newest figures of a run until they are asked for, which other threads do."""

    def __init__(self, run_name: str) -> None:
        self._info = {"run": run_name, "version": library_versions()["kvzero"]}
        self._lock = Lock()
        self._values: dict[Place, float] = {}
        self._written_at = time.time()

    def write(self, env_steps: int, figures: Mapping[str, SupportsFloat]) -> None:
        """Take in figures."""
        with self._lock:
            self._written_at = time.time()
            for name, figure in {ENV_STEPS: env_steps, **figures}.items():
                if (place := find_place(name)) is not None:
                    before = self._values.get(place, 0.0) if place.family.kind == "increment" else 0.0
                    self._values[place] = before + float(figure)

    def close(self) -> None:
        """Keep what is there: it is served for as long as the monitor is."""

    def collect(self) -> Iterator[Any]:
        """Yield the families of all figures, as prometheus_client wants them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily  # noqa: PLC0415

        with self._lock:
            values, written_at = dict(self._values), self._written_at
        yield InfoMetricFamily("kvzero_run", "The run whose figures these are.", value=self._info)
        yield GaugeMetricFamily("kvzero_figures_timestamp_seconds", "When figures came in last.", value=written_at)
        families: dict[str, Any] = {}
        for place, value in values.items():
            family = place.family
            if family.name not in families:
                make = GaugeMetricFamily if family.kind == "gauge" else CounterMetricFamily
                families[family.name] = make(f"kvzero_{family.name}", family.help, labels=family.label_names)
            families[family.name].add_metric(place.labels, value)
        yield from families.values()
