"""What reanalysis need not search again: batches that were searched before, or rows whose results are young."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int64

from kvzero.agent import Findings
from kvzero.cache import Namespace, ResultCache, digest_history, digest_parts, digest_rows
from kvzero.records import load_rng_state, rng_state
from kvzero.replay import Chunks

__all__ = ["ExactReuse", "Judged", "RecentReuse", "Reuse", "Source", "make_reuse"]

Search = Callable[[Chunks, np.random.Generator], Findings]
"""Searches all roots of some chunks."""
WORD = 1 << 64
"""A random state is kept in words of 64 bits."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who searches now."""

    namespace: Namespace
    """Weights, search and engine."""

    num_updates: int
    """Updates that these weights have had."""

    search: Search


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of the roots of some chunks."""

    findings: Findings

    ages: Int64[np.ndarray, " root"]
    """Updates made since each was found."""

    is_reused: Bool[np.ndarray, " root"]
    """Which of them were not searched now."""


@runtime_checkable  # the shape checks of the test session ask isinstance
class Reuse(Protocol):
    """Says what is known of some roots, and has the rest searched."""

    def judge(self, chunks: Chunks, rng: np.random.Generator, source: Source) -> Judged:
        """Return what is known of the roots of some chunks, once `source` has searched what was not."""


def make_reuse(results: ResultCache, form: np.dtype, *, history_steps: int) -> Reuse:
    """Return how results are used that may be as old as a cache says; `form` is that of `Findings`."""
    if results.max_age_updates:
        return RecentReuse(results, form, history_steps=history_steps)
    return ExactReuse(results, form)


class ExactReuse:
    """Gives what a search would give, bit for bit: nothing depends on whether anything was found.

    A search of reanalysis breaks ties, considers and samples actions by chance. So one result is another's only where
    the same random numbers met the same batch: what is kept is a whole batch, under all that goes into it, the random
    state and the number of threads included, together with the random state that it leaves. Within one run that does
    not come twice. It is found when a run is repeated from a checkpoint, or by another process that serves the same
    updates.
    """

    def __init__(self, results: ResultCache, form: np.dtype) -> None:
        self._results = results
        self._form = form

    def judge(self, chunks: Chunks, rng: np.random.Generator, source: Source) -> Judged:
        """Return what the batch was found to be before, or search it."""
        num_roots = len(chunks.places)
        record = np.zeros(1, [("roots", self._form, (num_roots,)), ("rng", "<u8", (6,))])
        batch = [_digest_batch(chunks, rng)]
        is_hit = bool(self._results.read_into(record, batch, source.namespace)[0] == 0)
        if is_hit:
            _set_words(rng, record["rng"][0].tolist())
        else:
            started = perf_counter()
            record["roots"][0] = source.search(chunks, rng).records
            record["rng"][0] = _words(rng)
            self._results.write(record, batch, source.namespace, seconds=perf_counter() - started)
        return Judged(Findings(record["roots"][0]), np.zeros(num_roots, np.int64), np.full(num_roots, is_hit))


class RecentReuse:
    """Gives what weights of at most so many updates ago found of the same history, by whatever chance.

    Each result is found under the very weights that made it, the newest first; so its age is known, in whatever process
    it was found. Weights of before this session are not looked for: it does not know them.
    """

    def __init__(self, results: ResultCache, form: np.dtype, *, history_steps: int) -> None:
        self._results = results
        self._form = form
        self._history_steps = history_steps
        self._published: deque[tuple[int, Namespace]] = deque()  # the newest first

    def judge(self, chunks: Chunks, rng: np.random.Generator, source: Source) -> Judged:
        """Return what was found lately, and search what was not."""
        self._follow(source)
        findings = Findings(np.zeros(len(chunks.places), self._form))
        histories, namespaces = _digest_roots(chunks, self._history_steps), [each for _, each in self._published]
        found_in = self._results.read_into(findings.records, histories, *namespaces)
        missing = np.flatnonzero(found_in < 0)
        if missing.size:
            started = perf_counter()
            findings.records[missing] = source.search(_pick(chunks, found_in < 0), rng).records
            some, seconds = [histories[root] for root in missing], perf_counter() - started
            self._results.write(findings.records[missing], some, source.namespace, seconds=seconds)
        made_at = np.array([num_updates for num_updates, _ in self._published])
        ages = np.where(found_in < 0, 0, source.num_updates - made_at[found_in])
        return Judged(findings, ages, found_in >= 0)

    def _follow(self, source: Source) -> None:
        """Take in what weights search now; forget those that are too old."""
        newest = source.num_updates, source.namespace
        if not self._published or self._published[0] != newest:
            self._published.appendleft(newest)
        while self._published[-1][0] < source.num_updates - self._results.max_age_updates:
            self._published.pop()


def _pick(chunks: Chunks, is_picked: Bool[np.ndarray, " root"]) -> Chunks:
    """Return the chunks with some of their roots alone, without those chunks that then have none."""
    is_root = chunks.is_root.copy()
    is_root[chunks.is_root] = is_picked
    held = is_root.any(axis=1)
    fields = {name: array[held] for name, array in chunks.fields.items()}
    return replace(
        chunks,
        fields=fields,
        is_valid=chunks.is_valid[held],
        is_root=is_root[held],
        places=chunks.places[is_picked],
        numbers=chunks.numbers[is_picked],
    )


def _digest_roots(chunks: Chunks, history_steps: int) -> list[bytes]:
    """Return for each root a digest of all that its search depends on beside weights and chance.

    The replay does not know where in an episode a row stood, so that indices count from the first row that is seen.
    """
    fields, begins = chunks.fields, chunks.is_valid.argmax(axis=1)
    seen = [digest_rows(observations) for observations in fields["observations"]]
    return [
        digest_history(
            first_token=0,
            seen=seen[chunk][first : time + 1],
            actions=fields["actions"][chunk, first:time],
            legal=fields["action_masks"][chunk, time] if "action_masks" in fields else None,
        )
        for chunk, time in zip(*(axis.tolist() for axis in np.nonzero(chunks.is_root)), strict=True)
        for first in [max(int(begins[chunk]), time - history_steps)]
    ]


def _digest_batch(chunks: Chunks, rng: np.random.Generator) -> bytes:
    """Return a digest of all that a batched search depends on beside weights."""
    parts = {f"field {name}": array for name, array in sorted(chunks.fields.items())}
    parts |= {"is_valid": chunks.is_valid, "is_root": chunks.is_root, "rng": np.array(_words(rng), np.uint64)}
    return digest_parts({**parts, "threads": str(torch.get_num_threads())})


def _words(rng: np.random.Generator) -> list[int]:
    """Return the state of a PCG64 generator, NumPy's default, as six words."""
    state = rng_state(rng)
    numbers = state["state"]["state"], state["state"]["inc"]
    return [*(part for number in numbers for part in divmod(number, WORD)), state["has_uint32"], state["uinteger"]]


def _set_words(rng: np.random.Generator, words: list[int]) -> None:
    state, inc = words[0] * WORD + words[1], words[2] * WORD + words[3]
    numbers = {"bit_generator": "PCG64", "state": {"state": state, "inc": inc}}
    load_rng_state(rng, numbers | {"has_uint32": words[4], "uinteger": words[5]}, "reanalysis")
