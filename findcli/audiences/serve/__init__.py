"""`findcli serve`: a sentence is typed, the size moved, the list downloaded; a page over a JSON API (extra `serve`)."""
