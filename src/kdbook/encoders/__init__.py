"""Pretrained encoders to fine-tune: the compact ones that ship with the package, local directories, and the
hub's.
"""
