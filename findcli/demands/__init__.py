"""A marketer's words to sentences of the training language: what a demand asks for, and how sure that reading is.

In: a demand, and the vocabulary of the users that are to be ranked. Out: a reading, sentences joined by any, all and
not, with notes on what was not understood. Nobody is scored here.
"""
