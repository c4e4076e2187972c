"""What every training stage shares: the loop, the losses, batches of users, and checkpoints.

In: the pairs of `findcli.data` and plain torch modules. Out: trained weights with their history, and checkpoints from
which an interrupted training reaches the same bytes. It knows no model by name.
"""
