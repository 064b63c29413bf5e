"""The options of timm's networks that settings, and so files of others, may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.errors import UserError

ALLOWED = frozenset(
    {
        *("act_layer", "aa_layer", "norm_layer", "attn_layer", "pool_type", "block_type"),
        *("attn_drop_rate", "bn_eps", "bn_momentum", "class_token", "depth", "depths", "dims"),
        *("drop_block_rate", "drop_path_rate", "drop_rate", "dynamic_img_size", "embed_dim"),
        *("channels", "embed_dims", "fix_stem", "global_pool", "growth_rate", "head_bias"),
        *("head_conv",),
        *("img_size", "init_values", "layers", "ls_init_value", "mlp_ratio", "num_features"),
        *("num_heads", "output_stride", "pad_type", "patch_size", "pos_drop_rate", "pos_embed"),
        *("proj_drop_rate", "qk_norm", "qkv_bias", "reg_tokens", "round_chs_fn", "se_layer"),
        *("stem_size", "stem_type", "stem_width", "width", "window_size", "zero_init_last"),
    }
)
"""They shape a network. Others load files or configurations of their own, such as
``checkpoint_path`` and ``pretrained_cfg_overlay``."""


def check_options(options: Mapping[str, Any], network: str) -> None:
    """Refuses options of a timm network beyond those that shape it.

    Args:
        options: Arguments of ``timm.create_model``.
        network: Which network, for the message.

    Raises:
        UserError: If one is not allowed.
    """
    for name in options:
        if name not in ALLOWED:
            raise UserError(
                f"{network}: the option {name!r} is not one that shapes a network; "
                "nas.models.timm_options.ALLOWED has those, and a network of your own can pass on "
                "any other."
            )
