"""Training the missing runs of a study: here, in several processes, or on a cluster.

And estimates of what it takes.
"""
