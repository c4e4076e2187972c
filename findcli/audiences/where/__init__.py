"""`--where`: an expression over profile columns, read, applied, and offered where a demand's own words write one."""
