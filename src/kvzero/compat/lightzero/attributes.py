"""A dict whose items are attributes too, which is what config files expect of `EasyDict`."""

from typing import Any

__all__ = ["AttributeDict"]


class AttributeDict(dict[str, Any]):
    """A dict whose items are attributes too, at every depth."""

    def __init__(self, *items: Any, **more: Any) -> None:
        super().__init__()
        self.update(*items, **more)

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, _with_attributes(value))

    def update(self, *items: Any, **more: Any) -> None:
        """Take in items as `dict.update` does."""
        for name, value in dict(*items, **more).items():
            self[name] = value


def _with_attributes(value: Any) -> Any:
    if isinstance(value, dict) and not isinstance(value, AttributeDict):
        return AttributeDict(value)
    if isinstance(value, list | tuple):
        return type(value)(map(_with_attributes, value)) if type(value) in (list, tuple) else value
    return value
