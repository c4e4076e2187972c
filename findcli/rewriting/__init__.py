"""Query rewriting: a demand in a marketer's words -> sentences of the workspace's own template language (FIND 1.7)."""
