"""What a comparison measured, as records: turns of runs, numerical identity, and everything around them."""

from dataclasses import dataclass

__all__ = ["Comparison", "Ended", "Identity", "MeasuredRun", "Turn", "Variant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to cache that is compared: a store, and what it was told beside its name."""

    name: str
    """What the report calls it."""

    store: str
    """Kind of store."""

    settings: dict[str, str]
    """Settings of the store that were set for this variant alone, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a run did while it alone was at work: one turn in one lap over all runs."""

    lap: int
    """Which lap, from 0; in each, every run advances by the same number of environment steps."""

    position: int
    """Place in the lap's order, from 0."""

    env_steps: int
    """Environment steps of the run when the turn was over."""

    num_env_steps: int
    """Environment steps made in this turn."""

    num_updates: int
    """Gradient steps made in this turn."""

    collect_seconds: float
    """Time spent searching, acting and storing."""

    update_seconds: float
    """Time spent on gradient steps."""

    rss_bytes: int
    """Memory that the run's process held at the end of the turn."""

    peak_rss_bytes: int
    """Most memory that it had ever held until then."""

    peak_device_bytes: int = 0
    """Most memory that its tensors had ever had on a GPU until then; 0 where it uses none."""

    @property
    def seconds(self) -> float:
        """Time of the whole turn."""
        return self.collect_seconds + self.update_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A training game that ended."""

    env_steps: int
    """Environment steps of the run at the end of the training round in which it ended."""

    raw_return: float
    """Sum of its rewards."""

    num_steps: int
    """Environment steps that it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """One variant trained with one seed."""

    variant: str
    """Name of the variant."""

    seed: int
    """Seed of the run."""

    folder: str
    """The run's folder, relative to that of the comparison."""

    turns: tuple[Turn, ...]
    """Its turns, one for each lap that it finished."""

    curve: tuple[dict[str, float | None], ...]
    """Its metrics after every training round, each with its `env_steps`; None for what was not finite."""

    games: tuple[Ended, ...]
    """Its training games, in the order in which they ended."""

    failure: str | None = None
    """Why it did not reach its end; None if it did or was stopped by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """How far one variant's plans are from the first one's, on one stream of observations with the same weights."""

    variant: str
    """Name of the variant."""

    reference: str
    """Name of the variant that it was compared with."""

    precision: str
    """Number type of weights and cache while planning: float32 as in training, float64 where rounding plays no part."""

    num_searches: int
    """Plans compared, over all environments and steps."""

    num_resets: int
    """Episodes that began within the stream."""

    max_logit_difference: float
    """Largest difference of a root's policy logits, normalised to the logarithms of its probabilities."""

    max_policy_difference: float
    """Largest difference of a share of visits."""

    max_value_difference: float
    """Largest difference of a root's value after the search."""

    max_visit_difference: int
    """Largest difference of a visit count."""

    num_differing_searches: int
    """Plans in which any visit count differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that one comparison measured."""

    preset: str
    """Preset that all runs started from."""

    command: str
    """The command line."""

    env_steps: int
    """Environment steps that each run was to make."""

    seeds: tuple[int, ...]
    """Seeds of the runs."""

    num_laps: int
    """Laps that were planned."""

    num_threads: int
    """CPU threads that PyTorch computed with in each run."""

    engine: str
    """What computed searches: eager serves all stores alike; with auto the tree store may have a faster one."""

    variants: tuple[Variant, ...]
    """What was compared; the first one is what the others are held against."""

    runs: tuple[MeasuredRun, ...]
    """One for each variant and seed."""

    identities: tuple[Identity, ...]
    """One for each further variant and precision that could be compared."""

    unprobed: dict[str, str]
    """Variants whose numerical identity could not be measured, and why."""

    is_stopped: bool
    """Whether it was stopped by hand before its end."""

    resumed_after: tuple[int, ...]
    """How many laps were over each time that it was taken up again, in new processes."""

    started: str
    """When it began, in UTC."""

    machine: dict[str, str]
    """The machine that it ran on."""

    versions: dict[str, str]
    """Versions of Python, kvzero and the libraries that results depend on."""
