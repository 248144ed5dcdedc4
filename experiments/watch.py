"""What people saw: every answer with its time, and the figures that follow from them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from statistics import quantiles

CONNECTION = "connection"


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer to a request of a protected route. ``at`` is when it was asked, in seconds of a steady clock; ``took``
    how long it took; ``whose`` the mark of the identity that reached the application."""

    at: float
    took: float
    status: int
    who: str
    whose: str | None

    @property
    def good(self) -> bool:
        return self.status == 200


@dataclass
class Figures:
    """What one experiment showed. Times in seconds."""

    requests: int = 0
    failed: dict[str, int] = field(default_factory=dict)  # by status, or "connection"
    longest_refusal: float = 0.0  # of one person, from the first refused request to the next that was served
    to_recover: float = 0.0  # from the end of the fault to the last refused request
    slowest: float = 0.0
    p99: float = 0.0
    sign_ins_tried: int = 0
    sign_ins_done: int = 0
    sign_ins_lost: int = 0  # acknowledged by a session cookie, and later not known, though nobody signed out
    unwritten: int = 0  # acknowledged sign-ins that the records do not hold
    chain: str = ""  # what is wrong with the audit chain, where it was examined
    signed_out_wrongly: int = 0  # people told to sign in whose session was not over, at any time
    sign_outs: int = 0
    sign_outs_revived: int = 0
    codes_tried_again: int = 0
    codes_twice: int = 0
    crossed: int = 0  # answers with somebody else's identity
    nobody: int = 0  # protected answers of 200 without any identity
    unbelievable: int = 0  # assertions that did not verify against the keys as published then
    said: list[str] = field(default_factory=list)  # what else was seen, for people

    @property
    def failures(self) -> int:
        return sum(self.failed.values())

    def broken(self, *, to_recover: float | None = None) -> list[str]:
        """The promises that did not hold: what must be zero in every experiment, and the time to recover if one is
        promised."""
        zero = {
            "sign-ins lost": self.sign_ins_lost,
            "acknowledged sign-ins not in the records": self.unwritten,
            "faults in the audit chain": int(bool(self.chain)),
            "signed out wrongly": self.signed_out_wrongly,
            "sign-outs revived": self.sign_outs_revived,
            "codes used twice": self.codes_twice,
            "identities crossed": self.crossed,
            "protected answers without identity": self.nobody,
            "assertions not believed": self.unbelievable,
        }
        found = [f"{name}: {count}" for name, count in zero.items() if count]
        if to_recover is not None and self.to_recover > to_recover:
            found.append(f"recovery took {self.to_recover:.1f} s, promised are {to_recover:g}")
        return found


def figures(seen: Iterable[Seen], fault_ended: float | None, steady: Collection[str] = ()) -> Figures:
    """The figures of the requests; those of sign-ins are added by who drove them. ``steady``: the marks of those who ask all
    the time; others, who ask once and go, cannot tell how long they would have been refused. None given: everybody."""
    answers = sorted(seen, key=lambda one: one.at)
    found = Figures(requests=len(answers))
    failed = Counter(str(one.status) if one.status else CONNECTION for one in answers if not one.good)
    found.failed = dict(sorted(failed.items()))
    found.longest_refusal = _longest([one for one in answers if not steady or one.who in steady])
    if fault_ended is not None:
        late = [one.at + one.took for one in answers if not one.good and one.at + one.took > fault_ended]
        found.to_recover = max(late, default=fault_ended) - fault_ended
    took = [one.took for one in answers]
    found.slowest = max(took, default=0.0)
    found.p99 = quantiles(took, n=100)[98] if len(took) > 1 else found.slowest
    found.crossed = sum(one.whose is not None and one.whose != one.who for one in answers)
    found.nobody = sum(one.good and one.whose is None for one in answers)
    return found


def _longest(answers: list[Seen]) -> float:
    """The longest time one person was refused."""
    by_person: dict[str, list[Seen]] = defaultdict(list)
    for one in answers:
        by_person[one.who].append(one)
    longest = 0.0
    for mine in by_person.values():
        began: float | None = None
        for one in mine:
            if one.good:
                if began is not None:
                    longest = max(longest, one.at + one.took - began)
                began = None
            elif began is None:
                began = one.at
        if began is not None:
            longest = max(longest, mine[-1].at + mine[-1].took - began)
    return longest
