"""Pretraining of the compact encoders for pairs, ``embedded:teacher`` and ``embedded:student``."""
