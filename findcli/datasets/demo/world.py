"""The structure of the demo world, shared by its scenarios: intents, their topics and their rhythm.

The meaning is defined here; the words (names of topics, searches) are in the scenarios' TOML files. Rival intents
(renting, repairing and loving phones) have nearly the same topics, which makes their users hard negatives.

Tested in tests/datasets/test_demo.py.
"""

from dataclasses import dataclass

TOPICS = (
    "phones",
    "phone_accessories",
    "phone_repair",
    "phone_rental",
    "loans",
    "credit_bills",
    "transfers",
    "gift_cards",
    "account_security",
    "account_settings",
    "games",
    "travel",
    "groceries",
    "meals",
    "fashion",
    "family",
    "fitness",
    "transport",
)
SOURCES = ("bills", "clicks", "visits", "searches")


@dataclass(frozen=True, kw_only=True)
class Intent:
    """Something that a user wants, for a while or always.

    Attributes:
        share: share of users in whom it flares up at some time.
        steady: mean constant daily rate at activity 1; 0 if it only flares up.
        seen: weights of the topics of its clicks and visits.
        paid: weights of the topics of its bills.
        topic: topic of its searches, if the search engine understands them.
        vague: the group of the scenario's vague searches that it also types.
        sources: weights of bills, clicks, visits and searches.
        weekend: relative change of its rate on Saturday and Sunday.
        monthly: relative change of its rate just after payday.
        hour: typical hour of the day.
        failing: share of its bills that fail.
        instalments: share of its bills that are paid in instalments.
    """

    share: float
    seen: dict[str, float]
    paid: dict[str, float]
    topic: str
    steady: float = 0.0
    vague: str = "daily"
    sources: tuple[float, float, float, float] = (0.18, 0.30, 0.18, 0.34)
    weekend: float = 0.0
    monthly: float = 0.0
    hour: float = 19.0
    failing: float = 0.02
    instalments: float = 0.03


def _daily(topic: str, *, share: float, steady: float, weekend: float, hour: float, monthly: float = 0.0) -> Intent:
    return Intent(
        share=share,
        seen={topic: 1.0},
        paid={topic: 1.0},
        topic=topic,
        steady=steady,
        sources=(0.40, 0.25, 0.25, 0.10),
        weekend=weekend,
        monthly=monthly,
        hour=hour,
    )


INTENTS = {
    "rent_phone": Intent(
        share=0.09,
        seen={"phones": 0.45, "phone_accessories": 0.37, "phone_rental": 0.18},
        paid={"phone_accessories": 0.50, "phones": 0.25, "phone_rental": 0.25},
        topic="phone_rental",
        vague="phones",
        instalments=0.12,
    ),
    "repair_phone": Intent(
        share=0.08,
        seen={"phones": 0.42, "phone_accessories": 0.38, "phone_repair": 0.15, "phone_rental": 0.05},
        paid={"phone_accessories": 0.60, "phones": 0.20, "phone_repair": 0.20},
        topic="phone_repair",
        vague="phones",
        hour=13.0,
    ),
    "love_phones": Intent(
        share=0.12,
        seen={"phones": 0.55, "phone_accessories": 0.39, "phone_rental": 0.06},
        paid={"phone_accessories": 0.65, "phones": 0.35},
        topic="phones",
        vague="phones",
        weekend=0.3,
        instalments=0.12,
    ),
    "need_credit": Intent(
        share=0.18,
        seen={"loans": 0.42, "credit_bills": 0.33, "transfers": 0.25},
        paid={"credit_bills": 0.45, "transfers": 0.40, "loans": 0.15},
        topic="loans",
        vague="credit",
        monthly=-0.5,
        failing=0.12,
        instalments=0.20,
    ),
    "repay_credit": Intent(
        share=0.12,
        seen={"credit_bills": 0.45, "loans": 0.33, "transfers": 0.22},
        paid={"credit_bills": 0.55, "transfers": 0.38, "loans": 0.07},
        topic="credit_bills",
        vague="credit",
        monthly=1.5,
    ),
    "compromised": Intent(
        share=0.08,
        seen={"account_security": 0.48, "account_settings": 0.27, "transfers": 0.25},
        paid={"transfers": 0.55, "gift_cards": 0.40, "account_security": 0.05},
        topic="account_security",
        vague="account",
        sources=(0.17, 0.26, 0.15, 0.42),
        hour=23.0,
        failing=0.16,
    ),
    "cautious": Intent(
        share=0.12,
        seen={"account_security": 0.54, "account_settings": 0.34, "transfers": 0.12},
        paid={"transfers": 0.55, "account_security": 0.25, "gift_cards": 0.20},
        topic="account_security",
        vague="account",
        failing=0.06,
    ),
    "play_games": Intent(
        share=0.28,
        seen={"games": 0.80, "gift_cards": 0.20},
        paid={"games": 0.60, "gift_cards": 0.40},
        topic="games",
        vague="games",
        weekend=0.6,
        hour=21.0,
    ),
    "gift_games": Intent(
        share=0.14,
        seen={"games": 0.68, "gift_cards": 0.24, "family": 0.08},
        paid={"games": 0.45, "gift_cards": 0.47, "family": 0.08},
        topic="games",
        vague="games",
        weekend=0.4,
    ),
    "leave_app": Intent(
        share=0.14,
        seen={"account_settings": 0.50, "account_security": 0.35, "transfers": 0.15},
        paid={"transfers": 0.80, "account_settings": 0.20},
        topic="account_settings",
        vague="account",
        sources=(0.17, 0.26, 0.15, 0.42),
    ),
    "travel": _daily("travel", share=0.25, steady=0.03, weekend=0.5, hour=20.0),
    "groceries": _daily("groceries", share=0.10, steady=0.14, weekend=0.8, hour=18.0, monthly=1.2),
    "meals": _daily("meals", share=0.10, steady=0.14, weekend=-0.4, hour=12.5),
    "fashion": _daily("fashion", share=0.25, steady=0.06, weekend=0.6, hour=20.0, monthly=1.6),
    "family": _daily("family", share=0.12, steady=0.05, weekend=0.2, hour=17.0),
    "fitness": _daily("fitness", share=0.15, steady=0.04, weekend=-0.2, hour=7.5),
    "commute": _daily("transport", share=0.05, steady=0.12, weekend=-0.7, hour=8.5),
}
