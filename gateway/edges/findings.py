"""What may stand in a person's way, and who lies within reach, as SQL: the words ``edges.overview`` is made of.

* A reach is a tuple of path tops. All below a top is one span of ``ix_scopes_path``; ``/`` is everything, and asks no
  scope at all: it includes people attached nowhere. Beyond a few tops they are one list in one parameter, joined with
  the scopes once: two thousand scopes are as good as two.
* Every category is an expression over one row of ``accounts``, the same as ``accounts.account.Account`` and the pages
  judge it, but for duplicates, which need other rows.
* Two accounts are duplicates when their names are spelled alike (``search``) and both belong to one place: the same
  scope, two services of one establishment, or an establishment and one of its services. Only what lies within the reach
  asked about counts, so that nobody learns of a namesake outside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from gateway.edges.schema import accounts, memberships, scopes
from gateway.overview import STOPS, Measure

EVERYTHING = "/"
_SPANS = 4  # tops that are spelled out, so that the database knows how much lies below them
Condition = sa.ColumnElement[bool]


class place_of(FunctionElement[int]):
    """Where the second text begins in the first, from 1; 0 when it does not occur."""

    type = sa.Integer()
    inherit_cache = True


@compiles(place_of, "sqlite")
def _instr(element: Any, compiler: Any, **words: Any) -> str:
    return f"instr({compiler.process(element.clauses, **words)})"


@compiles(place_of, "postgresql")
def _strpos(element: Any, compiler: Any, **words: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **words)})"


class entries_of(FunctionElement[Any]):
    """The entries of a JSON object of texts, as rows of ``key`` and ``value``."""

    name = "entries"
    inherit_cache = True


@compiles(entries_of, "sqlite")
def _json_each(element: Any, compiler: Any, **words: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **words)})"


@compiles(entries_of, "postgresql")
def _json_each_text(element: Any, compiler: Any, **words: Any) -> str:
    return f"json_each_text(CAST({compiler.process(element.clauses, **words)} AS json))"


# Reach


def narrowed(reach: Sequence[str], scope_path: str) -> tuple[str, ...]:
    """The part of a reach that lies at or below a path; the reach itself without one."""
    tops = tuple(dict.fromkeys(reach))
    if EVERYTHING in tops:
        return (scope_path or EVERYTHING,)
    highest: list[str] = []
    for top in sorted(tops):  # what lies below a top follows it
        if not highest or not top.startswith(highest[-1]):
            highest.append(top)
    tops = tuple(highest)
    if not scope_path:
        return tops
    if any(scope_path.startswith(top) for top in tops):
        return (scope_path,)
    return tuple(top for top in tops if top.startswith(scope_path))


def spelled_out(tops: Sequence[str]) -> bool:
    return len(tops) <= _SPANS


def within(s: Any, tops: Sequence[str]) -> Condition:
    """Whether a scope lies at or below one of the tops; the way to start from when rows are looked for."""
    return _spanned(s.c.path, tops) if spelled_out(tops) else s.c.id.in_(_inside(tops))


def lies(s: Any, tops: Sequence[str]) -> Condition:
    """The same as a question about rows found otherwise: no index of ``id`` is walked for it."""
    return _spanned(s.c.path, tops) if spelled_out(tops) else s.c.id.op("||")("").in_(_inside(tops))


def _spanned(path: sa.ColumnElement[str], tops: Sequence[str]) -> Condition:
    return sa.or_(*(sa.and_(path >= top, path < top[:-1] + "0") for top in tops))  # the character after "/" is "0"


def _inside(tops: Sequence[str]) -> sa.Select[Any]:
    top, s = listed({str(number): top for number, top in enumerate(tops)}), scopes.alias("inner")
    inside = sa.select(s.c.id).select_from(top.join(s, below(top.c.value, s.c.path)))
    return sa.select(inside.cte().prefix_with("MATERIALIZED").c.id)


def listed(tops: Mapping[str, str]) -> Any:
    """The tops as a table of ``key`` and ``value``."""
    made = entries_of(sa.literal(json.dumps(tops, ensure_ascii=False)))
    return made.table_valued(sa.column("key", sa.String), sa.column("value", sa.String), name="tops")


def below(top_path: sa.ColumnElement[str], path: sa.ColumnElement[str]) -> Condition:
    """The same against a top that is itself a column."""
    end = sa.func.substr(top_path, 1, sa.func.length(top_path) - 1).op("||")("0")
    return sa.and_(path >= top_path, path < end)


def people_within(tops: Sequence[str]) -> sa.Select[Any]:
    """``account_id`` of everybody attached at or below the tops, each once."""
    joined = scopes.join(memberships, memberships.c.scope_id == scopes.c.id)
    return sa.select(memberships.c.account_id).distinct().select_from(joined).where(within(scopes, tops))


def attached(account: sa.ColumnElement[str], tops: Sequence[str]) -> Condition:
    """Whether one account is attached at or below one of the tops."""
    here, there = memberships.alias("here"), scopes.alias("there")
    joined = here.join(there, there.c.id == here.c.scope_id)
    return sa.exists(
        sa.select(sa.literal(1))
        .select_from(joined)
        .where(here.c.account_id == account, lies(there, tops))
    )  # fmt: skip


def whole_tree(tops: Sequence[str]) -> bool:
    """Whether a top is a root, with nearly everybody below it: then people are walked, and not places."""
    return any(top.count("/") == 2 for top in tops)


def elsewhere(tops: Sequence[str]) -> sa.Select[Any]:
    """The scopes outside the tops."""
    return sa.select(scopes.c.id).where(sa.or_(scopes.c.path.is_(None), sa.not_(within(scopes, tops))))


# Categories


def findings(a: Any, measure: Measure) -> dict[str, Condition]:
    """By category, the condition over a row of ``accounts``; ``duplicate`` is not among them."""
    c = a.c
    no_mail = sa.or_(c.mail.is_(None), c.mail == "")
    return {
        "no_mail": no_mail,
        "unproved_mail": sa.and_(sa.not_(no_mail), c.mail_proved_at.is_(None)),
        "shared_mail": sa.and_(sa.not_(no_mail), c.mail_key.is_(None)),
        "generic_mailbox": sa.and_(
            c.mail_canonical.is_not(None),
            sa.func.substr(c.mail_canonical, 1, place_of(c.mail_canonical, "@") - 1).in_(measure.generic_mailboxes),
        ),
        "generic_name": _named(c.search, measure.generic_names),
        "dormant": dormant(a, measure),
        "never_strong": c.first_strong_at.is_(None),
        "no_national_id": c.national_id.is_(None),
        "suspended": c.suspended_at.is_not(None),
    }


def dormant(a: Any, measure: Measure) -> Condition:
    """No sign of life for longer than the dormancy, to the microsecond (``Account.standing``, R97)."""
    edge = measure.now - measure.dormancy
    return sa.and_(
        a.c.created_at < edge,
        sa.or_(a.c.last_sign_in_at.is_(None), a.c.last_sign_in_at < edge),
        sa.or_(a.c.reactivated_at.is_(None), a.c.reactivated_at < edge),
    )


def ready(a: Any, measure: Measure) -> Condition:
    """Nothing that stops a code (``overview.STOPS``); with ``prove_first`` also an address or a mobile that is proved."""
    found = findings(a, measure)
    stops = [sa.not_(found[name]) for name in STOPS]
    if measure.prove_first:
        mobile = sa.and_(a.c.phone.is_not(None), a.c.phone_proved_at.is_not(None))
        stops.append(sa.or_(a.c.mail_proved_at.is_not(None), mobile))
    return sa.and_(*stops)


def _named(search: sa.ColumnElement[str], words: Sequence[str]) -> Condition:
    # An absent name has no word: every condition stays true or false, so that NOT means what it says.
    spaced = sa.literal(" ").op("||")(sa.func.coalesce(search, "")).op("||")(" ")
    somewhere = sa.or_(sa.false(), *(place_of(search, word) > 0 for word in words))  # cheaper, and of nearly no name
    return sa.and_(somewhere, sa.or_(sa.false(), *(place_of(spaced, f" {word} ") > 0 for word in words)))


# Duplicates


def anchor_of(s: Any) -> sa.ColumnElement[str]:
    """The place people know each other in: of a service its establishment, else the scope itself."""
    service: sa.ColumnElement[str] = sa.literal_column(
        "'service'"
    )  # no parameter: PostgreSQL would not know it again in GROUP BY
    return sa.case((sa.and_(s.c.kind == service, s.c.parent_id.is_not(None)), s.c.parent_id), else_=s.c.id)


def duplicates(tops: Sequence[str]) -> sa.Select[Any]:
    """``id`` of every account with a duplicate within the tops, each once."""
    named = _named_anywhere(tops) if EVERYTHING in tops or whole_tree(tops) else _named_within(tops)
    people = named.cte("named").prefix_with("MATERIALIZED")
    return sa.select(people.c.id).distinct().where(alike(people))


def alike(people: sa.CTE, *keys: str) -> Condition:
    """Whether a row of ``people`` (``id``, ``search``, ``anchor``) has a name that another of them has at the same place;
    with ``keys``, another with the same values of these columns too."""
    by = [people.c[name] for name in (*keys, "search", "anchor")]
    groups = sa.select(*by).where(people.c.search != "").group_by(*by)
    groups = groups.having(sa.func.min(people.c.id) < sa.func.max(people.c.id))
    several = groups.cte("several").prefix_with("MATERIALIZED")
    return sa.tuple_(*by).in_(sa.select(*several.c))


def _named_within(tops: Sequence[str]) -> sa.Select[Any]:
    a, m, s = accounts.alias("a1"), memberships.alias("m1"), scopes.alias("s1")
    source = s.join(m, m.c.scope_id == s.c.id).join(a, a.c.id == m.c.account_id)
    people = sa.select(a.c.id, a.c.search, anchor_of(s).label("anchor")).select_from(source)
    return people.where(within(s, tops), a.c.closed_at.is_(None), a.c.search != "")


def _named_anywhere(tops: Sequence[str]) -> sa.Select[Any]:
    """Names that occur once, most of them, are left out before anything is joined."""
    a, b, m, s = accounts.alias("a1"), accounts.alias("b1"), memberships.alias("m1"), scopes.alias("s1")
    names = (
        sa.select(b.c.search)
        .where(b.c.closed_at.is_(None), b.c.search != "")
        .group_by(b.c.search)
        .having(sa.func.count() > 1)
        .cte("names")
        .prefix_with("MATERIALIZED")
    )
    services = (
        sa.select(s.c.id, s.c.parent_id)
        .where(s.c.kind == "service", s.c.parent_id.is_not(None))
        .cte("services")
        .prefix_with("MATERIALIZED")
    )
    source = (
        names.join(a, sa.and_(a.c.search == names.c.search, a.c.closed_at.is_(None)))
        .join(m, m.c.account_id == a.c.id)
        .outerjoin(services, services.c.id == m.c.scope_id)
    )
    anchor: sa.ColumnElement[str] = sa.func.coalesce(services.c.parent_id, m.c.scope_id)
    people = sa.select(a.c.id, a.c.search, anchor.label("anchor")).select_from(source)
    return people if EVERYTHING in tops else people.where(m.c.scope_id.not_in(elsewhere(tops)))


def duplicates_of(ids: Sequence[str], tops: Sequence[str]) -> sa.Select[Any]:
    """Which of these few accounts have a duplicate within the tops, found by their names."""
    a, m, s = accounts.alias("a1"), memberships.alias("m1"), scopes.alias("s1")
    here = [] if EVERYTHING in tops else [lies(s, tops)]
    mine = (
        sa.select(a.c.id, a.c.search, anchor_of(s).label("anchor"))
        .select_from(a.join(m, m.c.account_id == a.c.id).join(s, s.c.id == m.c.scope_id))
        .where(a.c.id.in_(ids), a.c.search != "", *here)
        .cte("mine")
        .prefix_with("MATERIALIZED")
    )
    b, bm, bs = accounts.alias("b1"), memberships.alias("m2"), scopes.alias("s2")
    same = sa.and_(b.c.search == mine.c.search, b.c.id != mine.c.id, b.c.closed_at.is_(None))
    mates = (
        sa.select(mine.c.id, mine.c.anchor, bm.c.scope_id)
        .select_from(mine.join(b, same).join(bm, bm.c.account_id == b.c.id))
        .cte("mates")
        .prefix_with("MATERIALIZED")
    )
    there = [] if EVERYTHING in tops else [lies(bs, tops)]
    joined = mates.join(bs, sa.and_(bs.c.id == mates.c.scope_id, anchor_of(bs) == mates.c.anchor))
    return sa.select(mates.c.id).distinct().select_from(joined).where(*there)
