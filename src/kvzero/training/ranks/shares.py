"""A batch of segments in equal shares."""

import numpy as np
from jaxtyping import Shaped

from kvzero.replay import Segments

__all__ = ["split_segments"]


def split_segments(segments: Segments, num_shares: int) -> list[Segments]:
    """Return the segments in as many equal shares, in their order.

    Their number is a multiple of `num_shares`.
    """

    def split(values: Shaped[np.ndarray, "batch ..."]) -> list[np.ndarray]:
        return np.split(values, num_shares)

    fields = {name: split(values) for name, values in segments.fields.items()}
    ends, terminated, places = split(segments.ends), split(segments.terminated), split(segments.places)
    weights = [None] * num_shares if segments.weights is None else split(segments.weights)
    return [
        Segments(
            fields={name: parts[share] for name, parts in fields.items()},
            ends=ends[share],
            terminated=terminated[share],
            places=places[share],
            weights=weights[share],
        )
        for share in range(num_shares)
    ]
