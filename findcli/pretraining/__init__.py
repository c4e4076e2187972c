"""Stage 1 of FIND: one self-supervised encoder a modality."""
