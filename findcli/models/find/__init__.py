"""FIND (arXiv 2412.12468): one encoder a modality, pre-trained by itself, and their fusion into one vector a user."""
