"""How good it is, and beside whom: probes, zero-shot and few-shot evaluation, ablations, maps, benchmarks, rivals.

In: a trained workspace and the labels of its tasks. Out: figures with intervals, beside rivals that see the same
inputs. Labels are read to measure, never to train.
"""
