"""The tree of commands: each with the module that holds it, its heading and its line in `findcli --help`.

Tested in tests/test_cli.py.
"""

from findcli.cli.lazy import Command, LazyGroup

WORKSPACE, BUILD, USE, EVALUATE = "Workspace", "Build", "Use", "Evaluate"

COMMANDS = (
    Command(
        "quickstart",
        "quickstart:quickstart",
        WORKSPACE,
        "Simulate a small world, train on it, choose an audience by one sentence and probe a task, in a few minutes.",
        "demo --users 2000",
    ),
    Command(
        "init",
        "init:init",
        WORKSPACE,
        "Create a workspace: settings and data, or settings guessed from your own tables.",
        "shop --from tables orders.csv customers.csv",
    ),
    Command(
        "check",
        "check:check",
        WORKSPACE,
        "Check every table: show what is unusable, and whether training can begin (exit code 1 if it cannot).",
        "--workspace shop",
    ),
    Command(
        "describe",
        "describe:describe",
        WORKSPACE,
        "Draw each source's events per week, or one user's timeline in the texts that the model reads.",
        "42 --as-of 2017-10-30",
    ),
    Command(
        "status",
        "status:status",
        WORKSPACE,
        "Show which stages are up to date, how old and how large they are, and why others have to run.",
        "--workspace shop",
    ),
    Command(
        "clean",
        "clean:clean",
        WORKSPACE,
        "Remove superseded runs and the leftovers of interrupted ones, never your data.",
        "--dry-run",
    ),
    Command(
        "run",
        "run:run",
        BUILD,
        "Run every stage that is missing or out of date, in order; an interrupted run resumes where it stopped.",
        "--set align.steps=500",
    ),
    Command(
        "build-pairs",
        "build_pairs:build_pairs",
        BUILD,
        "Split every history at its cutoffs: inputs from before, sentences about what came after.",
        "--dry-run",
    ),
    Command("pretrain", "pretrain:app", BUILD, "Train one encoder on histories alone.", "text"),
    Command(
        "align",
        "align:align",
        BUILD,
        "Fuse the encoders, and align users with sentences about their future; then train the ranker.",
        "--with ../other-shop",
    ),
    Command(
        "embed",
        "embed:embed",
        BUILD,
        "Turn every user's history before a date, by default the latest, into a vector; new users are included.",
        "--as-of 2017-10-30",
    ),
    Command(
        "update",
        "update:update",
        BUILD,
        "Read what is new in the sources and embed the users whom it concerns, with the model as it was trained.",
        "--workspace shop",
    ),
    Command(
        "tune-rewriter",
        "tune_rewriter:tune_rewriter",
        BUILD,
        "Teach a language model this workspace's domain, then which sentences demands mean, with LoRA in two stages.",
        "--steps 500",
    ),
    Command(
        "target",
        "target:target",
        USE,
        "Rank users by a demand in your own words, and select the best 100 unless you choose otherwise.",
        '"people who rent phones" --top-k 50 -o renters.csv',
    ),
    Command(
        "predict-next",
        "predict_next:predict_next",
        USE,
        "Name the likeliest next events of users, with probabilities, and whether each is a repeat.",
        "42 --new-only --as-of 2017-10-30",
    ),
    Command(
        "lift",
        "lift:lift",
        USE,
        "Compare users who were reached with those held out: the difference, how sure it is, and where it came from.",
        "spring purchases.csv --amount price",
    ),
    Command(
        "size",
        "size:size",
        USE,
        "Show what each size of an audience is expected to bring: how many respond, and which share.",
        '"people who rent phones" --percents 1,5,10',
    ),
    Command(
        "tune-prompt",
        "tune_prompt:tune_prompt",
        USE,
        "Learn a prompt from a sentence and a few seed users, such as five seeds and five hard negatives.",
        '"phone renters" --seeds seeds.csv --name phones',
    ),
    Command("prompts", "prompts:app", USE, "List learned prompts, and show what one has learned.", "list"),
    Command("audience", "audience:app", USE, "List, show, combine and compare saved audiences.", "list"),
    Command(
        "export",
        "export:export",
        USE,
        "Write an audience to a file: as a table of your own, or as hashed contacts for an advertising platform.",
        "phone-renters --format google -o renters.csv",
    ),
    Command(
        "forget",
        "forget:forget",
        USE,
        "Take users out of run folders, saved audiences and caches, and keep a refresh from bringing them back.",
        "4711 4712 --dry-run",
    ),
    Command(
        "report",
        "report:report",
        USE,
        "Write a saved audience as one page: how it was read, how many, how good, who they are; it needs no network.",
        "phone-renters -o report.html",
    ),
    Command(
        "serve",
        "serve:serve",
        USE,
        "Show a page on this machine where a sentence is typed, the size is moved and the list is downloaded.",
        "--workspace shop",
    ),
    Command(
        "card",
        "card:card",
        USE,
        "Print a model card and data sheet in Markdown: data, dates, sizes, how good, groups, use and limits.",
        "phone-renters -o card.md",
    ),
    Command(
        "plot",
        "plot:plot",
        EVALUATE,
        "Draw a map of users, with those who are alike near each other, coloured by a task's outcome or by a score.",
    ),
    Command(
        "probe",
        "probe:probe",
        EVALUATE,
        "Fit a linear model on the users' vectors: what frozen vectors are worth for a task, with labels.",
    ),
    Command(
        "evaluate",
        "evaluate:app",
        EVALUATE,
        "Rank each task's users by its demand sentence alone, and by its paraphrases.",
    ),
    Command(
        "few-shot",
        "few_shot:few_shot",
        EVALUATE,
        "Tune prompts on a few seed users of each task, beside the demand sentence and rivals with the same seeds.",
    ),
    Command(
        "ablate",
        "ablate:ablate",
        EVALUATE,
        "Train findcli without one of its parts, or with one changed, and measure what that costs each task's ranking.",
    ),
    Command(
        "rank-sentences",
        "rank_sentences:rank_sentences",
        EVALUATE,
        "Rank the held-out users by one sentence per common category, beside rivals that see the same purchases.",
    ),
    Command(
        "benchmark",
        "benchmark:app",
        EVALUATE,
        "Measure findcli beside its rivals, on one protocol.",
        "journey --users 500",
    ),
)


class Tree(LazyGroup):
    """The commands of findcli."""

    table = COMMANDS
