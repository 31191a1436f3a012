"""The part of a world model that turns observations into latent tokens."""

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from kvzero.compat.unizero.inference import check_pixels
from kvzero.compat.unizero.transformer_config import TransformerConfig
from kvzero.model import build_encoder, choose_device

__all__ = ["Tokenizer"]


class Tokenizer(nn.Module):
    """Encodes each observation as one latent token. A `WorldModel` reads its observations with the same weights."""

    def __init__(self, config: TransformerConfig) -> None:
        """Build the encoder of a config, on its device.

        Raises:
            ConfigError: if settings do not fit together, or the observations do not fit the encoder.
            DeviceError: if there is no such device.
        """
        super().__init__()
        self.config = config.checked()
        self.encoder = build_encoder(self.config.spec, self.config.model).to(choose_device(config.device))

    def forward(self, observations: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch embed"]:
        """Return the latent of each observation; images are bytes (uint8).

        Raises:
            ConfigError: if images are no bytes.
        """
        check_pixels(observations, self.config.spec)
        latents: Tensor = self.encoder(observations)
        return latents
