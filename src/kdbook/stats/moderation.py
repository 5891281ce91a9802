r"""How much the seed matters to each arm of a table of a few seeds, estimated from all of its arms.

The score of arm :math:`a` with seed :math:`s` is :math:`\mu_a + \beta_s + \varepsilon_{as}` with
:math:`\operatorname{Var} \varepsilon_{as} = \sigma_a^2`, a block design with seeds as blocks. An own estimate
of :math:`\sigma_a^2` from two or three seeds is nearly worthless, and that of all arms together ignores that
some differ. So the estimate :math:`s_a^2` of an arm, with :math:`d` degrees of freedom, is moderated by the
typical one :math:`s^2`, which counts as :math:`d_0` degrees:

.. math:: \tilde s_a^2 = \frac{d_0 s^2 + d s_a^2}{d_0 + d}

(Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in microarray
experiments", with a fixed :math:`d_0`: ten arms are too few to estimate it.) An arm is *unstable*, and keeps
its own estimate, only where an F test against all others asks for it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

PRIOR_FREEDOM = 2
UNSTABLE = 0.01  # p-value of the F test of one arm against the others
MIN_ARMS = 3  # of fewer there is no typical one

Array = np.ndarray


@dataclass(frozen=True)
class Spread:
    """The variance of an arm's score between seeds, without what all arms have in common with a seed.

    ``freedom`` are its degrees of freedom, 0 with one seed.
    """

    variance: float
    freedom: float
    unstable: bool = False


def spreads(scores: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    """The spread of each arm of a table, by name, from its scores with the same seeds."""
    seeds = len(next(iter(scores.values()), [0.0]))
    if seeds == 1:
        return dict.fromkeys(scores, Spread(0.0, 0))
    unstable = _unstable(scores)
    stable = [name for name in scores if name not in unstable]
    table = np.array([scores[name] for name in stable])  # (stable arms, seeds)
    freedom, variances = seeds - 1, dict(zip(stable, _variances(table), strict=True))
    prior = PRIOR_FREEDOM if len(stable) >= MIN_ARMS else 0
    total, typical = prior + freedom, np.mean(list(variances.values()))
    moderated = {
        name: Spread(
            float(prior * typical + freedom * variance) / total,
            min(total, max(1, len(stable) - 1) * freedom),
        )
        for name, variance in variances.items()
    }
    common = table.mean(axis=0)
    own = {
        name: Spread(float(np.var(np.array(scores[name]) - common, ddof=1)), freedom, unstable=True)
        for name in unstable
    }
    return {name: moderated.get(name) or own[name] for name in scores}


def seed_error(first: Spread, second: Spread, seeds: int) -> tuple[float, float]:
    """The standard error of the difference of two arms that is due to the seeds, and its degrees of freedom.

    Two moderated variances share the typical one, so their degrees are not added. Those of a moderated and
    an unstable arm are independent (Welch 1947).
    """
    variance = first.variance + second.variance
    freedom = min(first.freedom, second.freedom)
    if first.unstable != second.unstable:
        parts = (first.variance**2 / first.freedom, second.variance**2 / second.freedom)
        freedom = variance**2 / sum(parts)
    return math.sqrt(variance / seeds), freedom


def _unstable(scores: Mapping[str, Sequence[float]]) -> set[str]:
    """The arms that vary far more between seeds than the others; none where that leaves too few others."""
    found = set()
    for name, of_arm in scores.items():
        others = np.array([other for key, other in scores.items() if key != name])
        if len(others) >= MIN_ARMS - 1 and _p_of_equal_variance(np.array(of_arm), others) < UNSTABLE:
            found.add(name)
    return found if len(scores) - len(found) >= MIN_ARMS - 1 else set()


def _p_of_equal_variance(scores: Array, others: Array) -> float:
    """The p-value of an F test of one arm, shape (seeds,), against others, shape (arms, seeds)."""
    from scipy.special import fdtrc  # takes a second to import

    arms, seeds = others.shape
    typical = _variances(others).mean()
    variance = np.var(scores - others.mean(axis=0), ddof=1) / (1 + 1 / arms)
    if not typical:
        return 0.0 if variance else 1.0
    return float(fdtrc(seeds - 1, (arms - 1) * (seeds - 1), variance / typical))


def _variances(scores: Array) -> Array:
    """The variance of each arm between seeds, without what all have in common, from shape (arms, seeds)."""
    arms, seeds = scores.shape
    if arms == 1:
        return np.asarray(np.var(scores, axis=1, ddof=1))
    residual = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    variances: Array = (residual**2).sum(axis=1) / ((seeds - 1) * (1 - 1 / arms))
    return variances
