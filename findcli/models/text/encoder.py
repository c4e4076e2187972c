"""Text encoders: a Hugging Face model, encoder or decoder-only, with its tokenizer and pooling."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from findcli.errors import FindCLIError
from findcli.models.text.pretrained import find_model, load_pretrained, quiet_transformers

# How tokens become one vector. In a decoder-only model every later token attends to the first, whose state is large and
# carries no meaning (an attention sink, arXiv 2309.17453), and only the last has read the whole text.
Pooling = Literal["mean", "mean_after_first", "last"]
POOLING = "pooling.json"
# Texts per batch. On a CPU a wide model is no faster with more, pads more in training, and takes four times as long for
# a single text, which is padded to a full batch so that its vector is always the same.
ROWS, ROWS_OF_WIDE, WIDE = 64, 16, 256
LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


class TextEncoder(nn.Module):
    """A pretrained model whose last hidden states are pooled into one vector per text.

    Texts are padded on the right, where a causal model's tokens never look.

    Args:
        model: returns `last_hidden_state`; plain or wrapped by LoRA.
        tokenizer: the model's tokenizer.
        max_tokens: longer texts are cut.
        pooling: "mean", "mean_after_first" or "last".

    Shape:
        input_ids (B, L) or inputs_embeds (B, L, d_token), attention_mask (B, L) -> (B, d_text), not normalised
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        max_tokens: int,
        pooling: Pooling = "mean",
    ) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.pooling = pooling

    @property
    def width(self) -> int:
        """The width d_text of a text's vector."""
        return int(self.model.config.hidden_size)  # type: ignore[union-attr, arg-type]

    @property
    def rows(self) -> int:
        """Texts per batch."""
        wide = self.width >= WIDE and next(self.parameters()).device.type == "cpu"
        return ROWS_OF_WIDE if wide else ROWS

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.parameters()).device

    def forward(
        self, input_ids: Tensor | None, attention_mask: Tensor, *, inputs_embeds: Tensor | None = None
    ) -> Tensor:
        """Pool the last hidden states of a text's tokens.

        Args:
            input_ids: int64 (B, L); None if `inputs_embeds` is given.
            attention_mask: 1 at tokens, 0 at the padding on the right, (B, L).
            inputs_embeds: token embeddings, such as a learned prompt's, (B, L, d_token).

        Returns:
            (B, d_text).
        """
        inputs = {"input_ids": input_ids} if inputs_embeds is None else {"inputs_embeds": inputs_embeds}
        hidden = self.model(**inputs, attention_mask=attention_mask).last_hidden_state  # (B, L, d_text)
        lengths = attention_mask.sum(1)  # (B,)
        if self.pooling == "last":
            rows = torch.arange(len(hidden), device=hidden.device)
            last: Tensor = hidden[rows, (lengths - 1).clamp(min=0)]
            return last
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, L, 1)
        if self.pooling == "mean_after_first":
            weights[:, 0] = weights[:, 0] * (lengths == 1).unsqueeze(-1)  # a text of one token has no other
        mean: Tensor = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        return mean

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, at least one, special tokens included, cut at `max_tokens`."""
        encoded: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        return [ids or [self._padding] for ids in encoded]

    @property
    def _padding(self) -> int:
        return int(self.tokenizer.pad_token_id or 0)  # Llama has none; any id will do, since padding is masked

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Encode one batch with gradients: (len(texts), d_text).

        Texts of similar length share a batch: less padding makes a training step a third shorter.
        """
        ids = self.tokens(texts)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        device = next(self.parameters()).device
        vectors = []
        for start in range(0, len(order), self.rows):
            batch = [ids[i] for i in order[start : start + self.rows]]
            input_ids, mask = _pad(batch, rows=len(batch), length=len(batch[-1]), padding=self._padding)
            vectors.append(self(input_ids.to(device), mask.to(device)))
        return torch.cat(vectors)[torch.tensor(order, device=device).argsort()]

    @torch.no_grad()
    def few(self, texts: Sequence[str]) -> Tensor:
        """Encode a few texts without padding to fixed shapes: (len(texts), d_text) on the CPU.

        Many times faster than `vectors` for a dozen texts, but a text's neighbours may change its last bits.
        """
        return self.embed(texts).cpu()

    def soft_tokens(self, text: str) -> tuple[list[int], Tensor]:
        """A text's tokens without special ones, and their embeddings (n, d_token): the start of a learned prompt."""
        (ids,) = self.tokens([text])
        special = set(self.tokenizer.all_special_ids)
        words = [token for token in ids if token not in special]
        return words, self._embeddings(words)

    def embed_prompts(self, text: str, prompts: Tensor) -> Tensor:
        """Encode a text whose ordinary tokens are replaced by learned embeddings, with gradients.

        Args:
            text: gives the special tokens and their positions.
            prompts: P prompts, each with one embedding per ordinary token of the text, (P, n, d_token).

        Returns:
            (P, d_text); the embeddings of `soft_tokens` give the text's own vector.
        """
        (ids,) = self.tokens([text])
        special = set(self.tokenizer.all_special_ids)
        learned = torch.tensor([token not in special for token in ids], device=prompts.device)  # (L,)
        whole = self._embeddings(ids).expand(len(prompts), -1, -1).clone()  # (P, L, d_token)
        whole[:, learned] = prompts
        vectors: Tensor = self(None, torch.ones(whole.shape[:2], device=prompts.device), inputs_embeds=whole)
        return vectors

    def nearest_words(self, prompt: Tensor, *, most: int = 3) -> list[list[tuple[str, float]]]:
        """The words of the vocabulary nearest to each learned token (n, d_token), with their cosine."""
        table = nn.functional.normalize(self._embeddings(None), dim=-1)  # (vocabulary, d_token)
        best = (nn.functional.normalize(prompt, dim=-1) @ table.T).topk(most)
        return [
            [(str(self.tokenizer.decode([token])).strip(), value) for token, value in zip(row, cosines, strict=True)]
            for row, cosines in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def _embeddings(self, ids: list[int] | None) -> Tensor:
        """The frozen embeddings of some tokens, or of the whole vocabulary: (n, d_token)."""
        table: Tensor = self.model.get_input_embeddings().weight.detach()  # type: ignore[operator]
        return table if ids is None else table[torch.tensor(ids, dtype=torch.int64, device=table.device)]

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Tensor]]:
        """Encode many texts without gradients, batch by batch, shortest first.

        Batches have one of a few fixed shapes, so a text's vector is the same to the bit whatever its neighbours.

        Yields:
            The indices of n texts, and their vectors (n, d_text) on the CPU.
        """
        ids = self.tokens(texts)
        lengths = [min(next(n for n in LENGTHS if n >= len(i)), max(self.max_tokens, LENGTHS[0])) for i in ids]
        device = next(self.parameters()).device
        for length in sorted(set(lengths)):
            of_length = [i for i, n in enumerate(lengths) if n == length]
            for start in range(0, len(of_length), self.rows):
                rows = of_length[start : start + self.rows]
                batch = [ids[i] for i in rows]
                input_ids, mask = _pad(batch, rows=self.rows, length=length, padding=self._padding)
                yield rows, self(input_ids.to(device), mask.to(device))[: len(rows)].cpu()

    def save(self, folder: Path, *, halve: bool = False) -> None:
        """Write the model folder: config, tokenizer, safetensors weights and pooling.

        Args:
            folder: made if missing.
            halve: store half precision, and round the weights in memory too, so that this encoder and the folder agree.
                If any weight exceeds its range (65,504), all stay as they are.
        """
        weights = self.model.state_dict()
        if halve:
            halved = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
            if all(bool(value.isfinite().all()) for value in halved.values()):
                weights = halved
                self.model.load_state_dict(halved)
        with quiet_transformers():
            self.model.save_pretrained(folder, state_dict=weights)  # type: ignore[operator]
        self.tokenizer.save_pretrained(folder)
        if self.pooling != "mean":  # the pooling of a folder without the file
            (folder / POOLING).write_text(json.dumps({"pooling": self.pooling}), encoding="utf-8")


