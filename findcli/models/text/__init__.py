"""Texts as vectors: pretrained or trained encoders, their adapters, the whitened space, a cache of distinct texts."""
