"""What a column's name may say, in English, German, French, Spanish, Italian, Dutch and Portuguese.

Tested in tests/datasets/test_tables.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

USER_WORDS = (
    "user", "customer", "client", "household", "member", "person", "account", "shopper", "buyer", "visitor",
    "subscriber", "consumer", "patient", "guest", "player", "cust", "u", "cardholder", "people", "profile", "student",
    "reader", "visid", "ecid", "contact", "patron", "recipient", "borrower", "donor", "passenger", "learner",
    "participant", "listener", "viewer", "policyholder", "tenant", "kunde", "nutzer", "benutzer", "mitglied",
    "kaeufer", "kaufer", "kd", "besteller", "haushalt", "utilisateur", "usager", "abonne", "adherent", "acheteur",
    "membre", "usuario", "klient", "klienta", "uzytkownik", "zakaznik", "kund", "distinct", "payer",
    "cliente", "socio", "comprador", "utente", "acquirente", "utilizador", "klant", "gebruiker",
    "lid", "koper",
)  # fmt: skip
# They stand for a person where nothing better does.
LIKE_USERS = ("msisdn", "email", "mail", "login", "card", "phone", "cookie", "device", "visit", "ip", "session")
TIME_WORDS = (
    "timestamp", "datetime", "time", "date", "when", "day", "at", "ts", "on", "created", "occurred", "epoch", "dt",
    "dat", "datum", "zeit", "zeitpunkt", "tag", "jour", "heure", "fecha", "hora", "dia", "data", "ora", "tijd",
    "tijdstip",
)  # fmt: skip
OTHER_TIMES = (
    "birth", "dob", "end", "until", "expires", "expiry", "updated", "modified", "due", "signup", "joined",
    "registered", "delivered", "delivery", "shipped", "ship", "estimated", "geburtsdatum", "geburtstag", "lieferdatum",
    "naissance", "livraison", "nacimiento", "nascita", "geboortedatum",
)  # fmt: skip
PERIODS = ("week", "month", "year", "quarter", "hour", "monat", "jahr", "woche", "mois", "annee", "semaine", "mes")
MEASURES = (
    "duration", "length", "seconds", "sec", "minute", "minutes", "count", "score", "rating", "weight", "age", "lat",
    "lon", "latitude", "longitude", "size", "level", "rank", "position", "pos", "dauer", "duree", "version", "index",
)  # fmt: skip
LABEL_WORDS = ("label", "target", "churn", "churned", "outcome", "y", "truth")
ITEM_CODES = ("id", "code", "sku", "no", "nr", "number", "nummer", "num", "asin", "ean", "upc", "isbn", "ref", "key")
SLOT_WORDS = {
    "text": ("query", "search", "keyword", "keywords", "term", "phrase", "suchbegriff", "recherche", "busqueda"),
    "status": ("status", "state", "result", "outcome", "statut", "etat", "estado", "stato", "event", "action"),
    "department": ("department", "dept", "division", "section", "abteilung", "rayon", "departamento", "reparto"),
    "category": (
        "category", "cat", "subcategory", "genre", "genero", "genere", "kind", "class", "type", "topic", "kategorie",
        "warengruppe", "categorie", "categoria", "famille", "rubrique", "categoría",
    ),
    "merchant": (
        "merchant", "store", "shop", "seller", "vendor", "provider", "retailer", "brand", "haendler", "handler",
        "filiale", "marke", "magasin", "vendeur", "marque", "enseigne", "tienda", "marca", "negozio", "winkel", "payee",
        "empfaenger", "verkaeufer",
    ),
    "channel": (
        "channel", "method", "medium", "device", "platform", "kanal", "zahlungsart", "zahlart", "canal", "paiement",
        "canale", "kanaal",
    ),
    "item": (
        "description", "desc", "item", "product", "prod", "article", "goods", "bezeichnung", "beschreibung",
        "artikel", "produkt", "ware", "designation", "libelle", "produit", "descripcion", "producto", "articulo",
        "descrizione", "prodotto", "articolo", "omschrijving", "descricao", "produto", "title", "titel", "titre",
        "titulo", "titolo", "page", "url", "app", "program", "coupon", "song", "track", "movie", "book", "course",
        "lesson", "service", "verwendungszweck", "sku", "stock", "asin", "site", "path",
    ),
}  # fmt: skip
TOTAL_WORDS = (
    "amount", "total", "value", "sale", "spend", "spent", "revenue", "paid", "fare", "turnover", "money", "debit",
    "soll", "betrag", "umsatz", "gesamt", "totaal", "summe", "wert", "zeilenwert", "montant", "somme", "importe",
    "monto", "importo", "totale", "bedrag", "omzet", "valor", "sum", "gross", "net",
)  # fmt: skip
PRICE_WORDS = ("price", "preis", "einzelpreis", "prix", "tarif", "precio", "prezzo", "prijs", "preco", "cost")
QUANTITY_WORDS = (
    "quantity", "qty", "units", "pieces", "pcs", "menge", "anzahl", "stueck", "stuck", "stk", "quantite", "qte",
    "nombre", "cantidad", "unidades", "quantita", "aantal", "quantidade", "qtd", "qtde",
)  # fmt: skip
NO_AMOUNT = (
    "tax", "vat", "mwst", "ust", "tva", "iva", "discount", "disc", "rabatt", "remise", "descuento", "sconto",
    "shipping", "freight", "versand", "fee", "balance", "saldo", "solde", "rating", "score", "limit", "lifetime",
    "tip", "percent", "pct",
)  # fmt: skip
RETURN_WORDS = (
    "return", "returned", "refund", "refunded", "cancel", "cancelled", "canceled", "cancellation", "void", "voided",
    "chargeback", "reversed", "storno", "storniert", "retour", "retoure", "ruckgabe", "rueckgabe", "annule",
    "annulation", "rembourse", "remboursement", "devolucion", "devuelto", "reso", "rimborso",
)  # fmt: skip
INVOICE_WORDS = (
    "invoice", "order", "bill", "receipt", "transaction", "basket", "ticket", "document", "rechnung", "beleg",
    "bestellung", "bestellnummer", "facture", "commande", "pedido", "factura", "fattura", "ordine", "factuur",
)  # fmt: skip
PLACES = ("city", "country", "zip", "region", "postcode", "county", "address")
CURRENCY_WORDS = ("currency", "curr", "ccy", "waehrung", "wahrung", "devise", "moneda", "divisa", "valuta", "moeda")
EVENT_KINDS = ("event", "action", "activity", "behavior", "behaviour", "interaction")
FAMILY_WORDS = {
    "search": ("search", "query", "queries", "suche", "recherche"),
    "exposure": ("campaign", "impression", "exposure", "sent", "message", "mail", "push", "notification"),
    "click": ("click", "redemption", "redeem", "open", "tap", "response", "klick", "clic"),
    "browse": (
        "visit", "view", "browse", "session", "mini", "program", "pageview", "page", "event", "log", "besuche",
        "visite",
    ),
    "purchase": (
        "transaction", "order", "purchase", "sale", "basket", "receipt", "bill", "payment", "invoice", "retail",
        "bestellung", "kauf", "kaeufe", "verkauf", "umsatz", "umsaetze", "rechnung", "buchung", "commande", "achat",
        "vente", "paiement", "facture", "pedido", "compra", "venta", "factura", "ordini", "vendite", "acquisti",
        "bestelling", "verkoop",
    ),
}  # fmt: skip
_BEFORE = (
    r"(?:id|cod|codice|codigo|kod|nro|no|nr|num|numero|numer|number|code|key|ref|unique|masked|hashed|anon|anonymous"
    r"|full|main)*"
)
_AFTER = (
    r"(?:unique|id|no|nr|num|number|nummer|numero|nro|numer|key|code|kode|codigo|hash|hashed|ref|guid|uuid|kennung|sk)*"
)
_BETWEEN = r"pseudo|crm|loyalty|master|anonymous|unique|global|external|internal|login"
_USERS = "|".join(sorted(USER_WORDS, key=len, reverse=True))
_USER_NAME = re.compile(
    rf"^{_BEFORE}(?:d[eou])?(?:(?:{_USERS})(?:s|n|en|e)?)+(?:{_BETWEEN})*(?P<after>{_AFTER}|name|email|mail)$"
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "œ": "oe", "æ": "ae", "ø": "o", "ł": "l"})


def words(name: str) -> list[str]:
    """The words of a name such as "transactionDate" or "sales_value": lower case, no accents, plurals as singulars."""
    split = re.sub(r"(?<=[a-z0-9äöüéèàß])(?=[A-ZÄÖÜ])", " ", name).lower().translate(_UMLAUTS)
    plain = "".join(char for char in unicodedata.normalize("NFKD", split) if not unicodedata.combining(char))
    return [re.sub(r"(?<=\w\w)(?<!s)s$", "", word) for word in re.split(r"[\W_]+", plain) if word]


def names(name: str, vocabulary: Iterable[str]) -> int:
    """How well a name fits a vocabulary: 2 when a word of it is there, 1 when one is hidden in it, 0 otherwise."""
    parts = words(name)
    flat = "".join(parts)
    known = [words(word)[0] for word in vocabulary]
    if any(word in parts for word in known):
        return 2
    return int(any(len(word) > 3 and word in flat for word in known))


def rank_in(name: str, vocabulary: tuple[str, ...]) -> tuple[int, int]:
    """How well a name fits a vocabulary, whole words first, then those that stand early in it."""
    fit = names(name, vocabulary)
    return fit, -next((i for i, word in enumerate(vocabulary) if names(name, (word,)) == fit), len(vocabulary))


def is_user_name(name: str, *, table: str) -> bool:
    """Whether a column's name says that it holds the users' ids; "id" does in a table that is named after users."""
    flat = "".join(words(name))
    return bool(_USER_NAME.match(flat)) or (
        flat in ("id", "nr", "no") and bool(_USER_NAME.match("".join(words(table))))
    )


def is_person_name(name: str) -> bool:
    """Whether a name is that of a column of people's names or addresses beside their ids, such as "customer_name"."""
    fit = _USER_NAME.match("".join(words(name)))
    return fit is not None and fit["after"] in ("name", "email", "mail")