def _pad(ids: list[list[int]], *, rows: int, length: int, padding: int) -> tuple[Tensor, Tensor]:
    """Token ids and mask, int64 (rows, length) each; a spare row attends to one padding token, to avoid NaN."""
    input_ids = torch.full((rows, length), padding)
    mask = torch.zeros(rows, length, dtype=torch.int64)
    mask[len(ids) :, 0] = 1
    for row, tokens in enumerate(ids):
        input_ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    return input_ids, mask


def load_text_encoder(
    name: str, *, max_tokens: int, relative_to: Path | None = None, pooling: str = "auto", layers: int = 0
) -> TextEncoder:
    """Load a text encoder: a local folder, an installed package or a hub id, tried in this order.

    Args:
        name: the folder, package or id, as in findcli.toml.
        max_tokens: longer texts are cut.
        relative_to: the folder that a relative path starts from.
        pooling: "auto" (as saved, else the family's default), "mean" or "last".
        layers: how many of the first layers to keep; 0 keeps all.

    Raises:
        FindCLIError: nothing answers to the name; the error lists what was tried, the hint the command that helps.
    """
    model, tokenizer = load_pretrained(AutoModel, name, relative_to=relative_to, layers=layers)
    if is_decoder_only(model.config):
        model.config.use_cache = False  # the cache helps to continue texts; here each is read once
    chosen = _saved_pooling(find_model(name, relative_to=relative_to)) if pooling == "auto" else None
    return TextEncoder(
        model=model, tokenizer=tokenizer, max_tokens=max_tokens, pooling=chosen or pooling_of(model.config, pooling)
    )


