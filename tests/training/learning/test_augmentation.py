"""Images are shifted in training: all frames of a segment alike, as a loop over segments would shift them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training.samples import LEARNER, MODEL, NUM_ENVS, tiny_network

from kvzero import AgentConfig, LearnerConfig, ModelConfig, ReplayConfig
from kvzero.errors import CheckpointError, ConfigError
from kvzero.records import EnvSpec
from kvzero.replay import Replay, StepBatch, build_row_spec
from kvzero.training import Learner
from kvzero.training.learning.augmentation import RandomShift, build_shift, shift_images
from kvzero.training.storage import Progress, load_checkpoint, save_checkpoint

SPEC = EnvSpec(observation_shape=(2, 34, 32), num_actions=3)


def slow_shift(segment: np.ndarray, *, down: int, sideways: int, most: int) -> np.ndarray:
    """Return the frames of a segment, cut out of a larger picture whose border repeats their edges."""
    height, width = segment.shape[-2:]
    padded = np.pad(segment, [(0, 0), (0, 0), (most, most), (most, most)], mode="edge")
    return padded[:, :, most - down : most - down + height, most - sideways : most - sideways + width]


def shifted_by(shift: RandomShift, images: torch.Tensor) -> torch.Tensor:
    return shift_images(images, torch.from_numpy(shift.draw(len(images))))


@settings(derandomize=True, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(4, 9), st.integers(4, 9)),
    most=st.integers(1, 3),
    dtype=st.sampled_from([np.uint8, np.bool_, np.float32]),
    seed=st.integers(0, 99),
)
def test_each_segment_is_shifted_as_a_whole(shape, most, dtype, seed):
    images = (np.random.default_rng(seed).random(shape) * 255).astype(dtype)
    found = shifted_by(RandomShift(most, seed=seed), torch.from_numpy(images))
    assert found.shape == shape
    assert found.numpy().dtype == dtype
    draws = np.random.default_rng(seed).integers(-most, most + 1, size=(2, shape[0]))
    for segment, shifted, down, sideways in zip(images, found.numpy(), *draws, strict=True):
        np.testing.assert_array_equal(shifted, slow_shift(segment, down=down, sideways=sideways, most=most))


def test_every_shift_is_drawn_equally_often():
    row = torch.arange(9)[:, None] * 9 + torch.arange(9)
    images = row.to(torch.uint8).expand(3_000, 1, 1, 9, 9)
    centres = shifted_by(RandomShift(2, seed=0), images)[:, 0, 0, 4, 4]
    counts = np.bincount(centres.numpy())
    assert np.count_nonzero(counts) == 25
    assert counts[counts > 0].min() > 80  # of 120


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (EnvSpec(observation_shape=(4,), num_actions=2), "shift_pixels is 2, which has no effect on vectors"),
        (EnvSpec(observation_shape=(3, 31, 64), num_actions=2), "images are 31x64.*give at most 1"),
        (EnvSpec(observation_shape=(4, 10, 10), num_actions=2), "images are 10x10.*give at most 0"),
    ],
)
def test_what_cannot_be_shifted_is_refused(spec, words):
    with pytest.raises(ConfigError, match=words):
        build_shift(2, spec, seed=0)
    assert build_shift(0, spec, seed=0) is None


def test_a_negative_shift_is_refused():
    with pytest.raises(ConfigError, match="shift_pixels is -1; give 0 or more"):
        LearnerConfig(shift_pixels=-1)


def image_learner(num_pixels: int = 2, *, normalises: bool = False) -> Learner:
    network = tiny_network(model=replace(MODEL, encoder_channels=16, normalize_observations=normalises), spec=SPEC)
    config = replace(LEARNER, shift_pixels=num_pixels)
    return Learner(network, config, discount=0.9, total_updates=50, seed=4)


def image_replay() -> Replay:
    rng, nothing = np.random.default_rng(0), np.zeros(NUM_ENVS, bool)
    replay = Replay(ReplayConfig(replay_capacity=60), build_row_spec(SPEC), num_envs=NUM_ENVS, seed=0)
    for _ in range(15):
        images = rng.integers(256, size=(2, NUM_ENVS, *SPEC.observation_shape), dtype=np.uint8)
        fields = {
            "observations": images[0],
            "actions": rng.integers(3, size=NUM_ENVS),
            "rewards": rng.normal(size=NUM_ENVS),
            "policies": rng.dirichlet(np.ones(3), size=NUM_ENVS),
        }
        replay.add(StepBatch(fields=fields, terminated=nothing, truncated=nothing, final_observations=images[1]))
    return replay


@pytest.mark.parametrize("normalises", [False, True])
def test_targets_and_predictions_are_made_of_images_that_are_normalised_and_then_shifted_apart(normalises):
    learner = image_learner(normalises=normalises)
    segments = image_replay().sample(4, num_steps=learner.segment_steps)
    learner.show(segments.fields["observations"][:, 0])
    learner.take_in()
    seen = []
    for network in (learner.target_network, learner.network):
        network.encoder.encode_seen = watched(network.encoder.encode_seen, seen)
    learner.update(segments)
    twin = RandomShift(2, seed=4)
    images = torch.from_numpy(segments.fields["observations"]).float() / 255
    if normalises:
        normaliser = learner.network.normaliser
        images = ((images - normaliser.mean) * (normaliser.variance + 1e-4).rsqrt()).clamp(-10, 10)
    wanted = [shifted_by(twin, images), shifted_by(twin, images[:, : LEARNER.unroll_steps])]
    for found, batch in zip(seen, wanted, strict=True):
        assert torch.equal(found, batch.flatten(0, 1))
    assert not torch.equal(wanted[0][:, : LEARNER.unroll_steps], wanted[1])


def watched(encode, seen):
    def encoding(images):
        seen.append(images)
        return encode(images)

    return encoding


def train(learner: Learner, replay: Replay, num_updates: int) -> None:
    for _ in range(num_updates):
        learner.update(replay.sample(4, num_steps=learner.segment_steps))


@pytest.mark.usefixtures("own_random_state")
def test_updates_with_shifts_go_on_from_a_checkpoint_bit_for_bit(tmp_path):
    learner, replay = image_learner(), image_replay()
    train(learner, replay, 2)
    progress = Progress(env_steps=8, updates_owed=0.0, evaluated_at=0, seconds=1.0, search_rng={})
    folder = save_checkpoint(tmp_path, learner, replay, progress, agent=AgentConfig(model=MODEL), keep=1)
    train(learner, replay, 2)
    other, other_replay = image_learner(), image_replay()
    load_checkpoint(folder, other, other_replay)
    train(other, other_replay, 2)
    ours, theirs = other.network.state_dict(), learner.network.state_dict()
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []
    state = json.loads((folder / "state.json").read_text())
    for wrong in ({"shift_rng": None}, {"shift_rng": {"bit_generator": "PCG64", "state": 3}}):
        (folder / "state.json").write_text(json.dumps(state | wrong))
        with pytest.raises(CheckpointError, match=r"state\.json is damaged|shifts cannot be read"):
            load_checkpoint(folder, other, other_replay)


@pytest.mark.parametrize("image_norm", ["group", "layer"])
def test_brightness_means_nothing_to_an_encoder_that_does_not_normalise(image_norm):
    """The other half of what is usual, a random brightness, would have no effect: the first norm takes it away."""
    torch.manual_seed(0)
    model = ModelConfig(embed_dim=16, num_heads=2, encoder_channels=16, image_norm=image_norm, latent_norm="layernorm")
    network = tiny_network(model=model, spec=SPEC)
    images = torch.randint(256, (5, *SPEC.observation_shape)).float()
    brighter, shifted = 1.1 * images, shifted_by(RandomShift(2, seed=1), images[:, None])[:, 0]
    with torch.no_grad():
        latents, of_brighter, of_shifted = (network.encode(seen) for seen in (images, brighter, shifted))
    assert (of_brighter - latents).norm() < 1e-3 * (of_shifted - latents).norm()
