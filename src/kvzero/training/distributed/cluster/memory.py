"""Memory that a cluster's object stores take."""

from typing import Any

__all__ = ["object_store_figures"]


def object_store_figures(ray: Any) -> dict[str, float]:
    """Return bytes that all object stores of the cluster hold, and may hold, as they last told."""
    limit = ray.cluster_resources().get("object_store_memory", 0.0)
    return {
        "object_store_bytes": limit - ray.available_resources().get("object_store_memory", 0.0),
        "object_store_limit_bytes": limit,
    }
