"""The models of the report, with exactly its configuration."""

import numpy as np
import torch

from kvzero import Tokenizer, TransformerConfig, WorldModel

EMBED, ENVS = 768, 4


def make_config(*, use_new_cache_manager: bool) -> TransformerConfig:
    config = TransformerConfig(
        tokens_per_block=2,
        max_blocks=10,
        attention="causal",
        num_layers=2,
        num_heads=8,
        embed_dim=768,
        embed_pdrop=0.1,
        resid_pdrop=0.1,
        attn_pdrop=0.1,
        task_embed_option="none",
    )
    config.env_num = 4
    config.game_segment_length = 20
    config.num_simulations = 25
    config.action_space_size = 6
    config.observation_shape = (3, 64, 64)
    config.image_channel = 3
    config.support_size = 601
    config.obs_type = "image"
    config.device = "cpu"
    config.continuous_action_space = False
    config.group_size = 8
    config.norm_type = "LN"
    config.rotary_emb = False
    config.context_length = 8
    config.policy_entropy_weight = 0.0
    config.predict_latent_loss_type = "smooth_l1"
    config.gamma = 0.997
    config.dormant_threshold = 0.025
    config.analysis_dormant_ratio_weight_rank = False
    config.latent_recon_loss_weight = 0.0
    config.perceptual_loss_weight = 0.0
    config.max_cache_size = 2000
    config.use_new_cache_manager = use_new_cache_manager
    return config


def make_model(*, use_new_cache_manager: bool) -> WorldModel:
    """Return a model whose weights are the same every time, none of them zero."""
    config = make_config(use_new_cache_manager=use_new_cache_manager)
    torch.manual_seed(42)
    model = WorldModel(config, Tokenizer(config))
    with torch.no_grad():
        for head in (model.network.action_head, model.network.latent_head):
            for last in (head.first, head.second):
                last.weight.normal_(std=0.002)
    return model


def draw_latents(num_rows: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(1, EMBED)).astype(np.float32) for _ in range(num_rows)]


def starts(num_rows: int) -> torch.Tensor:
    return torch.zeros(num_rows, 1, dtype=torch.long)