def pooling_of(config: PreTrainedConfig, wanted: str = "auto") -> Pooling:
    """Resolve the pooling setting for a model.

    Args:
        config: of the model.
        wanted: "auto", "mean" or "last"; for a decoder-only model the mean leaves out the first token.
    """
    if wanted == "last" or (wanted == "auto" and is_decoder_only(config)):
        return "last"
    return "mean_after_first" if is_decoder_only(config) else "mean"


def is_decoder_only(config: PreTrainedConfig) -> bool:
    """Whether a model's family continues texts and never fills in masked words, like Llama, Qwen2 and SmolLM2."""
    family = config.model_type
    return family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and family not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def new_text_encoder(folder: Path, *, max_tokens: int, seed: int) -> TextEncoder:
    """Make an untrained encoder with the architecture and tokenizer of a model folder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    return TextEncoder(
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(folder, local_files_only=True),
        max_tokens=max_tokens,
        pooling=_saved_pooling(folder) or pooling_of(config),
    )


def _saved_pooling(folder: Path | None) -> Pooling | None:
    """The pooling stored in a model folder; None if there is none.

    Raises:
        FindCLIError: the file cannot be read, or names an unknown pooling.
    """
    path = None if folder is None else folder / POOLING
    if path is None or not path.is_file():
        return None
    try:
        pooling: Pooling = json.loads(path.read_text(encoding="utf-8"))["pooling"]
    except (ValueError, KeyError, TypeError) as error:
        raise FindCLIError(f"{path} cannot be read: {error!r}", hint="make the run that it belongs to again") from error
    if pooling not in get_args(Pooling):
        hint = f"use a findcli that knows it; this one knows {', '.join(get_args(Pooling))}"
        raise FindCLIError(f"{path} names an unknown pooling, {pooling!r}", hint=hint)
    return pooling


def new_albert(
    tokenizer: PreTrainedTokenizerBase, *, d_model: int, layers: int, heads: int, max_tokens: int
) -> PreTrainedModel:
    """Make a small untrained ALBERT (layers share their weights) with a masked-language-model head.

    Args:
        tokenizer: gives the vocabulary's size and the special tokens.
        d_model: hidden width.
        layers: passes through the shared layer.
        heads: attention heads.
        max_tokens: longest text.
    """
    from transformers import AlbertConfig, AlbertForMaskedLM

    config = AlbertConfig(
        vocab_size=len(tokenizer), embedding_size=d_model, hidden_size=d_model, intermediate_size=4 * d_model,
        num_hidden_layers=layers, num_attention_heads=heads, max_position_embeddings=max(max_tokens, LENGTHS[0]),
        # The default activation (gelu_new, in Python) is 1.4 times slower on a CPU.
        hidden_act="gelu_pytorch_tanh", pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id, eos_token_id=tokenizer.sep_token_id,
    )  # fmt: skip
    return AlbertForMaskedLM(config)
