"""The peak of memory counts from its reset."""

from kdbook import memory


def test_a_large_array_shows_in_the_peak_until_the_reset():
    memory.reset()
    before = memory.peak()
    block = bytearray(200_000_000)
    block[::4096] = b"x" * len(block[::4096])
    grown = memory.peak()
    assert grown - before > 150_000_000
    del block
    memory.reset()
    assert memory.peak() < grown - 100_000_000
