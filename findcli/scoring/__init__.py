"""Users as of a date, and their scores for sentences and for demands as they were read.

In: a trained model, event histories, and readings of demands. Out: runs/embeddings, and scores with probabilities
where those are calibrated. Who is selected is decided above.
"""
