"""Where the actors of a run live: a Ray of its own, or a cluster that runs already."""

from kvzero.training.distributed.cluster.engine import import_ray
from kvzero.training.distributed.cluster.memory import ObjectStores
from kvzero.training.distributed.cluster.open import check_cluster, open_cluster

__all__ = ["ObjectStores", "check_cluster", "import_ray", "open_cluster"]
