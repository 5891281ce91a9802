"""Training the missing runs of a study: here, in several processes, or on a cluster.

And what it takes: counted, measured, forecast.
"""
