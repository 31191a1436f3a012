"""Exploration that slips: now and then another action than the search chose (epsilon-greedy)."""

import numpy as np
from jaxtyping import Bool, Shaped

__all__ = ["slip"]


def slip(
    chosen: Shaped[np.ndarray, "env ..."],
    masks: Bool[np.ndarray, "env action"],
    *,
    epsilon: float,
    rng: np.random.Generator,
) -> Shaped[np.ndarray, "env ..."]:
    """Return what each environment is to play: with probability `epsilon` an action drawn evenly, else what was chosen.

    Epsilon-greedy (Sutton & Barto 2018, section 2.2). Of numbered actions `masks` says which are legal, and only those
    are drawn, the chosen one among them; actions of several numbers are drawn from -1 to 1. With 0, no number is drawn.
    """
    if not epsilon:
        return chosen
    slips = np.flatnonzero(rng.random(len(chosen)) < epsilon)
    played = chosen.copy()
    if masks.shape[1]:
        played[slips] = np.where(masks[slips], rng.random((len(slips), masks.shape[1])), -1.0).argmax(axis=1)
    else:
        played[slips] = rng.uniform(-1.0, 1.0, played[slips].shape)
    return played
