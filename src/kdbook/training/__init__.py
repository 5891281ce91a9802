"""One run: fine-tune or distil a model with AutoMM, predict, and measure.

Importing AutoGluon takes tens of seconds, so modules that do are imported inside functions only.
"""
