"""The example of custom data: templates of others, filled and split without leaks."""

import random

import pandas as pd
import pytest

from kdbook.data import commands


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return commands.splits()


def test_commands_are_the_same_each_time(tables):
    for split, table in commands.splits().items():
        pd.testing.assert_frame_equal(table, tables[split])


def test_every_intent_is_in_every_labelled_split_and_hidden_in_the_unlabelled_one(tables):
    for split in ("train", "validation", "test"):
        assert set(tables[split]["intent"]) == set(commands.INTENTS.values())
    assert tables["unlabelled"]["intent"].isna().all()


def test_no_command_is_in_two_splits_and_the_third_language_has_few(tables):
    every = pd.concat(tables.values())
    assert not every.duplicated(["language", "command"]).any()
    counts = tables["train"]["language"].value_counts()
    assert counts["nl"] * 3 < min(counts["en"], counts["de"])


@pytest.mark.parametrize("language", list(commands.HOME))
def test_a_template_is_in_one_split(tables, language):
    """With all commands that were made from it."""
    split_of = {
        (row.language, row.command): split for split, table in tables.items() for row in table.itertuples()
    }
    for template, rows in commands._rows(language, seed=0).groupby("template"):
        used = {split_of.get((language, command)) for command in rows["command"]} - {None}
        assert used <= {commands._split(template)}


@pytest.mark.parametrize("language", list(commands.HOME))
def test_commands_are_plain_words(language):
    """Nothing of a template's syntax is left."""
    rng = random.Random(0)
    for template in commands._templates(language):
        command = commands._fill(template, language, rng)
        assert command == " ".join(command.split()) != ""
        assert not set("<>{}[]()|;") & set(command)
