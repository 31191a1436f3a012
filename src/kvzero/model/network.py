"""The world model's network: encoder, transformer and heads, in training and in search."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import is_not
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from kvzero.cache import Window
from kvzero.errors import ConfigError, EnvError
from kvzero.model.actions import build_action_table
from kvzero.model.config import ModelConfig
from kvzero.model.digest import digest_weights
from kvzero.model.dropout import NO_DROPOUT, Dropout
from kvzero.model.encoders import (
    LARGEST_FEATURE,
    ImageEncoder,
    VectorEncoder,
    build_encoder,
    build_latent_norm,
)
from kvzero.model.heads import PairedHead
from kvzero.model.normaliser import Normaliser
from kvzero.model.sequences import pass_sequences
from kvzero.model.sliding import slide_window
from kvzero.model.support import Support
from kvzero.model.transformer import Transformer
from kvzero.records import EnvSpec

__all__ = ["Network", "Predictions", "RootReading"]

LATENT_TOKENS, ACTION_TOKENS, NEWEST_TOKEN = slice(0, None, 2), slice(1, None, 2), slice(-1, None)


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the network says of every step of a sequence."""

    reward_logits: Float[Tensor, "batch time bin"]
    next_latents: Float[Tensor, "batch time embed"]
    value_logits: Float[Tensor, "batch time bin"]
    policy_logits: Float[Tensor, "batch time policy"]
    """One logit per numbered action; for continuous actions the raw numbers that `read_gaussian` reads."""


@dataclass(frozen=True, slots=True)
class RootReading:
    """What the network says of real observations, read at their latent tokens."""

    values: Float[Tensor, " batch"]
    policy_logits: Float[Tensor, "batch policy"]


