"""Few-shot prompts (FIND Eq 14): learned from seed users, kept in run folders, and read in a sentence's place."""
