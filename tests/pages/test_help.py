"""Help by problem, « Quel moyen est pour moi ? », personal data, accessibility, suggestions of towns."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from html.parser import HTMLParser

import pytest

from gateway.accounts.towns import LONGEST
from gateway.pages import means
from gateway.pages.help import HelpFacts
from gateway.pages.regions import Regions
from gateway.settings.looks import AccessibilitySection
from tests.pages.hollow import EVERYBODY, LINKS, NEUTRAL, PREFIX, house_of, served

PAGES = ("/help", "/help/means", "/help/means?family=ordre&card=oui&phone=oui", "/help/card", "/region", "/privacy",
         "/accessibility")  # fmt: skip


def fetched(path: str, facts: HelpFacts | None = None, **house: object) -> str:
    async def story() -> str:
        async with served(house_of(**house), facts) as client:  # type: ignore[arg-type]
            answer = await client.get(PREFIX + path)
            assert answer.status == 200
            assert answer.headers["Cache-Control"] == "no-store"
            return await answer.text()

    return asyncio.run(story())


class Outline(HTMLParser):
    """Ids, targets, headings and label references of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.hrefs: list[str] = []
        self.referred: set[str] = set()
        self.levels: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if "id" in said:
            self.ids.append(said["id"])
        if tag == "a":
            self.hrefs.append(said["href"])
        for name in ("for", "aria-labelledby", "aria-describedby"):
            self.referred |= set(said.get(name, "").split())
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))


@pytest.mark.parametrize("path", PAGES)
def test_r151_r152_pages_are_well_made_without_script(path: str) -> None:
    """One title, no level skipped, ids once, labels that lead somewhere, no script; typographic spaces."""
    text = fetched(path)
    seen = Outline()
    seen.feed(text)
    main = text[text.index("<main") : text.index("</main>")]
    assert len(seen.ids) == len(set(seen.ids))
    assert seen.referred <= set(seen.ids)
    assert seen.levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(seen.levels, seen.levels[1:], strict=False))
    assert "<script" not in text
    plain = re.sub(r"<[^>]+>", "", main).replace("&#39;", "'")
    for label in ("Besoin d'aide ?", "Comment s'authentifier par Carte CPS ou e-CPS ?", "Mot de passe oublié?"):
        plain = plain.replace(label, "")  # written as people's printed guides have them
    assert not re.search(r"[\w»)] ?[:;?!](?=\s|$)|« | »", plain), re.findall(r".{9}(?:\w ?[:;?!]|« | »).{3}", plain)


def test_r156_r159_r160_help_by_problem() -> None:
    """Every problem has its way out: diagnostic, ANS, wallet, MonSisra, TOPS, password, contacts, procedure, FAQ."""
    text = fetched("/help")
    seen = Outline()
    seen.feed(text)
    wanted = {LINKS.procedure, LINKS.faq, LINKS.card_diagnostic, LINKS.card_support, LINKS.tops, LINKS.ecps_wallet,
              LINKS.monsisra_support, EVERYBODY.url, f"{PREFIX}/password/forgot", f"{PREFIX}/help/means",
              f"{PREFIX}/help/card", f"{PREFIX}/region"}  # fmt: skip
    assert wanted <= set(seen.hrefs)
    for problem in (
        "La carte n'est pas lue",
        "Carte ou code porteur perdu",
        "Le code ne vient pas",
        "référent structure",
    ):
        assert problem in text.replace("&#39;", "'")


def test_r156_help_says_nothing_that_is_not_offered() -> None:
    """No code by SMS where there is none, no password where none opens a session, no region to choose where none is."""
    text = fetched("/help", channels=["mail"], regions=Regions(PREFIX, NEUTRAL))
    assert "SMS" not in text
    assert f"{PREFIX}/region" not in text
    text = fetched("/help", methods={"liberal": ["card", "psc"]})
    assert "password/forgot" not in text


