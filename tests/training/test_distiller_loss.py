"""The loss that a page compares its formula with is AutoMM's."""

import pytest

from kdbook.training.distiller_loss import distiller_loss

pytestmark = pytest.mark.training


@pytest.mark.parametrize("classes", [2, 5])
def test_it_is_the_weighted_sum_of_the_terms(classes):
    import torch
    from torch.nn.functional import cross_entropy, mse_loss, softmax

    student, teacher = torch.randn(2, 6, classes)
    features, targets = torch.randn(2, 6, 4)
    labels = torch.randint(classes, (6,))
    soft = cross_entropy(student / 5, softmax(teacher / 5, dim=-1))
    expected = 0.1 * cross_entropy(student, labels) + soft + 0.01 * mse_loss(features, targets)
    assert torch.isclose(distiller_loss(student, teacher, features, targets, labels), expected)
    assert not torch.isclose(distiller_loss(student, 2 * teacher, features, targets, labels), expected)
