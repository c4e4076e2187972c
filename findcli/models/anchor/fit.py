"""Trains Query-as-Anchor on pairs: questions are drawn first, users second, and both labels come from the incidence.

It writes `user.json` and `user.safetensors` (adapters, decoder from scratch, heads), `decoder/` (a named decoder, LoRA
merged), `columns.json`, `sentences.parquet` and `sentences.safetensors` (`vectors`, the training sentences through the
decoder, and `queries`, their text vectors), `summary.safetensors`, `mask.json` and `history.parquet`.

Legend: B users, Q questions, S sentences, D width of a text vector, d of a token, e of a vector.

Tested in tests/models/anchor/test_tower.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from findcli import metrics
from findcli.data.profile_codes import ProfileCodes
from findcli.data.profiles import profile_columns
from findcli.data.templates import VERBS
from findcli.errors import FindCLIError
from findcli.models.anchor.contrast import question_contrast
from findcli.models.anchor.decoder import Kept
from findcli.models.anchor.encoder import AnchorEncoder, assemble
from findcli.models.anchor.masks import Schedule
from findcli.models.anchor.named import Words, named_encoder, save_encoder
from findcli.models.anchor.tokens import MODALITIES, SEARCH, SEQUENCE, TABULAR, Tokens
from findcli.models.text.space import TextSpace
from findcli.models.tower import Said
from findcli.models.user_summary import Directions
from findcli.models.weights import new_module
from findcli.progress import Progress
from findcli.training.examples import TrainingData
from findcli.training.loop import collapse_warning, fit, mixed_precision, step_seed
from findcli.training.losses import contrastive_loss, ranking_loss
from findcli.training.pair_sampler import PairBatch, PairSampler, latest_pairs
from findcli.workspace.anchor_settings import CONTINUING
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft, open_run

SCRATCH = "scratch"
VALIDATION_PAIRS, VALIDATION_SENTENCES, SUMMARY_PAIRS = 512, 150, 10_000
SAID_PAIRS, SAID_SENTENCES, FEWEST_SAID = 300, 300, 5
READ = 256  # users read at once without gradients


def questions_of(subject: str, families: Sequence[str]) -> list[str]:
    """The neutral question, and one for each family of sentences."""
    of_family = [f"What will the {subject} do next that reads: {VERBS.get(family, family)}?" for family in families]
    return [f"Describe the {subject}.", *of_family]


class AnchorTraining:
    """One training of the tower.

    Args:
        workspace: its pairs and texts are made.
        device: where torch computes.
    """

    def __init__(self, workspace: Workspace, device: str) -> None:
        self.workspace, self.device = workspace, torch.device(device)
        self.settings, self.seed = workspace.settings.qanchor, workspace.settings.workspace.seed
        pairs, text = open_run(workspace.run("pairs"), "pairs"), open_run(workspace.run("text"), "text")
        self.data, space = TrainingData(pairs), TextSpace(text, device=device)
        texts = torch.from_numpy(text.tensors("texts.safetensors")["vectors"]).to(self.device)
        self.columns = self._fit_columns()
        codes = self.columns.encode(pairs.table("profiles.parquet"))
        self.sampler = PairSampler(workspace, self.data, codes, texts)
        self.sentences = pairs.table("sentences.parquet")
        words = self.sentences["text"].to_list()
        self.queries = torch.from_numpy(space.vectors(words)).to(self.device)  # (S, D)
        self.families = self.sentences["family"].unique().sort().to_list()
        self.of_family = torch.from_numpy(
            np.stack([(self.sentences["family"] == family).to_numpy() for family in self.families])
        ).to(self.device)  # (families, S)
        self.words: Words | None = None
        self.wrapped: Any = None  # a named decoder with its LoRA
        self.made_of, self.encoder = self._new_encoder(d_text=texts.shape[1])
        asked = questions_of(workspace.settings.workspace.subject, self.families)
        self.encoder.neutral.copy_(torch.from_numpy(space.encode(asked)))
        self.encoder.to(self.device)
        s = self.settings
        curve = 1.0 if s.paper_exact else s.mask_curve
        self.schedule = Schedule(steps=s.steps, warmup=s.mask_warmup, settled=s.mask_settled, curve=curve)
        self._observed: tuple[Tokens, Tensor] | None = None

    def _fit_columns(self) -> ProfileCodes:
        columns = profile_columns(self.workspace.settings.profile)
        if TABULAR not in self.workspace.settings.align.modalities or not columns:
            return ProfileCodes(())
        trains = self.data.run.table("profiles.parquet").filter(self.data.pairs["split"] == "train")
        return ProfileCodes.fit(trains, columns, bins=self.workspace.settings.tabular.bins)

    def _new_encoder(self, *, d_text: int) -> tuple[dict[str, Any], AnchorEncoder]:
        """The arguments that make the encoder, and the encoder of untrained weights.

        Raises:
            FindCLIError: the settings contradict each other, or the decoder cannot be loaded.
        """
        s = self.settings
        if s.ntp_weight > 0 and s.mask not in CONTINUING:
            hint = f"set mask in [qanchor] to one of {', '.join(CONTINUING)}, or ntp_weight to 0"
            raise FindCLIError(f"the next word is there to be read under the mask {s.mask!r}", hint=hint)
        if s.ntp_weight > 0 and s.decoder == SCRATCH:
            hint = "name a decoder in [qanchor], or set ntp_weight to 0"
            raise FindCLIError("a decoder from scratch has no words to predict", hint=hint)
        searches = self.data.is_search
        has = {SEQUENCE: not searches.all(), TABULAR: bool(self.columns.columns), SEARCH: searches.any()}
        wanted = self.workspace.settings.align.modalities
        modalities = [name for name in MODALITIES if has[name] and name in wanted]
        if not modalities:
            hint = "name others under modalities in [align]"
            raise FindCLIError(
                f"this workspace has no data for any modality of [align]: {', '.join(wanted)}", hint=hint
            )
        options = {
            "d_text": d_text, "cardinalities": self.columns.cardinalities, "modalities": modalities,
            "events": s.events, "d_embedding": s.d_embedding, "questions": 1 + len(self.families), "mask": s.mask,
            "floor": s.mask_floor, "paper": s.paper_exact,
        }  # fmt: skip
        if s.decoder != SCRATCH:
            return self._new_named(options)
        sizes = {
            "layers": max(1, s.layers),
            "d_model": s.d_model,
            "heads": s.heads,
            "key_value_heads": s.key_value_heads,
        }
        made_of = {"decoder": sizes, **options}
        return made_of, new_module(assemble, made_of, seed=self.seed)

    def _new_named(self, options: dict[str, Any]) -> tuple[dict[str, Any], AnchorEncoder]:
        s = self.settings
        encoder, tokenizer = named_encoder(
            s.decoder, options, folder=self.workspace.folder, layers=s.layers, seed=self.seed
        )
        if s.ntp_weight:
            self.words = Words(encoder.decoder, tokenizer, longest=self.workspace.settings.text.max_tokens)
        if s.lora_rank:
            from findcli.models.text.lora import with_lora

            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(step_seed(self.seed, -2))
                self.wrapped = with_lora(
                    encoder.decoder, task="FEATURE_EXTRACTION", rank=s.lora_rank, alpha=s.lora_alpha
                )
            encoder.decoder = self.wrapped.get_base_model()
        return {"decoder": s.decoder, "layers": s.layers, **options}, encoder

    def run(self, draft: Draft, checkpoints: Path, progress: Progress | None) -> list[Said]:
        """Train, fill the draft, and return what is said of validation users."""
        s = self.settings
        validate = self._validation()
        state = {f"openness.{name}": buffer for name, buffer in self.encoder.openness.named_buffers()}
        history = fit(
            self._loss, {"encoder": self.encoder}, steps=s.steps, lr=s.lr, weight_decay=s.weight_decay,
            warmup=s.warmup, clip=s.clip, seed=self.seed, progress=progress,
            # Under a mask that opens, earlier weights never saw the mask of inference: the last ones are kept.
            validate=None if self.encoder.opens else lambda: -validate()["auc"],
            validate_every=s.validate_every, patience=s.patience, checkpoint_dir=checkpoints,
            checkpoint_every=s.checkpoint_every, after_backward=self._observe, state=state,
        )  # fmt: skip
        draft.table("history.parquet", history.table())
        if self.wrapped is not None:
            from findcli.models.text.lora import merged

            self.encoder.decoder = merged(self.wrapped, draft.path("adapter"))
        save_encoder(draft, self.encoder, self.made_of)
        with torch.no_grad():
            figures = validate()
            neutral = self._neutral_vectors()
        mean, spread = self.encoder.openness.spread()
        draft.metrics |= history.summary() | {f"validation_{name}": value for name, value in figures.items()}
        draft.metrics |= {"warning": collapse_warning(torch.from_numpy(neutral))}
        if self.encoder.mask == "ggsm":
            draft.metrics |= {"openness_mean": mean, "openness_sd": spread}
        draft.json("mask.json", self._mask())
        draft.tensors("summary.safetensors", Directions.fit(neutral).tensors())
        draft.json("columns.json", self.columns.to_json())
        draft.table("sentences.parquet", self.sentences)
        with torch.no_grad():
            vectors = torch.cat([self.encoder.texts(block) for block in torch.split(self.queries, READ)])
        tensors = {"vectors": vectors, "queries": self.queries}
        draft.tensors("sentences.safetensors", {name: value.float().cpu().numpy() for name, value in tensors.items()})
        return self._said()

    def _mask(self) -> dict[str, Any]:
        s, openness = self.settings, self.encoder.openness
        last = max(0, s.steps - 1)
        opened = {"causal": 0.0, "bidirectional": 1.0, "scheduler": self.schedule.scheduler(last)}
        return {
            "kind": s.mask, "curve": self.schedule.curve, "floor": s.mask_floor,
            "shares": openness.shares.tolist(), "seen": openness.seen.tolist(),
            "last_openness": opened.get(s.mask, self.schedule.opened(last, after_warmup=True)),
        }  # fmt: skip

    def _loss(self, step: int) -> dict[str, Tensor]:
        s, seed = self.settings, step_seed(self.seed, step)
        batch = self.sampler.draw("train", users=s.batch_size, sentences=s.questions, seed=seed, everyone=True)
        rows = torch.from_numpy(batch.sentences).to(self.device)
        queries, extra = self.queries[rows], self.encoder.neutral  # (Q, D), (1 + families, D)
        with mixed_precision(self.device):
            tokens = self.encoder.tokens(batch.users)
            openness = self.encoder.openness_at(step, tokens, self.schedule)
            prefix, kept = self.encoder.read(tokens, openness=openness)
            states = self.encoder.answer(kept, torch.cat([extra, queries])[None])
            texts = self.encoder.texts(queries)
            vectors = self.encoder.vectors(states)
            odds = self.encoder.odds(states[:, len(extra) :], queries[None])
            words = None if self.words is None else self._word_loss(self.words, kept, batch)
        self._watch(step, tokens, prefix)
        contrast = self._contrast(vectors.float(), texts.float(), batch, rows)
        truth = functional.binary_cross_entropy_with_logits(odds.float(), batch.true.float())
        terms = {
            "contrast": s.contrast_weight * contrast,
            "truth": s.head_weight * truth,
            "ranking": s.head_weight * 0.5 * ranking_loss(odds.float(), batch.true),
        }
        return terms if words is None else terms | {"words": s.ntp_weight * words}

    def _contrast(self, vectors: Tensor, texts: Tensor, batch: PairBatch, rows: Tensor) -> Tensor:
        """The contrast of the neutral question, of families, and of the drawn questions, a third each."""
        s, n = self.settings, len(self.encoder.neutral)
        scale = torch.tensor(-math.log(s.temperature), device=self.device)
        neutral = contrastive_loss(vectors[:, 0], texts, batch.true, scale)
        within = [
            contrastive_loss(vectors[:, 1 + i], texts[chosen], batch.true[:, chosen], scale)
            for i, chosen in enumerate(self.of_family[:, rows])
            if int(chosen.sum()) > 1
        ]
        families = torch.stack(within).mean() if within else neutral
        asked = question_contrast(
            vectors[:, n:], texts, batch.true, negatives=s.negatives, temperature=s.temperature, margin=s.margin
        )
        return (neutral + families + asked) / 3

    def _word_loss(self, words: Words, kept: Kept, batch: PairBatch) -> Tensor:
        """The next-word loss of one true sentence a user, after the question about its family."""
        told = batch.true.any(1)
        if not told.any():
            return self.encoder.last.sum() * 0
        chosen = batch.sentences[batch.positive[told].cpu().numpy()]
        families = [self.families.index(family) for family in self.sentences["family"].gather(chosen)]
        queries = self.encoder.neutral[1 + torch.tensor(families, device=self.device)]
        answers = self.sentences["text"].gather(chosen).to_list()
        return words.loss(self.encoder, kept.rows(told), queries, answers)

    def _watch(self, step: int, tokens: Tokens, prefix: Tensor) -> None:
        """Keep what gradients are taken of while the mask learns where to open."""
        self._observed = None
        if self.encoder.mask == "ggsm" and self.schedule.warmed(step) < 1:
            of = prefix if self.settings.paper_exact else tokens.embeds
            of.retain_grad()
            self._observed = tokens, of

    def _observe(self, step: int) -> dict[str, float]:  # noqa: ARG002, the schedule told what to watch
        """Learn from the gradients of one step where the mask opens."""
        if self.encoder.mask != "ggsm":
            return {}
        if self._observed is not None:
            tokens, of = self._observed
            # No later layer reads the last states of a prefix, so that the paper's form has no gradient at all.
            norms = torch.zeros_like(tokens.steps) if of.grad is None else of.grad.norm(dim=-1)
            self.encoder.openness.observe(
                norms, tokens.valid, self.encoder.openness.buckets(tokens.kinds, tokens.steps)
            )
            self._observed = None
        mean, spread = self.encoder.openness.spread()
        return {"openness_mean": mean, "openness_sd": spread}

    def _reading(self, pairs: pl.DataFrame) -> Iterator[tuple[np.ndarray, Any]]:
        """Rows of pairs and what is kept of them, a block at a time."""
        for (part,), group in pairs.group_by("part", maintain_order=True):
            for rows in group.iter_slices(READ):
                chosen = rows["pair"].to_numpy()
                tokens = self.encoder.tokens(self.sampler.read(chosen, str(part)))
                yield chosen, self.encoder.read(tokens)[1]

    @torch.no_grad()
    def _neutral_vectors(self) -> np.ndarray:
        """Vectors for the neutral question of up to `SUMMARY_PAIRS` training users as of their last cutoff."""
        latest = latest_pairs(self.data, "train", most=SUMMARY_PAIRS, seed=self.seed)
        read = self._reading(latest)
        vectors = [self.encoder.vectors(self.encoder.answer(k, self.encoder.neutral[None, :1]))[:, 0] for _, k in read]
        return torch.cat(vectors).float().cpu().numpy()

    def _validation(self) -> Any:
        """Measures mean AUC within a question and recall at 10 of validation users, by the log odds."""
        latest = latest_pairs(self.data, "validation", most=VALIDATION_PAIRS, seed=self.seed)
        rng = np.random.default_rng(step_seed(self.seed, -3))
        n = min(VALIDATION_SENTENCES, int((self.sampler.weights > 0).sum()))
        rows = np.sort(rng.choice(len(self.queries), n, replace=False, p=self.sampler.weights))
        truth = self.data.truth.dense(latest["pair"].to_numpy(), rows)

        @torch.no_grad()
        def measure() -> dict[str, float]:
            read = list(self._reading(latest))
            odds = np.concatenate([self._odds(kept, rows) for _, kept in read])
            order = np.argsort(np.concatenate([pairs for pairs, _ in read]), kind="stable")
            return {
                "auc": float(np.nanmean(metrics.auc_by_column(odds[order], truth))),
                "recall_at_10": metrics.recall_at(odds[order], truth, 10),
            }

        return measure

    def _odds(self, kept: Any, rows: np.ndarray) -> np.ndarray:
        """Log odds of sentences by row: (B, len(rows))."""
        queries = self.queries[torch.from_numpy(rows).to(self.device)][None]
        return self.encoder.odds(self.encoder.answer(kept, queries), queries).float().cpu().numpy()

    @torch.no_grad()
    def _said(self) -> list[Said]:
        """What it says of validation users at every cutoff, for calibration."""
        rng, said = np.random.default_rng(self.seed), []
        validation = self.data.pairs.filter(pl.col("split") == "validation")
        rows = np.sort(rng.permutation(len(self.queries))[:SAID_SENTENCES])
        for (_,), pairs in validation.sort("cutoff", "pair").group_by("cutoff", maintain_order=True):
            few = pairs.sample(min(SAID_PAIRS, len(pairs)), seed=self.seed, shuffle=False).sort("pair")
            if len(few) < FEWEST_SAID:
                continue
            read = [(chosen, self._odds(kept, rows)) for chosen, kept in self._reading(few)]
            truth = self.data.truth.dense(np.concatenate([chosen for chosen, _ in read]), rows)
            said.append(Said(np.concatenate([odds for _, odds in read]), truth, rows))
        return said