def is_code(name: str) -> bool:
    """Whether a name says that the column holds codes, such as "StockCode" or "product_id"."""
    parts = words(name)
    return bool(parts) and (parts[-1] in ITEM_CODES or parts[0] in ITEM_CODES or bool(_CODE.search("".join(parts))))


_CODE = re.compile(r"(nummer|nr|code|sku)$")


def is_other_name(name: str) -> bool:
    """Whether a name says that the column holds something else than users, such as "store_id", "week" or "price"."""
    parts = words(name)
    others = (
        *TIME_WORDS, *OTHER_TIMES, *PERIODS, *TOTAL_WORDS, *PRICE_WORDS, *QUANTITY_WORDS, *LABEL_WORDS, *INVOICE_WORDS,
        *MEASURES, *(word for slot in SLOT_WORDS.values() for word in slot),
    )  # fmt: skip
    codes = parts[-1:] and parts[-1].endswith("id") and names(name, SLOT_WORDS["item"])
    return (
        bool(codes) or (len(parts) > 1 and parts[-1] == "id") or names(name, others) == 2 or names(name, TIME_WORDS) > 0
    )


def is_bare_id(name: str) -> bool:
    """Whether a name is that of an id of nothing known, such as "party_id"."""
    parts = words(name)
    things = [word for slot in SLOT_WORDS.values() for word in slot]
    return (
        len(parts) > 1 and parts[-1] == "id" and not names(name, (*things, *INVOICE_WORDS, *FAMILY_WORDS["exposure"]))
    )


def is_quantity(name: str) -> bool:
    """Whether a name says that the column counts pieces."""
    other = (*NO_AMOUNT, *PRICE_WORDS, "value", "amount")
    return names(name, QUANTITY_WORDS) > 0 and not names(name, other)
