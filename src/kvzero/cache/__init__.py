"""Stores of keys and values, their layout and their statistics; knows no model."""

from kvzero.cache.layout import ContextLayout
from kvzero.cache.static_tree import StaticTreeContexts
from kvzero.cache.store import ContextStore, SearchContexts, TreeMemory, Window
from kvzero.cache.tree import TreeStore

__all__ = ["ContextLayout", "ContextStore", "SearchContexts", "StaticTreeContexts", "TreeMemory", "TreeStore", "Window"]
