"""How good a model is: probes, zero-shot and few-shot evaluation, ablations, maps, benchmarks, and rivals.

In: a trained workspace and the labels of its tasks. Out: figures with intervals, beside those of rivals that see the
same inputs. Labels are read to measure, never to train.
"""
