"""Forgetting users: out of every run folder, audience and cache, and kept out of what is read from now on.

In: user ids. Out: the same workspace without them, and what else there is to do: models to train again, files to ask
back. Models are not unlearned here, and nothing claims so.
"""
