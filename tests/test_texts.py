"""What people read in mails and SMS: the same sentences twice, no link where none may be, times of the right zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from gateway import texts
from tests.ambient import START

REUNION = ZoneInfo("Indian/Reunion")
TEN = timedelta(minutes=10)
LINK = "https://gateway.test/_vtg/password/reset?token=a&x=<1>"
NOTICES = {
    "created": texts.account_created_mail(START),
    "erased": texts.account_erased_mail(START),
    "password": texts.password_changed_mail(START),
    "mail": texts.mail_changed_notice("c•••@v•••", START),
    "phone": texts.phone_changed_mail("•• •• •• •• 78", START),
    "phone gone": texts.phone_changed_mail("", START),
    "added": texts.means_added_mail("clé d'accès", START),
    "removed": texts.means_removed_mail("application d'authentification", START),
    "new means": texts.new_means_used_mail("carte CPS", START),
    "sign-in": texts.sign_in_mail("e-CPS", START),
    "memory": texts.memory_granted_mail(START + timedelta(hours=8)),
    "recovery": texts.recovery_used_mail(4, START),
    "dormancy": texts.dormancy_mail(30, START - timedelta(days=335), START + timedelta(days=30)),
    "awake": texts.reactivated_mail(START),
    "attached": texts.attached_mail("EHPAD Les Glycines", START),
}
LINKED = {
    "reset": texts.reset_mail(LINK, START + TEN),
    "proof": texts.proof_mail(LINK, START + timedelta(days=7)),
    "invitation": texts.invitation_mail(LINK, "EHPAD Les Glycines", START + timedelta(days=7)),
}
MAILS = {"code": texts.code_mail("012345", TEN, START + TEN, START), **NOTICES, **LINKED}


class Words(HTMLParser):
    """The text a reader sees, and the tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.said: list[str] = []
        self._unseen = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.tags.append((tag, said))
        if tag == "title" or "aria-hidden" in said:
            self._unseen = tag

    def handle_endtag(self, tag: str) -> None:
        self.said.append(" ")
        if tag == self._unseen:
            self._unseen = ""

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.said.append(data)


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", MAILS)
def test_text_and_html_say_the_same(name: str) -> None:
    """Whoever reads the plain text reads every sentence of the HTML, in the same order, and nothing else."""
    mail = MAILS[name]
    seen = squeezed("".join(Words(mail.html).said))
    assert seen == squeezed("ViaTrajectoire " + mail.text)
    assert mail.subject.startswith("ViaTrajectoire : ") and len(mail.subject) < 70


@pytest.mark.parametrize("name", MAILS)
def test_mails_need_nothing_but_themselves(name: str) -> None:
    """In French, with styles on the tags, without table, picture, script, style sheet or anything from elsewhere."""
    read = Words(MAILS[name].html)
    assert ("html", {"lang": "fr", "dir": "ltr"}) in read.tags
    for tag, said in read.tags:
        assert tag not in ("table", "img", "script", "style", "link", "form", "iframe")
        assert "src" not in said and "url(" not in said.get("style", "")
    assert len(MAILS[name].html) < 5000


@pytest.mark.parametrize("name", MAILS)
def test_r77_links_only_where_they_are_the_message(name: str) -> None:
    """A proof of address and a new password are a link; codes and notices have none to follow."""
    mail = MAILS[name]
    targets = [said["href"] for tag, said in Words(mail.html).tags if tag == "a"]
    if name in LINKED:
        assert targets == [LINK] and LINK in mail.text.splitlines()
    else:
        assert targets == [] and "://" not in mail.text + mail.html and "www." not in mail.text


def test_r77_code_mail() -> None:
    """The code, its validity in words, the time of the request, the warning; the list of mails does not show the code."""
    mail = MAILS["code"]
    for piece in ("012 345", "10 minutes", "jusqu'à 10 h 40", "demande de 10 h 30", "même à l'assistance"):
        assert piece in mail.text.replace("\u00a0", " "), piece
    assert mail.html.count("012 345") == 1
    assert mail.html.index("012 345") > mail.html.index("</div>")


@pytest.mark.parametrize("name", NOTICES)
def test_r103_notices_say_what_to_do(name: str) -> None:
    """Each notice says what to do if it was not you, and holds no number of a person, no code."""
    mail = NOTICES[name]
    assert "Si " in mail.text.split("\n\n")[-2]
    assert not re.search(r"\d{5,}", mail.text)
    assert "santé" not in mail.text


def test_recovery_codes_left() -> None:
    """The last ones ask for new ones."""
    assert "4 codes" in NOTICES["recovery"].text
    assert "un seul" in texts.recovery_used_mail(1, START).text
    assert "aucun" in texts.recovery_used_mail(0, START).text


def test_r154_zone() -> None:
    """Times are those of Paris unless a region says otherwise; the day too."""
    noon = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)
    assert texts.moment(noon) == "1er\u00a0mars\u00a02026 à 23\u00a0h\u00a030"
    assert texts.moment(noon, zone=REUNION) == "2\u00a0mars\u00a02026 à 2\u00a0h\u00a030"
    assert texts.limit(noon + TEN, noon) == "jusqu'à 23\u00a0h\u00a040"
    assert texts.limit(noon + timedelta(hours=1), noon) == "jusqu'au 2\u00a0mars\u00a02026 à 0\u00a0h\u00a030"
    mails = (
        texts.code_mail("012345", TEN, noon + TEN, noon, zone=REUNION),
        texts.sign_in_mail("e-CPS", noon, zone=REUNION),
        texts.reset_mail(LINK, noon, zone=REUNION),
    )
    assert all("2\u00a0h\u00a0" in mail.text and "23\u00a0h" not in mail.text for mail in mails)


def test_times_and_lengths() -> None:
    """Summer and winter time, the first of the month, hours and minutes."""
    assert texts.clock(datetime(2026, 3, 2, 13, 32, tzinfo=UTC)) == "14\u00a0h\u00a032"
    assert texts.clock(datetime(2026, 7, 1, 12, 5, tzinfo=UTC)) == "14\u00a0h\u00a005"
    assert texts.day(datetime(2026, 3, 1, 12, tzinfo=UTC)) == "1er\u00a0mars\u00a02026"
    assert texts.duration(timedelta(hours=8)) == "8\u00a0heures"
    assert texts.duration(timedelta(minutes=90)) == "1\u00a0heure\u00a030"
    assert texts.duration(timedelta(seconds=60)) == "1\u00a0minute"


@pytest.mark.parametrize("minutes", [1, 10, 90, 480])
@pytest.mark.parametrize("code", ["000123", "99999999"])
def test_sms_fits_one_part(minutes: int, code: str) -> None:
    """160 characters at most, all of GSM 7 bits, and the warning."""
    text = texts.code_sms(code, timedelta(minutes=minutes))
    assert len(text) <= 160 and code in text and "Ne le communiquez à personne." in text
    assert set(text) <= texts._GSM7


def test_typed_names_are_escaped() -> None:
    """A label never becomes a tag."""
    mail = texts.means_added_mail("<b>clé</b>", START)
    assert "<b>" not in mail.html and "<b>clé</b>" in mail.text
