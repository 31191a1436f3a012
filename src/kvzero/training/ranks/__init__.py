"""Learning in several processes that torchrun started: each takes its share of every batch, rank 0 does all else."""

from kvzero.training.ranks.group import RankGroup
from kvzero.training.ranks.join import follow_rank_0, in_ranks
from kvzero.training.ranks.place import Place, find_place, refuse_ranks

__all__ = ["Place", "RankGroup", "find_place", "follow_rank_0", "in_ranks", "refuse_ranks"]
