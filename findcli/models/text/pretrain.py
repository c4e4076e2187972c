"""`findcli pretrain text`: the encoder of event and search texts, and every distinct text's vector (FIND Eq 10).

`runs/text/` holds the model folder `model/`, `whitening.safetensors`, `texts.safetensors` (vectors of
runs/pairs/texts.parquet, row by row) and, if the model is trained here, `history.parquet`.

Tested in tests/test_no_leak.py.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from findcli.models.text.cache import cached_vectors
from findcli.models.text.encoder import TextEncoder, load_text_encoder, new_albert, pooling_of
from findcli.models.text.pretrained import local_model_files
from findcli.models.text.space import cache_folder, fit_whitening, whiten
from findcli.models.weights import require_memory, select_device
from findcli.progress import Progress
from findcli.training.loop import fit, step_seed
from findcli.workspace.disk import hash_file
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, Run, build, hash_json, open_run
from findcli.workspace.settings import Text

SCRATCH = "scratch"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def stage_settings(workspace: Workspace) -> dict[str, Any]:
    """The settings that the text stage depends on; a pretrained model needs no training settings."""
    settings = asdict(workspace.settings.text)
    used = ("model", "model_layers", "pooling", "max_tokens", "whiten")
    return settings if settings["model"] == SCRATCH else {key: settings[key] for key in used}


def stage_inputs(workspace: Workspace) -> dict[str, str]:
    """Digests of the distinct texts, and of the model's origin: the sentences it is trained on, or a local folder."""
    pairs = open_run(workspace.run("pairs"), "pairs")
    texts = {"texts": pairs.manifest.digest("texts")}
    if workspace.settings.text.model == SCRATCH:
        return texts | {"sentences": pairs.manifest.digest("sentences")}
    model = local_model_files(workspace.settings.text.model, relative_to=workspace.folder)
    return texts | ({"model": hash_json([hash_file(path) for path in model])} if model else {})


def pretrain_text(
    workspace: Workspace, *, device: str = "auto", force: bool = False, progress: Progress | None = None
) -> Run:
    """Train or load the text encoder, embed every distinct text and whiten the space; write `runs/text`.

    Raises:
        FindCLIError: the pairs are missing, or a model named in [text] cannot be found.
    """
    pairs = open_run(workspace.run("pairs"), "pairs")
    seed = workspace.settings.workspace.seed

    def write(draft: Draft, checkpoints: Path) -> None:
        texts = pairs.table("texts.parquet")["text"].to_list()
        encoder = _encoder(workspace, pairs, draft, checkpoints, device, progress)
        encoder.save(draft.path("model"))
        _write_vectors(workspace, draft, encoder, texts, progress)

    return build(
        workspace.run("text"),
        write,
        kind="text",
        settings=stage_settings(workspace),
        inputs=stage_inputs(workspace),
        seed=seed,
        overrides=workspace.overrides,
        force=force,
    )


def _encoder(
    workspace: Workspace, pairs: Run, draft: Draft, checkpoints: Path, device: str, progress: Progress | None
) -> TextEncoder:
    settings = workspace.settings.text
    if settings.model != SCRATCH:
        encoder = load_text_encoder(
            settings.model, max_tokens=settings.max_tokens, relative_to=workspace.folder,
            pooling=settings.pooling, layers=settings.model_layers,
        )  # fmt: skip
        return encoder.to(select_device(device)).eval()
    corpus = sorted({*pairs.table("texts.parquet")["text"], *pairs.table("sentences.parquet")["text"]})
    return _train_albert(corpus, settings, draft, checkpoints, device, workspace.settings.workspace.seed, progress)


def _write_vectors(
    workspace: Workspace, draft: Draft, encoder: TextEncoder, texts: list[str], progress: Progress | None
) -> None:
    files = {path.relative_to(draft.folder).as_posix(): hash_file(path) for path in draft.folder.rglob("model/*")}
    cache = cache_folder(workspace.runs, hash_json(files))
    raw = cached_vectors(cache, texts, lambda: encoder, progress=progress)
    mean, matrix = fit_whitening(raw, width=workspace.settings.text.whiten)
    draft.tensors("whitening.safetensors", {"mean": mean, "matrix": matrix})
    draft.tensors("texts.safetensors", {"vectors": whiten(raw, mean, matrix)})
    draft.metrics |= {"texts": len(texts), "d_text": encoder.width, "d_space": int(matrix.shape[1])}


