"""The peak of memory counts from its reset."""

from kdbook.training import measure


def test_a_large_array_shows_in_the_peak_until_the_reset():
    measure.reset_peak_memory()
    before = measure.peak_memory()
    block = bytearray(200_000_000)
    block[::4096] = b"x" * len(block[::4096])
    grown = measure.peak_memory()
    assert grown - before > 150_000_000
    del block
    measure.reset_peak_memory()
    assert measure.peak_memory() < grown - 100_000_000
