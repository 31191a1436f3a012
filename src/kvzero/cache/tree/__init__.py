"""The tree store, whose nodes are addresses, and the contexts of searches that work on its tensors in place."""

from kvzero.cache.tree.one_pass import OnePassContexts
from kvzero.cache.tree.static import StaticRows, StaticTreeContexts
from kvzero.cache.tree.store import TreeStore

__all__ = ["OnePassContexts", "StaticRows", "StaticTreeContexts", "TreeStore"]
