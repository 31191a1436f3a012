"""The page of a game: one HTML file with its own script, style and data, which needs nothing else."""

import json
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from jinja2 import Environment, StrictUndefined

from kvzero.agent import SearchRecord
from kvzero.inspector.foresight import Foresight
from kvzero.inspector.game import Game
from kvzero.inspector.names import name_actions, name_features
from kvzero.inspector.packing import pack
from kvzero.inspector.pictures import draw_image

__all__ = ["render_page"]

ASSETS = Path(__file__).with_name("assets")

SCRIPTS = ("data", "draw", "timeline", "observation", "root", "tree", "node", "cache", "foresight", "main")
"""Files of the script, in the order in which they need each other."""

LATENT_COLUMNS = 64
"""Numbers of a latent that are shown; of wider ones so many, evenly chosen."""


def render_page(game: Game) -> str:
    """Return the page of a game, one screen to see and search through what was seen, thought and foreseen."""
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    data = {"facts": _facts(game), "arrays": pack(_arrays(game)), "pictures": _pictures(game)}
    return page.from_string(_asset("page.html.j2")).render(
        title=f"{game.name} · {game.env.name} · seed {game.seed}",
        style=_asset("page.css"),
        script="\n".join(_asset(f"{name}.js") for name in SCRIPTS),
        data=json.dumps(data).replace("<", "\\u003c"),  # no text of it may end the element that it stands in
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _facts(game: Game) -> dict[str, Any]:
    """Return what is the same for the whole game."""
    record = game.records[0]
    return {
        "checkpoint": game.checkpoint.name,
        "env": game.env.name,
        "seed": game.seed,
        "total": game.total,
        "is_cut": game.is_cut,
        "is_terminated": game.episode.is_terminated,
        "num_steps": len(game.records),
        "engine": record.engine,
        "store": record.store,
        "rule": record.rule,
        "discount": record.discount,
        "num_simulations": len(record.parents) - 1,
        "num_slots": record.num_slots,
        "tokens_per_node": record.tokens_per_node,
        "reward_scale": game.env.reward_scale,
        "is_continuous": game.spec.is_continuous,
        "action_names": name_actions(game.env, game.spec),
        "feature_names": name_features(game.env, game.spec),
        "figures": list(record.cache_figures),
    }


def _arrays(game: Game) -> dict[str, np.ndarray]:
    """Return the numbers of all steps, with the step as first axis."""
    arrays = _of_roots(game.records) | _of_nodes(game.records) | _of_caches(game.records)
    arrays |= _of_foresight(game.foresight) | _shade_latents(game.foresight)
    arrays["played_rewards"] = np.array(game.episode.rewards)
    if not game.spec.is_image:
        arrays["observations"] = np.stack(game.episode.observations)
    return arrays


def _stack(records: Sequence[SearchRecord], names: Sequence[str]) -> dict[str, np.ndarray]:
    return {name: np.stack([getattr(record, name) for record in records]) for name in names}


def _of_roots(records: Sequence[SearchRecord]) -> dict[str, np.ndarray]:
    return _stack(records, ("legal", "policy", "visit_counts", "action_values")) | {
        "root_priors": np.stack([record.priors[0] for record in records]),
        "chosen": np.array([record.chosen for record in records]),
        "num_tokens": np.array([record.num_tokens for record in records]),
    }


def _of_nodes(records: Sequence[SearchRecord]) -> dict[str, np.ndarray]:
    """Return what there is of nodes; of priors and vectors only those of the action that leads to each."""
    arrays = _stack(records, ("parents", "actions", "visits", "rewards", "values", "predicted_values"))
    edges = np.arange(len(records))[:, None], arrays["parents"], arrays["actions"]
    arrays["priors"] = np.stack([record.priors for record in records])[edges]
    arrays["priors"][:, 0] = 1.0
    arrays["is_principal"] = np.stack([_is_principal(record) for record in records])
    if records[0].action_vectors is not None:
        vectors = _stack(records, ["action_vectors"])["action_vectors"]
        arrays |= {"root_vectors": vectors[:, 0], "vectors": vectors[edges]}
    return arrays


def _is_principal(record: SearchRecord) -> Bool[np.ndarray, " node"]:
    is_principal = np.zeros(len(record.parents), bool)
    is_principal[[0, *record.principal_line]] = True
    return is_principal


def _of_caches(records: Sequence[SearchRecord]) -> dict[str, np.ndarray]:
    figures = {"figures": np.array([list(record.cache_figures.values()) for record in records])}
    return figures if records[0].block_table is None else figures | _stack(records, ["block_table"])


def _of_foresight(foresight: Foresight) -> dict[str, np.ndarray]:
    return {
        "foreseen_rewards": foresight.rewards,
        "followed_rewards": foresight.played_rewards,
        "foreseen_values": foresight.values,
        "read_values": foresight.read_values,
        "latent_errors": foresight.latent_errors,
    }


def _shade_latents(foresight: Foresight) -> dict[str, UInt8[np.ndarray, "time depth column"]]:
    """Return some numbers of each latent as shades from the lowest to the highest of the game; 0 stands for none."""
    width = foresight.latents.shape[-1]
    columns = np.unique(np.linspace(0, width - 1, min(width, LATENT_COLUMNS)).round().astype(int))
    low, high = float(np.nanmin(foresight.seen_latents)), float(np.nanmax(foresight.seen_latents))

    def shade(latents: Float32[np.ndarray, "time depth embed"]) -> UInt8[np.ndarray, "time depth column"]:
        shades = 1 + 254 * ((latents[..., columns] - low) / max(high - low, 1e-8)).clip(0, 1)
        rounded: UInt8[np.ndarray, "time depth column"] = np.nan_to_num(shades, nan=0.0).round().astype(np.uint8)
        return rounded

    return {"foreseen_latents": shade(foresight.latents), "seen_latents": shade(foresight.seen_latents)}


def _pictures(game: Game) -> Sequence[str]:
    """Return what was seen at every step as PNG in base 64, where it is an image."""
    if not game.spec.is_image:
        return []
    return [b64encode(draw_image(seen, game.env, game.spec)).decode() for seen in game.episode.observations]