def _train_albert(
    corpus: list[str],
    settings: Text,
    draft: Draft,
    checkpoints: Path,
    device: str,
    seed: int,
    progress: Progress | None,
) -> TextEncoder:
    """Train a small ALBERT on the workspace's texts by masked language modelling."""
    tokenizer = train_tokenizer(corpus, vocabulary=settings.vocabulary)
    sizes = {name: getattr(settings, name) for name in ("d_model", "layers", "heads", "max_tokens")}
    with torch.device("meta"):
        require_memory(new_albert(tokenizer, **sizes))
    torch.manual_seed(step_seed(seed, -1))
    model = new_albert(tokenizer, **sizes)
    model.to(select_device(device))  # type: ignore[arg-type]  # transformers' decorator hides its arguments
    encoder = TextEncoder(
        model=model.base_model, tokenizer=tokenizer, max_tokens=settings.max_tokens,
        pooling=pooling_of(model.config, settings.pooling),
    )  # fmt: skip
    ids = [torch.tensor(tokens) for tokens in encoder.tokens(corpus)]

    def loss(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(step_seed(seed, step))
        chosen = rng.choice(len(ids), min(settings.batch_size, len(ids)), replace=False)
        batch = torch.nn.utils.rnn.pad_sequence(
            [ids[i] for i in chosen], batch_first=True, padding_value=tokenizer.pad_token_id
        )
        batch = batch.to(model.device)
        inputs, labels = mask_tokens(batch, tokenizer, share=settings.mask)
        output = model(input_ids=inputs, attention_mask=(batch != tokenizer.pad_token_id).long())
        return {"mlm": functional.cross_entropy(output.logits.flatten(0, 1), labels.flatten())}

    history = fit(
        loss, {"model": model}, steps=settings.steps, lr=settings.lr, weight_decay=settings.weight_decay,
        warmup=settings.warmup, clip=settings.clip, seed=seed, progress=progress,
        checkpoint_dir=checkpoints, checkpoint_every=settings.checkpoint_every,
    )  # fmt: skip
    draft.table("history.parquet", history.table())
    draft.metrics |= history.summary()
    return encoder.eval()


def train_tokenizer(corpus: list[str], *, vocabulary: int) -> PreTrainedTokenizerBase:
    """Train a lower-case byte-level BPE tokenizer; the same corpus gives the same tokenizer."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(corpus, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    pad, unknown, cls, sep, mask = SPECIAL
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=pad, unk_token=unknown, cls_token=cls, sep_token=sep, mask_token=mask
    )


def mask_tokens(batch: Tensor, tokenizer: PreTrainedTokenizerBase, *, share: float) -> tuple[Tensor, Tensor]:
    """BERT's corruption: of the chosen tokens 80 % masked, 10 % replaced, 10 % kept; special tokens are never chosen.

    Args:
        batch: token ids, int64 (B, L).
        tokenizer: knows the special tokens.
        share: probability that a token is chosen, in [0, 1].

    Returns:
        Inputs int64 (B, L), and labels int64 (B, L) with -100 at tokens that are not chosen.
    """
    special = torch.isin(batch, torch.tensor(tokenizer.all_special_ids, device=batch.device))
    chosen = (torch.rand(batch.shape, device=batch.device) < share) & ~special
    if not chosen.any():
        chosen = ~special
    fate = torch.rand(batch.shape, device=batch.device)
    inputs = batch.masked_fill(chosen & (fate < 0.8), int(tokenizer.mask_token_id))
    others = torch.randint(len(SPECIAL), len(tokenizer), batch.shape, device=batch.device)
    return torch.where(chosen & (fate >= 0.9), others, inputs), batch.masked_fill(~chosen, -100)
