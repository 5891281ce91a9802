"""The loss of AutoMM's distiller for given outputs, to check a formula against.

Computed by AutoMM itself (``optim/lit_distiller.py``, with the loss functions that
``utils/distillation.py`` chooses for classification), without a model, a batch or a trainer.
"""

from types import MethodType, SimpleNamespace
from typing import TYPE_CHECKING

from kdbook.settings import automm
from kdbook.training.automm import import_quietly

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "hf_text"
TERMS = ("hard_label", "soft_label", "output_feature")


def distiller_loss(
    student_logits: "Tensor",
    teacher_logits: "Tensor",
    student_features: "Tensor",
    teacher_features: "Tensor",
    labels: "Tensor",
) -> "Tensor":
    """The loss of one batch with AutoMM's default weights and temperature.

    Logits are of shape (rows, classes), features of shape (rows, dimensions) with the same dimensions for
    student and teacher, so that AutoMM compares them directly, and ``labels`` of shape (rows,).
    """
    import_quietly()
    from autogluon.multimodal.constants import FEATURES, LOGITS
    from autogluon.multimodal.optim.lit_distiller import DistillerLitModule
    from torch import nn

    defaults = {  # the attributes of the module are called as the settings
        key.removeprefix(automm.DISTILLER_PREFIX): value
        for key, value in automm.defaults().items()
        if key.startswith(automm.DISTILLER_PREFIX)
    }
    distiller = SimpleNamespace(
        **defaults,
        student_model=SimpleNamespace(prefix=PREFIX),
        teacher_model=SimpleNamespace(prefix=PREFIX),
        hard_label_loss_func=nn.CrossEntropyLoss(),
        soft_label_loss_func=nn.CrossEntropyLoss(),
        output_feature_loss_func=nn.MSELoss(),
        output_feature_adaptor=nn.Identity(),
        rkd_loss_func=SimpleNamespace(distance_loss_weight=0, angle_loss_weight=0),
    )
    for term in TERMS:
        name = f"_compute_{term}_loss"
        setattr(distiller, name, MethodType(getattr(DistillerLitModule, name), distiller))
    loss: Tensor = DistillerLitModule._compute_loss(
        distiller,
        {PREFIX: {LOGITS: student_logits, FEATURES: student_features}},
        {PREFIX: {LOGITS: teacher_logits, FEATURES: teacher_features}},
        labels,
    )
    return loss
