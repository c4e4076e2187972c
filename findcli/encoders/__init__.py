"""Neural encoders: plain modules of tensors, without files and without settings objects.

Shapes share one legend: B users, T time steps, F columns, D width, S sentences.
"""
