"""Where partitions are worked on: in this process, in several, or on the machines of a Ray cluster.

Partitions are fixed by the events, never by the number of workers. A task reads and writes files and hands back little,
so every engine leaves the same bytes.
"""
