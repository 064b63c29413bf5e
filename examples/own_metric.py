r"""A metric of your own earns the reward: balanced accuracy, corrected for guessing.

    nas search --task digits --space nasbench201 \
        --set reward.metric=examples/own_metric.py:informedness

A function of the confusion matrix (rows are labels, columns predictions), or of probabilities and
true classes with ``needs="probabilities"``. It gives one number for the whole set, or one for each
class with ``scope="class"``.
"""

import numpy as np

import rewards


@rewards.register_metric(label="informedness")
def informedness(confusion: np.ndarray) -> float:
    """0 for guessing, 1 for no error."""
    labels = np.maximum(confusion.sum(axis=1), 1)
    guessed = 1 / len(confusion)
    return float((np.mean(np.diag(confusion) / labels) - guessed) / (1 - guessed))
