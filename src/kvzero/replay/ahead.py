"""Batches drawn ahead: while one is trained on, a thread prepares the next."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

from kvzero.replay.replay import Replay
from kvzero.replay.segments import Segments

__all__ = ["sample_ahead"]


def sample_ahead(
    replay: Replay,
    num_batches: int,
    *,
    batch_size: int,
    num_steps: int,
    progress: float = 1.0,
    prepare: Callable[[Segments], Segments] | None = None,
) -> Generator[Segments, None, None]:
    """Yield `num_batches` batches, the same as so many calls of `replay.sample`, each drawn while the last is used.

    What is drawn is handed through `prepare` in the thread that drew it.

    Nothing may be added to the replay, or judged in it, before the iterator is exhausted or closed. Errors may be told
    of, for they change draws only when something is added. Closed early, it gives a batch that was drawn and not handed
    out back: the replay's random state is as if it had not been drawn.

    Raises:
        EmptyReplayError: if no segment can start anywhere.
    """
    state = replay.rng_state()

    def sample() -> Segments:
        drawn = replay.sample(batch_size, num_steps=num_steps, progress=progress)
        return drawn if prepare is None else prepare(drawn)

    with ThreadPoolExecutor(1, thread_name_prefix="kvzero-sampler") as thread:
        ahead = deque([thread.submit(sample)] if num_batches else [])
        try:
            for number in range(1, num_batches + 1):
                segments = ahead.popleft().result()
                state = replay.rng_state()
                if number < num_batches:
                    ahead.append(thread.submit(sample))
                yield segments
        finally:
            thread.shutdown()
            replay.load_rng_state(state)
