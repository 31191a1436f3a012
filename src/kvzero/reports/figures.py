"""The names of the figures that the display and plots look for; a run may log others beside them."""

__all__ = [
    "ENV_STEPS",
    "EVAL_RETURN_MAX",
    "EVAL_RETURN_MEAN",
    "EVAL_RETURN_MIN",
    "LOSS",
    "OPEN_LOOP",
    "TRAIN_RETURN",
    "WALL_SECONDS",
]

ENV_STEPS = "env_steps"
"""Environment steps collected when the figures beside it were taken; every line of metrics has it."""

TRAIN_RETURN = "train_return"
"""Mean raw return of the training episodes that ended since the line before."""

EVAL_RETURN_MEAN = "eval_return_mean"
"""Mean raw return of the episodes of one evaluation."""

EVAL_RETURN_MIN = "eval_return_min"
"""Lowest raw return of one evaluation."""

EVAL_RETURN_MAX = "eval_return_max"
"""Highest raw return of one evaluation."""

LOSS = "loss"
"""The weighted training loss; its parts are named `loss_latent` and so on."""

OPEN_LOOP = "open_loop"
"""First part of the names of open-loop errors: `open_loop/<what>/<depth>`."""

WALL_SECONDS = "wall_seconds"
"""Seconds that the run took until the figures beside it were logged, over all sessions."""
