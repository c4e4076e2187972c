"""Motifs: causal in both forms, and the depthwise form is convolutions and then a projection."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from findcli.models.next_event.sprm import WIDTH, Form, Motifs


@pytest.mark.parametrize("form", ["depthwise", "released"])
def test_a_later_state_moves_no_earlier_motif(form: Form) -> None:
    torch.manual_seed(0)
    motifs = Motifs(d_model=8, heads=2, dilations=(1, 2, 4), prototypes=5, form=form)
    states = torch.randn(2, 12, 8)
    changed = states.clone()
    changed[:, 7:] += 10
    before, after = motifs(states), motifs(changed)
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7], after[:, 7])


def test_one_map_of_shifted_states_equals_convolving_and_then_projecting() -> None:
    torch.manual_seed(0)
    motifs = Motifs(d_model=6, heads=1, dilations=(1, 3), prototypes=4)
    motifs.offsets.data.normal_()
    states = torch.randn(2, 9, 6)
    found = []
    for k, dilation in enumerate((1, 3)):
        padded = functional.pad(states.transpose(1, 2), ((WIDTH - 1) * dilation, 0))
        kernel = motifs.kernels[k].flip(0).T.unsqueeze(1)  # the last tap of a convolution is the present
        found.append(functional.conv1d(padded, kernel, motifs.offsets[k], dilation=dilation, groups=6).transpose(1, 2))
    torch.testing.assert_close(motifs._depthwise_query(states), motifs.query(torch.cat(found, -1)))