class Network(nn.Module):
    """A UniZero world model (Pu et al. 2024): one latent and one action token per environment step.

    A latent token is read by the policy and value heads, an action token by the reward and next-latent heads.
    """

    def __init__(self, config: ModelConfig, spec: EnvSpec, *, encoder: nn.Module | None = None) -> None:
        """Build the network, around an encoder that exists already if one is given.

        Raises:
            ConfigError: if the observations do not fit the encoder.
        """
        super().__init__()
        self.config = config
        self.spec = spec
        self._marks = 0
        self._counted: list[nn.Parameter | None] = []  # the weights whose in-place changes `version` counts
        self._digest: tuple[int, bytes] | None = None  # the version that it is of, and the digest
        embed, hidden = config.embed_dim, config.embed_dim * config.head_expansion
        self.encoder = build_encoder(spec, config) if encoder is None else encoder
        self.action_table = build_action_table(spec, config)
        self.transformer = Transformer(config)
        self.action_head = PairedHead(embed, hidden, (config.support_size, embed))
        self.latent_head = PairedHead(embed, hidden, (config.support_size, self.policy_size))
        self.next_latent_norm = build_latent_norm(config.latent_norm, embed)
        self.support = Support(config.support_size)

    @property
    def version(self) -> int:
        """A number that grows whenever the weights change; cheap, and of this object in this process alone.

        It counts what autograd notices (a change by hand in place, a plain optimiser step), `load_state_dict` and `to`,
        weights that others were put in place of, and the calls of `mark_changed` for what none of these shows.
        """
        weights = _list_weights(self)
        if len(weights) != len(self._counted) or any(map(is_not, weights, self._counted)):
            self._marks += 1 + _count_changes(self._counted) - _count_changes(weights)
            self._counted = weights  # held on to, so that no later weights can pass for them
        return self._marks + _count_changes(weights)

    def mark_changed(self) -> None:
        """Say that the weights changed behind autograd's back, as PyTorch's fused optimisers change them."""
        self._marks += 1

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take in weights and a normaliser's numbers: a new version, whatever is new of it."""
        self.mark_changed()
        return super().load_state_dict(state_dict, strict, assign)

    @property
    def digest(self) -> bytes:
        """The identity of the weights: 32 bytes, the same wherever and whenever a network has the same ones.

        It covers all that is saved, a normaliser's mean and variance included; see `digest_weights`, also for what it
        costs. It is worked out when it is asked for, and kept until `version` changes.
        """
        version = self.version
        if self._digest is None or self._digest[0] != version:
            self._digest = version, digest_weights(self.state_dict())
        return self._digest[1]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that is saved, by name, for another process; on a CPU the arrays share the network's memory."""
        return {name: tensor.detach().cpu().numpy() for name, tensor in self.state_dict().items()}

    def load_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take in what `arrays` returned; they may be read-only, as those of an object store are."""
        self.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})

    def __getstate__(self) -> dict[str, Any]:
        """Leave the digest out of copies, which count changes from here on: one number would mean two things."""
        return self.__dict__ | {"_digest": None, "_marks": self.version, "_counted": []}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Network":
        """Move, or change the number type, which autograd does not notice; where it is so already, nothing changes."""
        before = self._places()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self._places() != before:
            self.mark_changed()
        return self

    def _places(self) -> list[tuple[int, torch.dtype, torch.device]]:
        return [(tensor.data_ptr(), tensor.dtype, tensor.device) for tensor in self.tensors()]

    @property
    def policy_size(self) -> int:
        """Numbers that the policy head gives: a logit per action, or a mean and a log-scale per number of an action."""
        return 2 * self.spec.action_dim if self.spec.is_continuous else self.spec.num_actions

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.action_table.weight.device

    @property
    def normaliser(self) -> Normaliser | None:
        """What normalises observations; None where they are shown as they are."""
        return self.encoder.normaliser if isinstance(self.encoder, ImageEncoder | VectorEncoder) else None

    def take_in(self, observations: Shaped[Tensor, "batch ..."]) -> None:
        """Add observations to what they are normalised by; a new version, where anything is."""
        if isinstance(self.encoder, ImageEncoder | VectorEncoder) and self.encoder.normaliser is not None:
            self.encoder.take_in(observations)
            self.mark_changed()

    def check_observations(self, envs: Int[np.ndarray, " env"], observations: Shaped[np.ndarray, "env ..."]) -> None:
        """Refuse vectors that would be infinite inside an encoder that does not normalise them.

        Raises:
            EnvError: with the environment, the number and the setting that helps.
        """
        if not isinstance(self.encoder, VectorEncoder) or self.normaliser is not None:
            return
        wrong = np.argwhere(np.abs(observations) > LARGEST_FEATURE)
        if wrong.size:
            env, feature = wrong[0]
            raise EnvError(
                f"environment {envs[env]} shows {observations[env, feature]:g} as its feature {feature}, and the "
                f"encoder takes at most {LARGEST_FEATURE:g}; give --normalize-observations True, or smaller numbers"
            )

    def check_actions(self, actions: Shaped[np.ndarray, "env *action"]) -> None:
        """Refuse numbers that no action has.

        Raises:
            ConfigError: with the number, and what to give.
        """
        if self.spec.is_continuous or not actions.size:
            return
        if actions.min() < 0 or actions.max() >= self.spec.num_actions:
            raise ConfigError(
                f"actions {actions.tolist()} were to be taken, and they are numbered from 0 to "
                f"{self.spec.num_actions - 1}; give what was done in the environment"
            )

    def encode(self, observations: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch embed"]:
        """Return the latent token of each observation."""
        latents: Tensor = self.encoder(observations)
        return latents

    def encode_steps(
        self, observations: Shaped[Tensor, "batch time ..."], *, augment: Callable[[Tensor], Tensor] | None = None
    ) -> Float[Tensor, "batch time embed"]:
        """Return the latent token of each observation of some sequences.

        `augment`, for images only, changes what their encoder sees, `[batch, time, channel, height, width]`. Images are
        normalised before that: a background that was shifted would no longer be the one that is subtracted.
        """
        batch_and_time = observations.shape[:2]
        if augment is None or not isinstance(self.encoder, ImageEncoder):
            return self.encode(observations.flatten(0, 1)).reshape(*batch_and_time, -1)
        seen = augment(torch.unflatten(self.encoder.see(observations.flatten(0, 1)), 0, batch_and_time))
        return self.encoder.encode_seen(seen.flatten(0, 1)).reshape(*batch_and_time, -1)

    def forward(
        self,
        latents: Float[Tensor, "batch time embed"],
        actions: Shaped[Tensor, "batch time *action"],
        *,
        dropout: Dropout = NO_DROPOUT,
        plainly: bool = False,
    ) -> Predictions:
        """Predict every step of whole sequences, `latents[t]` followed by `actions[t]`, from token 0 on.

        `plainly` passes them as histories are passed, slower and with the same predictions up to rounding.
        """
        tokens = interleave(latents, self.action_table(actions))
        if plainly:
            outputs, _ = self.transformer(tokens, dropout=dropout)
        else:
            outputs = pass_sequences(self.transformer, tokens, dropout=dropout)
        reward_logits, next_latents = self.action_head(outputs[:, ACTION_TOKENS])
        value_logits, policy_logits = self.latent_head(outputs[:, LATENT_TOKENS])
        return Predictions(reward_logits, self.next_latent_norm(next_latents), value_logits, policy_logits)

    def read_values(
        self,
        latents: Float[Tensor, "batch time embed"],
        actions: Shaped[Tensor, "batch time *action"],
        steps: Int[Tensor, "batch read"],
        *,
        plainly: bool = False,
    ) -> Float[Tensor, "batch read"]:
        """Return the values of some steps of whole sequences, in the reward's units, each seen in its context.

        A step may be asked for several times. What no answer depends on is not computed, unless it is to be computed
        `plainly`, as `forward` says.
        """
        tokens = interleave(latents, self.action_table(actions))
        if plainly:
            outputs, _ = self.transformer(tokens, read=LATENT_TOKENS)
            value_logits, _ = self.latent_head(outputs)
            return self.support.decode(value_logits).gather(1, steps)
        outputs = pass_sequences(self.transformer, tokens, read=2 * steps)
        return self.support.decode(self.latent_head.read_first(outputs))

    def read_roots(
        self,
        latents: Float[Tensor, "batch time embed"],
        actions: Shaped[Tensor, "batch time-1 *action"],
        positions: Int[Tensor, "batch token"],
        *,
        is_valid: Bool[Tensor, "batch token"],
    ) -> tuple[RootReading, Window]:
        """Read the last observation of whole, left-padded histories; also return a window of all that was passed.

        It has as many places as there are tokens, and the raw tokens where positions are learned.
        """
        tokens = self._pair_up(latents, actions)
        outputs, cache = self.transformer(tokens, positions, is_valid=is_valid, read=NEWEST_TOKEN)
        raw = tokens if self.config.layout.is_sliding else None
        return self._read_latent_token(outputs[:, -1]), Window(torch.stack(cache, dim=2), is_valid, raw)

    def read_along(
        self,
        latents: Float[Tensor, "batch time embed"],
        actions: Shaped[Tensor, "batch time-1 *action"],
        positions: Int[Tensor, "batch token"],
        *,
        is_valid: Bool[Tensor, "batch token"],
        is_read: Bool[Tensor, "batch time"],
    ) -> tuple[RootReading, Float[Tensor, "batch token layer 2 head head_dim"]]:
        """Read the marked observations of whole, left-padded histories; also return all keys and values.

        They are those of rotary positions, where a token's do not depend on what comes after it.
        """
        tokens = self._pair_up(latents, actions)
        outputs, cache = self.transformer(tokens, positions, is_valid=is_valid, read=LATENT_TOKENS)
        return self._read_latent_token(outputs[is_read]), torch.stack(cache, dim=2)

    def extend_roots(
        self,
        actions: Shaped[Tensor, "batch *action"],
        latents: Float[Tensor, "batch embed"],
        positions: Int[Tensor, "batch 2"],
        window: Window,
    ) -> RootReading:
        """Pass the action taken and the latent seen next against cached roots, filling the window's last places."""
        tokens = torch.stack([self.action_table(actions), latents], dim=1)
        outputs = self.transformer.extend(tokens, positions, window, end=window.keys_values.shape[1])
        return self._read_latent_token(outputs[:, -1])

    def slide(self, window: Window) -> None:
        """Make room where learned positions have filled a window, as `ModelConfig.window` says; else do nothing.

        To be called after a pair of tokens was passed and before the window is kept: where a context has reached
        `C - 1` tokens, its oldest observation and action go.
        """
        slide_window(self.transformer, window, self.config.window)

    def _pair_up(
        self, latents: Float[Tensor, "batch time embed"], actions: Shaped[Tensor, "batch time-1 *action"]
    ) -> Float[Tensor, "batch token embed"]:
        """Return the tokens of histories that end with an observation."""
        padded = functional.pad(actions, (*[0] * (2 * actions.ndim - 4), 0, 1))  # one more action, cut off again
        return interleave(latents, self.action_table(padded))[:, :-1]

    def _read_latent_token(self, outputs: Float[Tensor, "batch embed"]) -> RootReading:
        value_logits, policy_logits = self.latent_head(outputs)
        return RootReading(self.support.decode(value_logits), policy_logits)

    def tensors(self) -> list[Tensor]:
        """Return all parameters and buffers, a shared one as often as it is held; for whoever asks at each search."""
        found: list[Tensor | None] = []
        for part in _parts(self):
            found += part._parameters.values()
            found += part._buffers.values()
        return [tensor for tensor in found if tensor is not None]

    def decayed_weights(self) -> Iterable[nn.Parameter]:
        """Return the matrices, which weight decay applies to; biases, norms and tables of embeddings are left alone."""
        left_alone = [module for module in self.modules() if isinstance(module, nn.Embedding | nn.LayerNorm)]
        spared = {id(weights) for module in left_alone for weights in module.parameters()}
        return (weights for weights in self.parameters() if weights.ndim > 1 and id(weights) not in spared)


def _list_weights(module: nn.Module) -> list[nn.Parameter | None]:
    """Return the module's weights, and None for those that it does without.

    This is asked several times per search: `parameters()` would take twenty times as long, recursion twice as long.
    """
    found: list[nn.Parameter | None] = []
    for part in _parts(module):
        found += part._parameters.values()
    return found


def _count_changes(weights: Iterable[nn.Parameter | None]) -> int:
    """Return how often weights were changed in place."""
    return sum([each._version for each in weights if each is not None])


def _parts(module: nn.Module) -> list[nn.Module]:
    """Return a module and all that are inside."""
    parts = [module]
    for part in parts:  # which grow meanwhile
        parts += [inside for inside in part._modules.values() if inside is not None]
    return parts


def interleave(
    latents: Float[Tensor, "batch time embed"], actions: Float[Tensor, "batch time embed"]
) -> Float[Tensor, "batch token embed"]:
    """Return the token sequence: latent 0, action 0, latent 1, action 1, ..."""
    return torch.stack([latents, actions], dim=2).flatten(1, 2)
