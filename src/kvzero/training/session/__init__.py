"""One session of a run: what it is made of, its loop, its clock, its evaluations, figures and checkpoints."""

from kvzero.training.session.loop import RoundResult
from kvzero.training.session.open_loop import OpenLoop, follow_open_loop
from kvzero.training.session.reporting import Observer, Reporter
from kvzero.training.session.trainer import SessionResult, Trainer

__all__ = ["Observer", "OpenLoop", "Reporter", "RoundResult", "SessionResult", "Trainer", "follow_open_loop"]
