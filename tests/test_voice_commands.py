"""The example of custom data: templates of others, filled and split without leaks."""

import random

import pandas as pd
import pytest
import voice_commands as commands


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return commands.splits()


def test_commands_are_the_same_each_time(tables):
    for split, table in commands.splits().items():
        pd.testing.assert_frame_equal(table, tables[split])


@pytest.mark.parametrize("language", commands.LANGUAGES)
def test_every_intent_can_be_learned_and_is_tested(tables, language):
    for split in ("train", "test"):
        rows = tables[split][tables[split]["language"] == language]
        assert set(rows["intent"]) == set(commands.INTENTS.values()), split


def test_no_command_is_in_two_splits(tables):
    every = pd.concat(tables.values())
    assert not every.duplicated(["language", "command"]).any()


@pytest.mark.parametrize("language", list(commands.HOME))
def test_a_template_is_in_one_split_and_in_the_test_once(language):
    found: dict[str, set[str]] = {}
    for template in commands._templates(language):
        found.setdefault(commands._split(template.name), set()).add(template.name)
    assert sum(map(len, found.values())) == len(set.union(*found.values()))
    rows = commands._rows(language, seed=0)
    for split in ("validation", "test"):
        assert (rows["split"] == split).sum() <= len(found[split])


@pytest.mark.parametrize("language", list(commands.HOME))
def test_commands_are_plain_words(language):
    """Nothing of a template's syntax is left."""
    rng = random.Random(0)
    for template in commands._templates(language):
        command = commands._fill(template, language, rng)
        assert command == " ".join(command.split()) != ""
        assert not set("<>{}[]()|;") & set(command)
