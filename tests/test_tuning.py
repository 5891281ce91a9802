"""The settings of the embedded profile are those that the kept trials chose, with as many trials for every arm."""

from collections import Counter

from helpers import bench_module

from kdbook.settings import profile
from kdbook.settings.tuning import best, trials
from kdbook.study.specs import expand

tuning = bench_module("tuning")
TRIALS = trials(tuning.PROFILE)


def test_every_arm_has_the_same_trials():
    assert Counter(trial.arm for trial in TRIALS) == dict.fromkeys(tuning.ARMS, tuning.TRIALS)
    for arm in tuning.ARMS:
        drawn = [trial.settings for trial in tuning.drawn_trials(arm)]
        assert drawn == [trial.settings for trial in TRIALS if trial.arm == arm]


def test_the_profile_has_the_best_of_them():
    specs = {spec.arm: spec for spec in expand(profile.load(tuning.PROFILE)).values()}
    for arm in tuning.ARMS:
        chosen = best(TRIALS, arm).settings
        assert chosen.items() <= specs[arm].hyperparameters.items(), arm


def test_no_seed_of_the_trials_is_used_by_the_study():
    some = profile.load(tuning.PROFILE)
    assert some.data.seed != tuning.DATA_SEED
    assert tuning.MODEL_SEED not in {*some.teacher.seeds, *some.student.seeds}
