"""What an encoder can't read is said, by language."""

import pandas as pd
import pytest
import voice_commands

from kdbook.encoders import coverage

TEXTS = {
    "ru": "включи свет на кухне пожалуйста",
    "zh": "打开厨房的灯谢谢你今天天气",
    "vi": "bật đèn nhà bếp làm ơn tắt truyền hình ngày mai",
    "tr": "mutfaktaki ışıkları aç lütfen televizyonu kapat yarın hatırlatma",
}


def test_the_languages_of_the_book_are_read():
    rows = voice_commands.splits()["train"].rename(columns={"command": "sentence1"})
    assert set(coverage.unreadable_words("embedded:e5", rows)) == {"en", "de", "nl"}
    assert coverage.remarks("embedded:e5", rows) == []


@pytest.mark.parametrize("language", TEXTS)
def test_other_languages_and_scripts_are_not(language):
    rows = pd.DataFrame([{"language": language, "sentence1": TEXTS[language]}] * 3)
    (remark,) = coverage.remarks("embedded:e5", rows)
    assert f"of the words in '{language}' are unknown to embedded:e5" in remark and "--teacher" in remark


def test_encoders_of_the_hub_are_not_looked_up():
    assert coverage.remarks("someone/encoder", pd.DataFrame([{"language": "ru", "sentence1": "кухня"}])) == []
