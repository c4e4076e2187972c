"""What every training stage shares: the loop, the losses, batches of users, and weights on disk.

In: the pairs of `findcli.data` and plain modules of tensors. Out: trained weights with their history, checkpoints that
let an interrupted training end in the same bytes. It knows no model by name.
"""
