"""What a replay full of ladders has to look like: every step in its place, none twice."""

import numpy as np

from kvzero.replay.rows import STEP, TERMINATED, TRUNCATED


def check_ladders(replay):
    """Go through all rows, which must all be there still; return the number of steps, and of episodes that were cut."""
    arrays, num_steps, num_cut = replay.state_arrays(), 0, 0
    for env, num_written in enumerate(arrays["num_written"]):
        observations, actions, kinds = (arrays[f"{name}.{env}"] for name in ("observations", "actions", "kinds"))
        assert len(kinds) == num_written
        assert set(kinds.tolist()) <= {STEP, TRUNCATED, TERMINATED}
        is_step = kinds == STEP
        times = np.rint(4 * observations[:, 0]).astype(int)
        begins = np.concatenate([[True], ~is_step[:-1]])
        assert (times[begins] == 0).all()
        follows = np.flatnonzero(~begins)
        np.testing.assert_array_equal(times[follows], times[follows - 1] + 1)
        np.testing.assert_array_equal(observations[follows, 1], actions[follows - 1])
        num_steps += int(is_step.sum())
        num_cut += int((kinds == TRUNCATED).sum())
    return num_steps, num_cut
