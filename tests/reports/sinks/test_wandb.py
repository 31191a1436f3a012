"""Figures, pictures and videos reach Weights & Biases, without a network, and a resumed run goes on as the same one."""

import json
import struct
import sys
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kvzero.errors import ConfigError
from kvzero.reports import VideoWriter, WandbSink

wandb = pytest.importorskip("wandb")
messages = pytest.importorskip("wandb.proto.wandb_internal_pb2")

BLOCK = 32_768
HEADER = struct.Struct("<IHB")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_PROJECT", raising=False)


def read_records(path: Path) -> list:
    """Return what wandb wrote into a file: chunks in blocks, as LevelDB keeps a log, after seven bytes of its own."""
    content, records, parts, place = path.read_bytes(), [], b"", 7
    while place + HEADER.size <= len(content):
        if BLOCK - place % BLOCK < HEADER.size:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = HEADER.unpack_from(content, place)
        parts += content[place + HEADER.size : place + HEADER.size + length]
        place += HEADER.size + length
        if kind in (1, 4):  # whole, or the last part
            record = messages.Record()
            record.ParseFromString(parts)
            records.append(record)
            parts = b""
    return records


def read_run(run_dir: Path) -> tuple[list[dict], list]:
    """Return all that was logged, step by step, and what was said of each session, when wandb's process has ended."""
    wandb.teardown()
    records = [record for path in sorted(run_dir.rglob("*.wandb")) for record in read_records(path)]
    lines = [
        {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    return lines, [record.run for record in records if record.HasField("run")]


def make_video(path: Path) -> Path:
    with VideoWriter(path) as video:
        for brightness in range(0, 240, 40):
            video.add(np.full((20, 30, 3), brightness, np.uint8), 25.0)
    return path


def test_figures_and_pictures_are_logged_over_environment_steps_offline(tmp_path):
    run_dir = tmp_path / "poles"
    run_dir.mkdir()
    (run_dir / "config.json").write_text('{"seed": 3}')
    png = BytesIO()
    Image.new("RGB", (7, 5)).save(png, format="PNG")
    with closing(WandbSink(run_dir)) as sink:
        sink.write(8, {"loss": 2.5, "train_return": 21})
        sink.write(16, {"loss": float("nan")})
        sink.write_picture(16, "learning_curve", png.getvalue())
        sink.write_video(24, "evaluation", make_video(tmp_path / "game.mp4"))
    (first, second, third, fourth), sessions = read_run(run_dir)
    assert {name: first[name] for name in ("env_steps", "loss", "train_return")} == {
        "env_steps": 8,
        "loss": 2.5,
        "train_return": 21.0,
    }
    assert second["env_steps"] == 16
    assert (third["env_steps"], third["learning_curve.width"], third["learning_curve.height"]) == (16, 7, 5)
    assert (fourth["env_steps"], fourth["evaluation._type"]) == (24, "video-file")
    assert len(list(run_dir.rglob("media/videos/*.mp4"))) == 1
    assert (sessions[0].display_name, sessions[0].project) == ("poles", "kvzero")
    assert {item.key: item.value_json for item in sessions[0].config.update}["seed"] == "3"


def test_a_resumed_run_goes_on_under_its_name_and_a_new_one_has_another(tmp_path):
    for resume_from in (None, 20, None):
        with closing(WandbSink(tmp_path, resume_from=resume_from)) as sink:
            sink.write(10, {"loss": 1.0})
    wandb.teardown()
    names = [path.name.rpartition("-")[2] for path in sorted(tmp_path.rglob("*.wandb"))]
    assert len(set(names)) == 2


def test_without_its_package_it_is_refused_and_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"kvzero\[wandb\]"):
        WandbSink(tmp_path)
