"""The reader of tables in whatever dialect: files -> a lazy frame, and what was decided where nothing was declared.

In: CSV, TSV, text, gzip, JSONL, Excel and Parquet files. Out: one table whose text columns are text, with notes on what
was decided. Seeds and demands are read by it; sources, profiles and labels still by `data/sources.py`.
"""
