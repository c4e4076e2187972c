"""FIND (arXiv 2412.12468): an encoder per modality, pre-trained separately, and their fusion into a vector per user."""
