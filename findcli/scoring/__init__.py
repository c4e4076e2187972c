"""Users as of a date, and their scores for sentences and for demands as read.

In: a trained model, event histories, and readings of demands. Out: runs/embeddings, and scores, with probabilities
where they are calibrated. Selecting users is left to `audiences`.
"""