@pytest.mark.parametrize(
    ("family", "card", "phone", "expected", "links"),
    [
        ("ordre", True, True, (means.CARD, means.ECPS), {"card_help", "ecps_wallet"}),
        ("ordre", True, False, (means.CARD,), {"card_help"}),
        ("ars", False, True, (means.ECPS, means.CARD), {"ecps_wallet", "card_help"}),
        ("ordre", False, False, (means.CARD, means.CODE), {"card_help"}),
        ("role", False, True, (means.ECPS,), {"ecps_wallet"}),
        ("autre", True, True, (means.ECPS,), {"ecps_wallet"}),
        ("role", True, False, (means.CODE,), {"tops"}),
        ("autre", False, False, (means.CODE,), {"tops"}),
    ],
)
def test_r157_which_means_for_whom(
    family: str, card: bool, phone: bool, expected: tuple[str, ...], links: set[str]
) -> None:
    """Each family with and without card and smartphone has means, best first, and the links to get there."""
    found = means.family_of(family)
    assert found is not None
    advice = means.advise(found, card=card, phone=phone)
    assert advice.means == expected
    assert {step.link for step in advice.steps} - {""} == links
    assert all(hasattr(LINKS, link) for link in links)


def test_r157_the_table_and_the_answer() -> None:
    """The table of families always; the answer for three answers; a fault, and what was said kept, for fewer."""
    text = fetched("/help/means")
    for family in means.FAMILIES:
        assert family.title in text
        assert text.count(family.means) >= 1
    assert means.CODE in text
    assert 'role="alert"' not in text
    text = fetched("/help/means?family=role&card=non&phone=oui")
    assert "Votre moyen&nbsp;: application e-CPS" in text
    assert LINKS.ecps_wallet in text
    text = fetched("/help/means?family=ars&card=oui")
    assert "Répondez aux trois questions." in text
    assert re.search(r'value="ars"[^>]*checked', text)
    text = fetched("/help/means?family=%3Cscript%3E&card=1&phone=2")
    assert "<script" not in text
    assert "Répondez aux trois questions." in text


def test_r156_card_and_ecps_step_by_step() -> None:
    """The steps name the buttons as they are, and follow the way the card takes."""
    direct, through = fetched("/help/card"), fetched("/help/card", card_direct=False)
    for text in (direct, through):
        assert "Se connecter par CPS" in text
        assert "S'IDENTIFIER PAR E-CPS" in text
    assert "liste de certificats" in direct
    assert "liste de certificats" not in through


def test_g47_what_is_held_why_and_how_long() -> None:
    """The privacy notice names the data, the purposes, the durations set here, the rights and whom to write to."""
    text = fetched(
        "/privacy", HelpFacts(organisation="GRADeS <Test>", data_protection="mailto:dpo@aide.test", log_days=180)
    )
    for said in (
        "GRADeS &lt;Test&gt; en est responsable",
        "6 mois",
        "mailto:dpo@aide.test",
        "CNIL",
        "Acceptations de la charte",
    ):
        assert said in text
    assert "12 mois" in fetched("/privacy")
    assert EVERYBODY.url in fetched("/privacy")


def test_g81_accessibility_statement() -> None:
    """« non conforme » until an audit says better; then its date, author and rate; recourse always."""
    text = fetched("/accessibility")
    assert "Accessibilité&nbsp;: non conforme" in text
    assert "aucun audit" in text
    assert "Défenseur des droits" in text
    audited = HelpFacts(
        status="partiellement conforme", stated_on=date(2026, 11, 1), audited_by="Cabinet Test", rate=74.5
    )
    text = fetched("/accessibility", audited)
    assert "<strong>partiellement conformes</strong>" in text
    assert "74,5&nbsp;% des critères" in text
    assert "1er\u00a0novembre\u00a02026" in text
    with pytest.raises(ValueError, match="audit"):
        AccessibilitySection(status="totalement conforme")


def test_r13_suggestions_of_towns() -> None:
    """JSON that browsers keep for a day; what is too long to be a town is refused; odd text finds nothing."""

    async def story() -> None:
        async with served(house_of()) as client:
            answer = await client.get(f"{PREFIX}/towns", params={"q": "97400 st denis"})
            assert await answer.json() == [{"postal_code": "97400", "city": "Saint-Denis"}]
            assert answer.headers["Content-Type"].startswith("application/json")
            assert answer.headers["Cache-Control"] == "public, max-age=86400"
            assert "Set-Cookie" not in answer.headers
            assert len(await (await client.get(f"{PREFIX}/towns", params={"q": "saint"})).json()) == 20
            for odd in ("", "\x00", "%", "zzzz"):
                assert await (await client.get(f"{PREFIX}/towns", params={"q": odd})).json() == []
            long = await client.get(f"{PREFIX}/towns", params={"q": "a" * (LONGEST + 1)})
            assert long.status == 400
            assert long.headers["Cache-Control"] == "no-store"
            assert await (await client.get(f"{PREFIX}/towns")).json() == []

    asyncio.run(story())
