"""What AutoMM's default text augmentation does to a sentence.

AutoMM picks one of five edits for texts of ten or more words (``data/trivial_augmenter.py``) and calls
nlpaug. The two edits here are called as AutoMM calls them; the synonym edit would download WordNet.
"""

import random
import warnings

import numpy as np
import pandas as pd

ACTIONS = ("swap", "delete")
MINIMUM_WORDS = 10  # AutoMM's model.hf_text.text_aug_detect_length


def augmented(texts: list[str], strength: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """Each text of at least ten words as AutoMM's random swap and random deletion leave it.

    ``strength`` is AutoMM's ``model.hf_text.text_trivial_aug_maxscale``, the largest share of words that are
    touched.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its progress bars look for widgets that a page does not have
        from nlpaug.augmenter.word import RandomWordAug

    random.seed(seed)
    np.random.seed(seed)
    rows = [
        {
            "text": text,
            "edit": action,
            "augmented": RandomWordAug(action=action, aug_p=strength, aug_max=None).augment(text)[0],
        }
        for text in texts
        if len(text.split()) >= MINIMUM_WORDS
        for action in ACTIONS
    ]
    return pd.DataFrame(rows)
