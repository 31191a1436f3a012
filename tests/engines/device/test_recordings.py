"""When a recording is made, when it is replayed and when it is thrown away; with a recorder that only counts."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from kvzero.engines.device.recordings import CudaRecorder, DirectRecorder, Recordings, choose_recorder
from kvzero.model import ModelConfig, Network
from kvzero.records import EnvSpec


@dataclass
class FakeGraph:
    """A recording that counts its replays."""

    work: Callable[[], None]
    replays: int = 0

    def replay(self) -> None:
        self.replays += 1


@dataclass
class FakeRecorder:
    """A recorder that keeps what it made."""

    made: list[FakeGraph] = field(default_factory=list)

    def record(self, work: Callable[[], None]) -> FakeGraph:
        work()
        self.made.append(FakeGraph(work))
        return self.made[-1]


def nothing() -> None:
    pass


def network() -> Network:
    config = ModelConfig(embed_dim=8, num_layers=1, num_heads=1, context_tokens=4, support_size=5)
    return Network(config, EnvSpec(observation_shape=(3,), num_actions=2))


def tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def test_a_shape_is_recorded_once_and_replayed_every_time() -> None:
    recorder = FakeRecorder()
    recordings, reads = Recordings(recorder), [torch.zeros(3)]
    for shape in (2, 4, 2, 2, 4):
        recordings.run(shape, nothing, reads=reads)
    assert [graph.replays for graph in recorder.made] == [3, 2]


def test_values_that_change_in_place_need_no_other_recording() -> None:
    recorder, model = FakeRecorder(), network()
    recordings = Recordings(recorder)
    recordings.run(1, nothing, reads=tensors(model))
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(1.0)
    recordings.run(1, nothing, reads=tensors(model))
    model.load_state_dict(network().state_dict())
    recordings.run(1, nothing, reads=tensors(model))
    assert [graph.replays for graph in recorder.made] == [3]


def move_to_another_type(model: Network) -> None:
    model.to(torch.bfloat16)


def move_within_a_type(model: Network) -> None:
    model.to(torch.bfloat16)
    model.to(torch.float32)


def assign_on_loading(model: Network) -> None:
    model.load_state_dict(network().state_dict(), assign=True)


def grow_the_table_of_rotations(model: Network) -> None:
    model.transformer.positions.reserve(3000)


def transpose_in_place(model: Network) -> None:
    weights = model.latent_head.hidden.weight
    weights.data = weights.data.t().contiguous().t()


@pytest.mark.parametrize(
    "move",
    [
        move_to_another_type,
        move_within_a_type,
        assign_on_loading,
        grow_the_table_of_rotations,
        transpose_in_place,
    ],
)
def test_all_recordings_are_thrown_away_when_a_tensor_moves(move: Callable[[Network], None]) -> None:
    recorder, model = FakeRecorder(), network()
    recordings = Recordings(recorder)
    for shape in (1, 2):
        recordings.run(shape, nothing, reads=tensors(model))
    move(model)
    for shape in (1, 2, 2):
        recordings.run(shape, nothing, reads=tensors(model))
    assert [graph.replays for graph in recorder.made] == [1, 1, 1, 2]


def test_memory_that_a_recording_reads_is_kept_when_a_tensor_moves() -> None:
    recorder, layer = FakeRecorder(), nn.Linear(30, 20)
    recordings = Recordings(recorder)
    recordings.run(1, nothing, reads=[layer.weight])
    place = layer.weight.data_ptr()
    layer.weight.data = layer.weight.data.clone()
    assert [tensor.data_ptr() for tensor in recordings._reads] == [place]


def test_a_recording_that_fails_is_not_kept() -> None:
    recorder, runs = FakeRecorder(), []

    def failing() -> None:
        runs.append(1)
        raise ValueError("no such luck")

    recordings = Recordings(recorder)
    for _ in range(2):
        with pytest.raises(ValueError, match="luck"):
            recordings.run(1, failing, reads=[])
    recordings.run(1, nothing, reads=[])
    assert len(runs) == 2
    assert [graph.replays for graph in recorder.made] == [1]


def test_without_cuda_the_work_itself_is_done_each_time() -> None:
    done: list[int] = []
    recordings = Recordings(choose_recorder(torch.device("cpu")))
    for _ in range(3):
        recordings.run("shape", lambda: done.append(1), reads=[])
    assert done == [1, 1, 1]
    assert isinstance(choose_recorder(torch.device("cpu")), DirectRecorder)
    assert isinstance(choose_recorder(torch.device("cuda")), CudaRecorder)


class Stream:
    """A fake stream that notes in a log who waits for whom."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    def wait_stream(self, other: "Stream") -> None:
        self.log.append(f"{self.name} waits for {other.name}")


class Entered:
    """A fake context that notes when it is entered and left, and may fail on leaving."""

    def __init__(self, name: str, log: list[str], error: Exception | None = None) -> None:
        self.name, self.log, self.error = name, log, error

    def __enter__(self) -> None:
        self.log.append(f"enter {self.name}")

    def __exit__(self, *_: object) -> None:
        self.log.append(f"leave {self.name}")
        if self.error is not None:
            raise self.error


@dataclass
class FakeCuda:
    """CUDA's streams and graphs, of which only the order of calls is known."""

    log: list[str]
    error: Exception | None = None
    graph: FakeGraph = field(default_factory=lambda: FakeGraph(nothing))

    def install(self, patch: pytest.MonkeyPatch) -> None:
        main, side = Stream("main", self.log), Stream("side", self.log)

        def capture(captured: object, *, stream: Stream, capture_error_mode: str) -> Entered:
            assert (captured, stream, capture_error_mode) == (self.graph, side, "thread_local")
            return Entered("capture", self.log, self.error)

        fakes = {
            "device": lambda device: Entered(str(device), self.log),
            "current_stream": lambda: main,
            "Stream": lambda: side,
            "stream": lambda stream: Entered(stream.name, self.log),
            "CUDAGraph": lambda: self.graph,
            "graph": capture,
        }
        for name, fake in fakes.items():
            patch.setattr(torch.cuda, name, fake)


def test_a_capture_is_warmed_up_and_made_on_one_side_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda([])
    cuda.install(monkeypatch)
    assert CudaRecorder(torch.device("cuda", 1)).record(lambda: cuda.log.append("work")) is cuda.graph
    assert cuda.log == [
        "enter cuda:1",
        "side waits for main",
        "enter side",
        "work",
        "work",
        "leave side",
        "main waits for side",
        "enter capture",
        "work",
        "leave capture",
        "leave cuda:1",
    ]


def test_what_cannot_be_captured_is_done_directly_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cuda = FakeCuda([], error=RuntimeError("operation not permitted"))
    cuda.install(monkeypatch)
    recordings = Recordings(CudaRecorder(torch.device("cuda", 0)))
    for _ in range(2):
        cuda.log.clear()
        recordings.run(1, lambda: cuda.log.append("work"), reads=[])
    assert cuda.log == ["enter cuda:0", "work", "leave cuda:0"]
    assert [record.getMessage() for record in caplog.records] == [
        "work on cuda:0 runs without a CUDA graph, more slowly: operation not permitted"
    ]


@pytest.mark.gpu
def test_a_cuda_graph_sees_values_that_changed_in_place() -> None:
    device = torch.device("cuda")
    source, target = torch.ones(3, device=device), torch.zeros(3, device=device)
    recordings = Recordings(CudaRecorder(device))
    for value in (1.0, 5.0):
        source.fill_(value)
        recordings.run("add", lambda: target.copy_(source + 1), reads=[source])
        assert target.tolist() == [value + 1] * 3
