"""Where tables lie that are no files of this machine: databases, Delta, Iceberg and objects at s3://.

In: what a table of findcli.toml says of its place. Out: a copy of its rows in Parquet, or of its files as they are,
under `runs/copies/`, which the one reader then opens. One module a place; each imports its library when it is asked.
"""
