"""FIND's stage 2: trains fusion, encoders and the text tower's LoRA together on pairs (Eqs 11-13).

It writes `user.json` and `user.safetensors` (modality encoders and fusion), `columns.json`, `tower/` (the text tower,
LoRA merged), `adapter/` (the LoRA alone), `sentence.safetensors` (the projection), `sentences.parquet` and
`sentences.safetensors` (the training sentences and their vectors), and `history.parquet`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from findcli import metrics
from findcli.models.find.assemble import StageRuns, modalities_of, new_user_encoder
from findcli.models.find.profile_sentences import ProfileSentences
from findcli.models.find.user import Modalities
from findcli.models.next_event.reader import TokenReader
from findcli.models.text.encoder import TextEncoder, load_text_encoder
from findcli.models.text.sentence import SentenceEncoder
from findcli.models.user_summary import Directions
from findcli.models.weights import save_module
from findcli.progress import Progress
from findcli.training import losses
from findcli.training.examples import TrainingData
from findcli.training.loop import collapse_warning, fit, mixed_precision, step_seed
from findcli.training.pair_sampler import PairBatch, PairSampler, latest_pairs
from findcli.workspace.folder import Workspace
from findcli.workspace.runs import Draft
from findcli.workspace.settings import Align

VALIDATION_PAIRS, VALIDATION_SENTENCES = 512, 200
SUMMARY_PAIRS = 10_000


class Objective(nn.Module):
    """The alignment loss of one batch, with learned temperature and bias."""

    def __init__(self, settings: Align) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(losses.INITIAL_LOGIT_SCALE))
        self.logit_bias = nn.Parameter(torch.tensor(-10.0), requires_grad=settings.loss == "sigmoid")
        self.kind = "paper" if settings.paper_exact else settings.loss

    def forward(self, users: Tensor, texts: Tensor, true: Tensor, positive: Tensor) -> Tensor:
        """Compute the loss, ().

        Args:
            users: unit vectors, (B, D).
            texts: unit vectors of sentences, (S, D).
            true: whether sentence s holds of user b, bool (B, S).
            positive: index of one true sentence per user, int64 (B,).
        """
        self.logit_scale.data.clamp_(max=losses.MAX_LOGIT_SCALE)
        scale = self.logit_scale
        if self.kind == "paper":
            return losses.paper_infonce(users, texts[positive])
        if self.kind == "infonce":
            return losses.infonce_loss(users, texts, positive, true, scale)
        if self.kind == "sigmoid":
            return losses.sigmoid_loss(users, texts, true, scale, self.logit_bias)
        return losses.contrastive_loss(users, texts, true, scale)


def alone(modalities: Modalities) -> list[Modalities]:
    """For each modality, the same users as if they had no other."""
    return [
        {
            other: (vector, has if other == name else torch.zeros_like(has))
            for other, (vector, has) in modalities.items()
        }
        for name in modalities
    ]


def some_hidden(modalities: Modalities, share: float) -> Modalities:
    """The same users without some of their modalities, drawn by torch's generator; each keeps one that he has.

    Args:
        modalities: each modality's vectors, (B, D_m), and which users have it, bool (B,).
        share: the probability that a modality of a user is hidden.
    """
    present = torch.stack([has for _, has in modalities.values()], 1)  # (B, M)
    draws = torch.rand(present.shape, device=present.device).masked_fill(~present, -1)
    kept = present & ((draws >= share) | (draws == draws.amax(1, keepdim=True)))
    return {name: (vector, kept[:, i]) for i, (name, (vector, _)) in enumerate(modalities.items())}


class Alignment:
    """One joint training of FIND's user and sentence encoders."""

    def __init__(self, workspace: Workspace, runs: StageRuns, device: str) -> None:
        self.settings, self.seed = workspace.settings.align, workspace.settings.workspace.seed
        self.workspace, self.runs, self.device = workspace, runs, device
        self.data = TrainingData(runs.pairs)
        texts = torch.from_numpy(runs.text.tensors("texts.safetensors")["vectors"]).to(device)
        profiles = runs.pairs.table("profiles.parquet")
        of_profiles = None
        if self.settings.profile_sentences:
            of_profiles = ProfileSentences.of(profiles, runs.columns(), subject=workspace.settings.workspace.subject)
        self.reader = None
        if "next_event" in runs.encoders:
            self.reader = TokenReader.of_training(workspace, runs.events, self.data, runs.encoders["next_event"])
        self.sampler = PairSampler(
            workspace, self.data, runs.columns().encode(profiles), texts, of_profiles.true if of_profiles else None,
            tokens=None if self.reader is None else self.reader.before,
        )  # fmt: skip
        self.made_of, self.users = new_user_encoder(self.settings, runs, modalities_of(workspace, runs), seed=self.seed)
        self.users.to(device)
        self.words = runs.pairs.table("sentences.parquet")["text"].to_list()
        self.taught = [*self.words, *(of_profiles.words if of_profiles else [])]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_seed(self.seed, -2))
            self.sentences = SentenceEncoder(tower=self._tower(), d_embedding=self.settings.d_embedding).to(device)
            if self.settings.lora_rank:
                self._adapt(self.sentences.tower)
        self.objective = Objective(self.settings).to(device)

    def _tower(self) -> TextEncoder:
        settings = self.settings
        name = str(self.runs.text.folder / "model") if settings.tower == "text" else settings.tower
        return load_text_encoder(
            name, max_tokens=self.workspace.settings.text.max_tokens, relative_to=self.workspace.folder,
            pooling=settings.pooling, layers=settings.tower_layers,
        )  # fmt: skip

    def _adapt(self, tower: TextEncoder) -> None:
        from findcli.models.text.lora import add_lora, bound_memory

        settings = self.settings
        add_lora(
            tower, rank=settings.lora_rank, alpha=settings.lora_alpha,
            targets=settings.lora_targets, layers=settings.lora_layers,
        )  # fmt: skip
        longest = sorted(map(len, tower.tokens(self.taught)))[-settings.sentences :]
        bound_memory(tower, tokens=sum(longest), layers=settings.lora_layers)

    def run(self, draft: Draft, checkpoints: Path, progress: Progress | None) -> None:
        """Train and fill the draft."""
        settings = self.settings
        encode = self._sentence_encoder()
        validate = self._validation(encode)

        def loss(step: int) -> dict[str, Tensor]:
            seed = step_seed(self.seed, step)
            batch = self.sampler.draw("train", users=settings.batch_size, sentences=settings.sentences, seed=seed)
            with mixed_precision(self.device):
                modalities = self.users.modalities(batch.users)
                seen = some_hidden(modalities, settings.modality_dropout) if settings.modality_dropout else modalities
                views = [seen, *(alone(modalities) if settings.modality_weight else [])]
                users, texts = [self.users.fuse(view) for view in views], encode(batch.sentences)  # (B, D), (S, D)
            one, *others = [
                self.objective(vectors.float(), texts.float(), batch.true, batch.positive) for vectors in users
            ]
            weighted = settings.modality_weight * torch.stack(others).mean() if others else None
            return {"alignment": one} | ({} if weighted is None else {"alone": weighted})

        history = fit(
            loss, {"users": self.users, "sentences": self.sentences, "objective": self.objective}, steps=settings.steps,
            lr=settings.lr, module_lrs={"sentences": settings.lora_lr}, weight_decay=settings.weight_decay,
            warmup=settings.warmup, clip=settings.clip, seed=self.seed, progress=progress,
            validate=lambda: -validate()["auc"], validate_every=settings.validate_every, patience=settings.patience,
            checkpoint_dir=checkpoints, checkpoint_every=settings.checkpoint_every,
        )  # fmt: skip
        draft.table("history.parquet", history.table())
        with torch.no_grad():
            figures = validate()
        draft.metrics |= history.summary() | {f"validation_{name}": value for name, value in figures.items()}
        batch = self.sampler.draw("validation", users=settings.batch_size, sentences=settings.sentences, seed=self.seed)
        with torch.no_grad():
            draft.metrics["warning"] = collapse_warning(self.users(batch.users))
        draft.tensors("summary.safetensors", Directions.fit(self._latest_vectors()).tensors())
        self._save(draft)

    @torch.no_grad()
    def _latest_vectors(self) -> np.ndarray:
        """Fused vectors of up to `SUMMARY_PAIRS` training users as of their last cutoff: float32 (N, D)."""
        latest = latest_pairs(self.data, "train", most=SUMMARY_PAIRS, seed=self.seed)
        vectors = []
        for (part,), group in latest.group_by("part", maintain_order=True):
            for rows in group.iter_slices(VALIDATION_PAIRS):
                vectors.append(self.users(self.sampler.read(rows["pair"].to_numpy(), str(part))).float().cpu().numpy())
        return np.concatenate(vectors)

    def _sentence_encoder(self) -> Callable[[np.ndarray], Tensor]:
        """Encodes sentences by row, (S,) -> (S, D); a frozen tower's vectors are computed once."""
        if self.settings.lora_rank:
            return lambda rows: self.sentences([self.taught[row] for row in rows])
        raw = torch.empty(len(self.taught), self.sentences.tower.width, device=self.device)
        for rows, vectors in self.sentences.tower.eval().vectors(self.taught):
            raw[rows] = vectors.to(self.device)
        return lambda rows: self.sentences.head(raw[torch.from_numpy(rows)])

    def _validation(self, encode: Callable[[np.ndarray], Tensor]) -> Callable[[], dict[str, float]]:
        """Measures mean AUC over sentences and recall at 10, on validation users; a frozen tower encodes nothing."""
        batches = self._validation_batches()
        sentences = batches[0].sentences
        truth = np.concatenate([batch.true.cpu().numpy() for batch in batches])

        def measure() -> dict[str, float]:
            users = torch.cat([self.users(batch.users) for batch in batches]).cpu()
            frozen = not self.settings.lora_rank
            texts = encode(sentences) if frozen else self.sentences.vectors([self.words[row] for row in sentences])
            scores = (users @ texts.cpu().T).numpy()
            return {
                "auc": float(np.nanmean(metrics.auc_by_column(scores, truth))),
                "recall_at_10": metrics.recall_at(scores, truth, 10),
            }

        return measure

    def _validation_batches(self) -> list[PairBatch]:
        """The last pair of each validation user, all with the same sentences."""
        latest = latest_pairs(self.data, "validation", most=VALIDATION_PAIRS, seed=self.seed)
        rng = np.random.default_rng(step_seed(self.seed, -3))
        n = min(VALIDATION_SENTENCES, len(self.words))
        sentences = np.sort(rng.choice(len(self.words), n, replace=False, p=self.sampler.weights))
        batches = []
        for (part,), group in latest.group_by("part", maintain_order=True):
            pairs = group["pair"].to_numpy()
            true = torch.from_numpy(self.data.truth.dense(pairs, sentences))
            batches.append(PairBatch(self.sampler.read(pairs, str(part)), sentences, true, true.int().argmax(1)))
        return batches

    def _save(self, draft: Draft) -> None:
        save_module(draft, "user", self.users, self.made_of)
        draft.json("columns.json", self.runs.columns().to_json())
        if self.reader is not None:
            self.reader.save(draft)
        if self.settings.lora_rank:
            from findcli.models.text.lora import merge_lora

            merge_lora(self.sentences.tower, draft.path("adapter"))
        self.sentences.tower.save(draft.path("tower"), halve=True)
        draft.table("sentences.parquet", self.runs.pairs.table("sentences.parquet"))
        draft.tensors("sentences.safetensors", {"vectors": self.sentences.eval().vectors(self.words).numpy()})
        project = {
            name: weight.detach().cpu().contiguous() for name, weight in self.sentences.project.state_dict().items()
        }
        save_file(project, draft.path("sentence.safetensors"))
