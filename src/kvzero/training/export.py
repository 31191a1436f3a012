"""An agent taken out of its run: one file that holds all of it, and a card for people."""

from dataclasses import asdict
from pathlib import Path

import torch

from kvzero.agent import checkpoint_name, load_network, read_checkpoint, read_notes, save_agent_file
from kvzero.errors import CheckpointError, ConfigError, RunError
from kvzero.files import make_parent, write_atomically
from kvzero.records import unstructure
from kvzero.reports import SUMMARY_FILE, Summary, library_versions, read_summary, spell
from kvzero.training.card import CARD_BEGINS, write_card
from kvzero.training.storage import read_config

__all__ = ["export_run"]

SUFFIX = ".safetensors"


def export_run(run: str | Path, out: str | Path, *, checkpoint: str | None = None, licence: str | None = None) -> Path:
    """Write the agent of a run's newest checkpoint, or of one that is named, into one file, and a card beside it.

    Returns the card's path.

    The header of the file holds the agent's config and spec, the config of the whole run without the folders that it
    lay in, its summary if it belongs to these weights, the versions that trained it, `licence` and the card. A file
    that was exported before is replaced, as is its card.

    Raises:
        ConfigError: if `out` does not end in `.safetensors`.
        RunError: if `run` is not the folder of a run, or holds no checkpoint or none of that name; if something else
            stands where the file or the card is to be, or they cannot be written.
        CheckpointError: if the checkpoint is damaged.
    """
    run, out = Path(run), Path(out)
    if out.suffix != SUFFIX:
        raise ConfigError(f"out is {out}; give a name that ends in {SUFFIX}")
    if run.is_file():
        raise RunError(f"{run} is a file; give the folder of a run")
    card_path = out.with_suffix(".md")
    _refuse_taken(out, card_path)
    cpu = torch.device("cpu")
    folder, (network, agent) = read_checkpoint(run, lambda found: (found, load_network(found, cpu)), name=checkpoint)
    config, summary = read_config(run).without_place(), _read_result(run, folder)
    card = write_card(out.name, network, agent, config, summary, licence)
    notes = {
        "run": unstructure(config),
        "checkpoint": folder.name,
        "summary": None if summary is None else asdict(summary),
        "versions": library_versions() if summary is None else summary.versions,
        "licence": licence,
        "card": card,
    }
    make_parent(out)
    save_agent_file(out, network, agent, notes)
    write_atomically(card_path, spell(card, "utf-8").encode())
    return card_path


def _refuse_taken(out: Path, card: Path) -> None:
    """Refuse to replace what was not exported."""
    if out.exists():
        try:
            read_notes(out)
        except CheckpointError as error:
            raise RunError(f"{out} exists and is no exported agent; choose another name") from error
    if card.exists() and not card.read_bytes().startswith(CARD_BEGINS.encode()):
        raise RunError(f"the card would replace {card}, which is no card; choose another name")


def _read_result(run: Path, checkpoint: Path) -> Summary | None:
    """Return the summary of a run that ended with this checkpoint; one that went on since has none yet."""
    if not (run / SUMMARY_FILE).exists():
        return None
    summary = read_summary(run)
    is_of_these_weights = checkpoint.name == checkpoint_name(summary.env_steps, summary.updates)
    return summary if is_of_these_weights else None
