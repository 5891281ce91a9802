"""The site: what its chapters depend on, their notebooks, and the Sphinx extension that builds it.

Importing this package does not import Sphinx.
"""
