"""The exactness suite notices: each part of one-pass expansion is broken on purpose, and a short life must fail."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tests.equivalence.test_mutations import live

from kvzero.cache import OnePassContexts, Window
from kvzero.engines.device import expanders as device_expanders
from kvzero.engines.device.expanders import OnePassExpander
from kvzero.model import PassLayout, lay_out_pass
from kvzero.search import DeviceLeaves


def change_layout(patch: pytest.MonkeyPatch, change: Callable[[PassLayout, int], None]) -> None:
    def changed(context_tokens: int, num_actions: int, *, device: torch.device) -> PassLayout:
        layout = lay_out_pass(context_tokens, num_actions, device=device)
        change(layout, context_tokens)
        return layout

    patch.setattr(device_expanders, "lay_out_pass", changed)


def let_actions_see_one_token_too_far(patch: pytest.MonkeyPatch) -> None:
    change_layout(patch, lambda layout, _: layout.mask[1:, 0].fill_(1))


def let_an_action_see_the_one_before_it(patch: pytest.MonkeyPatch) -> None:
    change_layout(patch, lambda layout, context: layout.mask[2, context].fill_(1))


def hide_the_latent_from_the_actions(patch: pytest.MonkeyPatch) -> None:
    change_layout(patch, lambda layout, context: layout.mask[1:, context - 1].fill_(0))


def number_actions_one_after_the_other(patch: pytest.MonkeyPatch) -> None:
    change_layout(patch, lambda layout, _: layout.offsets.copy_(torch.arange(len(layout.offsets))))


def continue_with_another_action(patch: pytest.MonkeyPatch) -> None:
    read = OnePassContexts.read
    patch.setattr(
        OnePassContexts, "read", lambda self, node, parents, actions: read(self, node, parents, (actions + 1) % 3)
    )


def look_up_what_another_action_leads_to(patch: pytest.MonkeyPatch) -> None:
    expand = OnePassExpander.look_up

    def broken(self: OnePassExpander, leaves: DeviceLeaves) -> object:
        return replace(expand(self, leaves), rewards=expand(self, replace(leaves, actions=leaves.actions * 0)).rewards)

    patch.setattr(OnePassExpander, "look_up", broken)


def attend_to_padding(patch: pytest.MonkeyPatch) -> None:
    read = OnePassContexts.read
    patch.setattr(OnePassContexts, "read", lambda self, *where: Window(read(self, *where).keys_values, None))


def keep_the_roots_actions_of_the_search_before(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OnePassContexts, "write_roots", lambda self: None)


MUTATIONS: list[Callable[[pytest.MonkeyPatch], None]] = [
    let_actions_see_one_token_too_far,
    let_an_action_see_the_one_before_it,
    hide_the_latent_from_the_actions,
    number_actions_one_after_the_other,
    continue_with_another_action,
    look_up_what_another_action_leads_to,
    attend_to_padding,
    keep_the_roots_actions_of_the_search_before,
]


def test_the_life_is_exact_while_nothing_is_broken() -> None:
    live(engine="one_pass")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_the_suite_fails_when_one_pass_is_broken(
    mutation: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError, match=r"largest difference|not finite|Arrays are not equal"):
        live(engine="one_pass")
