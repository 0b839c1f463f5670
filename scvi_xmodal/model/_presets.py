"""Named sets of choices: our defaults, and the published models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from scvi_xmodal.module import KIND_DEFAULTS, PUBLISHED, Architecture, KindDefaults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.module import ModalitySpec


@dataclass(frozen=True)
class Preset:
    """Everything that a named preset decides.

    Parameters
    ----------
    architecture
        Sizes, layers and loss weights.
    settings
        Transform, likelihood and sizes of each kind of modality.
    pretrain_epochs, max_epochs
        Longest duration of each pretraining phase and of the integrative phase.
    patience, patience_steps
        Epochs and, at least, steps that early stopping waits.
    plan_kwargs
        Keywords of the training plan.
    kl_numerator
        KL weight times the number of features, as scButterfly sets it; ``None`` to use
        ``max_kl_weight``. Integrative training adds up the modalities' weights.
    n_hidden
        Hidden units of modalities that differ from others of their kind.
    """

    architecture: Architecture
    settings: Mapping[Kind, KindDefaults]
    pretrain_epochs: int
    max_epochs: int
    patience: int
    patience_steps: int = 0
    plan_kwargs: Mapping[str, Any] = field(default_factory=dict)
    kl_numerator: float | None = None
    n_hidden: Mapping[str, int] = field(default_factory=dict)

    def kl_weight(self, specs: Mapping[str, ModalitySpec], keys: tuple[str, ...]) -> float | None:
        """Return the KL weight of a phase over the given modalities, if features decide it."""
        if self.kl_numerator is None:
            return None
        # 3,000 is the number of genes of the papers' experiments: proteins take RNA's weight
        sizes = [3000 if specs[k].kind == "protein" else specs[k].n_features for k in keys]
        return sum(self.kl_numerator / size for size in sizes)


_PUBLISHED_SETTINGS: dict[Kind, KindDefaults] = {
    "rna": replace(KIND_DEFAULTS["rna"], likelihood="normal"),
    "atac": replace(KIND_DEFAULTS["atac"], transform="tfidf_max", likelihood="tfidf"),
    "protein": KIND_DEFAULTS["protein"],
}

PRESETS: dict[str, Preset] = {
    "default": Preset(
        Architecture(),
        KIND_DEFAULTS,
        pretrain_epochs=30,
        max_epochs=400,
        patience=30,
        patience_steps=600,
    ),
    "scbutterfly": Preset(
        PUBLISHED,
        _PUBLISHED_SETTINGS,
        pretrain_epochs=100,
        max_epochs=200,
        patience=50,
        plan_kwargs={"weight_decay": 0.0, "n_epochs_kl_warmup": 50},
        kl_numerator=20.0,
        n_hidden={"perturbed": 128},  # its paper gives both conditions the same networks
    ),
}
"""``"default"`` is ours. ``"scbutterfly"`` has the layers, losses, weights, gate, labels and
schedule of version 0.0.9, but runs its encoders once a step instead of three times, starts Adam
anew in the integrative phase, stops by the unweighted loss with mean latents, and always keeps the
best epoch.
"""

BABEL_PLAN: dict[str, Any] = {
    "lr": 0.01,
    "weight_decay": 0.0,
    "n_epochs_kl_warmup": None,
    "max_grad_norm": 5.0,
    "reduce_lr_on_plateau": True,
    "lr_factor": 0.1,
    "lr_patience": 10,
    "lr_min": 1e-6,
}
"""Keywords of Babel's training plan."""

BABEL_WITHOUT_EFFECT = {
    "discriminator_lr": "Babel has no discriminators",
    **dict.fromkeys(
        ["max_kl_weight", "min_kl_weight", "n_epochs_kl_warmup", "n_steps_kl_warmup"],
        "Babel's latent has no prior, so no divergence is weighted",
    ),
}
"""Keywords of the training plan that Babel ignores, and why."""
