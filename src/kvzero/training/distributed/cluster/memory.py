"""Memory that a cluster's object stores take, asked without ever waiting for a cluster that does not answer."""

from contextlib import suppress
from threading import Thread
from typing import Any

__all__ = ["ObjectStores"]

WAIT_SECONDS = 1.0


class ObjectStores:
    """Asks how full the object stores of a cluster are; while an answer is outstanding it asks no more."""

    def __init__(self, ray: Any) -> None:
        """Ask the cluster that `ray` is connected to."""
        self._ray = ray
        self._told: dict[str, float] = {}
        self._asking: Thread | None = None

    def figures(self) -> dict[str, float]:
        """Return bytes that all object stores together hold, and may hold, as they last told; nothing before that.

        Ray itself waits until the cluster can be reached, and is asked in a thread that the process does not wait for.
        """
        if self._asking is None or not self._asking.is_alive():
            self._asking = Thread(target=self._ask, name="object-stores", daemon=True)
            self._asking.start()
            self._asking.join(WAIT_SECONDS)
        return self._told.copy()

    def _ask(self) -> None:
        with suppress(self._ray.exceptions.RayError):  # the cluster was left meanwhile
            limit = self._ray.cluster_resources().get("object_store_memory", 0.0)
            free = self._ray.available_resources().get("object_store_memory", 0.0)
            self._told = {"object_store_bytes": limit - free, "object_store_limit_bytes": limit}
