"""`tidegate cache`: the models and data sets on this machine's disk.

Works on the engine's folder, whether an engine runs or not: every change takes the cache's own lock, and
one process at a time fetches a source, so the commands and a running engine can't get in each other's way.
"""
