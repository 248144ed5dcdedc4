"""How names typed by a doctor meet the names of the national directory (R118). Pure, and the same for both sources.

Names become words: upper case, no accents, hyphens and apostrophes part them. Particles (de, du, la, d', von…) are left
out on both sides, but "Delatour" finds "de la Tour" and the other way round, and a particle that is somebody's whole
name (the family name "Le") is found when it is typed in full.

A person is found when one typed word begins a word of the family name and each of the others begins another word of the
family or given names, in any order. Whoever types a given name alone finds nobody but those who are called so by family
name: that list would help nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.identity import searchable

MOST_WORDS = 6  # that are looked for, particles aside; a longer question finds nobody
LONGEST = 100  # characters of a question that are looked at
FEWEST = 2  # letters of a question, in all (R118)
PARTICLES = frozenset((
    "A", "AL", "BEN", "D", "DA", "DAS", "DE", "DEL", "DELLA", "DEN", "DER", "DES", "DI", "DO", "DOS", "DU", "EL", "L", "LA",
    "LE", "LES", "MAC", "MC", "O", "VAN", "VOM", "VON", "ZU", "ZUM", "ZUR",
))  # fmt: skip
# Those worth asking a server for, as they are written before a name.
_WRITTEN = ("DE LA ", "DE ", "DU ", "DES ", "LE ", "LA ", "VAN ", "VON ", "BEN ", "EL ", "D'", "O'")
_LIGATURES = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})
# Corsica: 2A and 2B are no beginnings of postal codes.
_CORSICA = {"2A": ("200", "201"), "2B": ("202", "206")}


def words_of(name: str) -> tuple[str, ...]:
    """Every word of a name, particles included."""
    return tuple(searchable(name.translate(_LIGATURES)).split())


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to understand what was typed. ``words`` are beginnings of words; ``whole`` are particles taken for names,
    to be found in full."""

    words: tuple[str, ...]
    whole: tuple[str, ...] = ()

    @property
    def anchors(self) -> Iterator[tuple[str, bool, Reading]]:
        """Each word that may be the family name, whether it must be that in full, and what then is left to find."""
        for place, word in enumerate(self.words):
            rest = Reading(self.words[:place] + self.words[place + 1 :], self.whole)
            yield word, len(word) == 1, rest
        for place, word in enumerate(self.whole):
            yield word, True, Reading(self.words, self.whole[:place] + self.whole[place + 1 :])


def readings(typed: str) -> tuple[Reading, ...]:
    """What may be meant: particles left out; glued to the next word; one of them a name itself. None when there are too
    few letters or too many words."""
    words = words_of(typed[:LONGEST])
    bare = tuple(word for word in words if word not in PARTICLES)
    if sum(map(len, words)) < FEWEST or len(bare or words) > MOST_WORDS:
        return ()
    if not bare:
        return (Reading((), words), Reading(("".join(words),))) if len(words) > 1 else (Reading(words),)
    if len(bare) == len(words):
        return (Reading(bare),)
    found = [Reading(bare)]
    glued = _glued(words)
    if glued != bare:
        found.append(Reading(glued))
    particles = [place for place, word in enumerate(words) if word in PARTICLES]
    if len(particles) == 1 and particles[0] in (0, len(words) - 1) and len(words[particles[0]]) > 1:
        found.append(Reading(bare, (words[particles[0]],)))
    return tuple(found)


def _glued(words: Sequence[str]) -> tuple[str, ...]:
    """Each run of particles joined to the word after it; those at the end are left out."""
    found: list[str] = []
    run = ""
    for word in words:
        if word in PARTICLES:
            run += word
        else:
            found.append(run + word)
            run = ""
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Names:
    """The words of one person. ``family``: those by which the family name is found; ``given``: those of given names."""

    family: tuple[str, ...]
    given: tuple[str, ...]

    @classmethod
    def of(cls, family: str, given: str) -> Names:
        return cls(_found_by(words_of(family)), _found_by(words_of(given)))

    def beside(self, anchor: str) -> str:
        """The other words, each after a space: what remains when one word of the family name is taken."""
        others = [word for word in self.family if word != anchor]
        return "".join(f" {word}" for word in (*others, *self.given)) + " "


def _found_by(words: tuple[str, ...]) -> tuple[str, ...]:
    bare = [word for word in words if word not in PARTICLES]
    if not bare:
        return tuple(dict.fromkeys((*words, "".join(words))))
    return tuple(dict.fromkeys((*bare, *_glued(words))))


def fits(asked: Sequence[Reading], names: Names) -> bool:
    """Whether one of the readings is this person."""
    return any(
        (word == anchor if whole else word.startswith(anchor)) and remains(rest, names.beside(word))
        for reading in asked
        for anchor, whole, rest in reading.anchors
        for word in names.family
    )


def remains(rest: Reading, beside: str) -> bool:
    """Whether all that is left to find is among the other words."""
    return all(f" {word}" in beside for word in rest.words) and all(f" {word} " in beside for word in rest.whole)


def order_of(family: str, given: str, rpps: str) -> tuple[str, str, str]:
    """By which people are put in order."""
    return " ".join(words_of(family)), " ".join(words_of(given)), rpps


def postal_beginnings(typed: str) -> tuple[str, ...] | None:
    """Beginnings of postal codes for what was typed: ``("",)`` for nothing, ``None`` when it can be none."""
    text = re.sub(r"\s", "", typed[:LONGEST]).upper()
    if text in _CORSICA:
        return _CORSICA[text]
    text = re.sub(r"\A2[AB](?=[0-9])", "20", text)
    return (text,) if re.fullmatch(r"[0-9]{0,5}", text) else None


def spellings(word: str) -> tuple[str, ...]:
    """How a server may have a typed word of a family name: as it is, with a ligature, or with a particle before it.

    "DELATOUR" may stand there as "DE LA TOUR"; and of a short word, which is only looked for at the beginning of a
    name, every particle may come first.
    """
    if len(word) < 4:
        return (word, *(before + word for before in _WRITTEN))
    parted = [word.replace("OE", "Œ")] if "OE" in word else []
    for before in _WRITTEN:
        squeezed = re.sub(r"[^A-Z]", "", before)
        if word.startswith(squeezed) and len(word) - len(squeezed) >= 3:
            parted.append(before + word.removeprefix(squeezed))
    return (word, *parted)
