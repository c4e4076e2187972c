"""The settings that say what may be done with people: whose consent there is, and which columns are sensitive."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

from annotated_doc import Doc

from findcli.workspace.table_form import TableForm

if TYPE_CHECKING:
    from findcli.workspace.settings import Profile


@dataclass(frozen=True, kw_only=True)
class Consent(TableForm):
    """The table [consent]: what each user agreed or objected to, from a table of its own; missing means no."""

    path: Annotated[str | None, Doc("table with a row a user, or a row a change; relative to this file")] = None
    user: Annotated[str, Doc("column of the user id")] = "user_id"
    time: Annotated[str | None, Doc("column of when a row was written; a user's latest row counts")] = None
    purposes: Annotated[dict[str, str], Doc("the column of yes and no for each purpose: {ads = 'consent_ads'}")] = (
        field(default_factory=dict)
    )
    objection: Annotated[str | None, Doc("column that marks who objects to marketing of any kind")] = None


@dataclass(frozen=True, kw_only=True)
class Sensitive:
    """The table [sensitive]: columns of the profile that neither train nor filter unless that is switched on."""

    columns: Annotated[tuple[str, ...], Doc("such as gender or religion; `target` reports the audience by them")] = ()
    use: Annotated[bool, Doc("let them train and filter all the same; what is made with them names them")] = False

    @property
    def withheld(self) -> tuple[str, ...]:
        """The columns that nothing may use."""
        return () if self.use else self.columns

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that are used although they are sensitive."""
        return self.columns if self.use else ()


def withheld(profile: Profile, sensitive: Sensitive) -> Profile:
    """A profile without its sensitive columns; as it is where their use is switched on.

    Every stage, rival and filter takes its columns from the settings, so what is left out here is read by none.
    """
    names = set(sensitive.withheld)
    return replace(
        profile,
        categorical=tuple(name for name in profile.categorical if name not in names),
        ordered={name: values for name, values in profile.ordered.items() if name not in names},
        numeric=tuple(name for name in profile.numeric if name not in names),
    )
