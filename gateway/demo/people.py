"""The people of the demo by name. All invented; numbers are in the range of test persons, with valid keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Someone:
    """One person: what they hold, and the account they may have."""

    key: str
    idnat: str | None
    family_name: str
    given_name: str
    profession: str
    mail: str
    title: str = "Médecin"
    specialty: str = ""
    role: str = ""
    category: str = "C"
    mode: str = "S"
    card: str | None = None  # cps | cpf | cpe | cpa
    structure: str = ""
    psc: bool = True
    adeli: str | None = None
    username: str | None = None
    password: str | None = None
    phone: str | None = None
    origin: str = "strong"
    scopes: Sequence[str] = ()
    roles: Sequence[tuple[str, str]] = ()  # (role, scope): what they administer

    @property
    def has_account(self) -> bool:
        """Whether an account waits for them; administrators have theirs without any password (G59)."""
        return self.password is not None or bool(self.roles)

    @property
    def rpps(self) -> str | None:
        return self.idnat[1:] if self.idnat and self.idnat.startswith("8") else None

    @property
    def login(self) -> str | None:
        return self.username or self.idnat


PEOPLE: tuple[Someone, ...] = (
    Someone("dr-martin", "899700000005", "Martin", "Claire", "10", "claire.martin@example.test", specialty="SM54",
            mode="L", card="cps"),
    Someone("dr-bernard", "899700100011", "Bernard", "Luc", "10", "luc.bernard@example.test", specialty="SM26", mode="L",
            card="cps", password="Trajet-du-12-Mars"),
    Someone("dr-petit", "899700100029", "Petit", "Anne", "10", "anne.petit@example.test", specialty="SM54", mode="L",
            card="cps", adeli="069209997", password="Bon-matin-des-7h"),
    Someone("nurse-durand", "899700100037", "Durand", "Inès", "60", "ines.durand@example.test", title="Infirmier",
            mode="L", card="cps"),
    Someone("secretary-moreau", "3690780028/000000042", "Moreau", "Léa", "", "lea.moreau@example.test", title="",
            card="cpe", structure="1690780028", role="331"),
    Someone("agent-leroy", None, "Leroy", "Paul", "", "paul.leroy@example.test", title="", psc=False, username="pleroy",
            password="Accueil-ouvert-9h", phone="+33612345678", origin="referent", scopes=("ehpad-glycines",)),
    Someone("dr-garnier", "899700100060", "Garnier", "Élodie", "10", "elodie.garnier@example.test", specialty="SM15",
            mode="L", card="cps"),
    Someone("dr-lambert", "899700100078", "Lambert", "Hugo", "10", "hugo.lambert@example.test", specialty="SM04",
            mode="L", card="cps"),
    Someone("dr-rousseau", "899700100086", "Rousseau", "Nadia", "10", "nadia.rousseau@example.test", specialty="SM18",
            mode="L", card="cps", password="Clinique-du-7e-etage", phone="+33612345680"),
    # Two accounts from before, with one mailbox between them (R99), and one that is nobody's (R98).
    Someone("agent-blanc", None, "Blanc", "Marie", "", "accueil@example.test", title="", psc=False,
            username="mblanc", password="Matin-calme-6h", origin="referent", scopes=("ehpad-glycines",)),
    Someone("agent-noir", None, "Noir", "Denis", "", "accueil@example.test", title="", psc=False,
            username="dnoir", password="Veille-de-nuit-22h", phone="+33612345679", origin="referent",
            scopes=("ehpad-glycines",)),
    Someone("service-admissions", None, "Admissions", "Service", "", "admissions@example.test", title="", psc=False,
            username="admissions", password="Bureau-du-rez-de-chaussee-3", origin="referent", scopes=("ssr-lac",)),
    Someone("social-roux", "899700100045", "Roux", "Sam", "99", "sam.roux@example.test", title="", role="331"),
    Someone("student-faure", "899700100052", "Faure", "Zoé", "10", "zoe.faure@example.test", category="E", card="cpf"),
    # Practice staff, whom a doctor may invite: their cards, and no account before.
    Someone("secretary-roche", "3690780028/000000043", "Roche", "Marie-Ève", "", "marie-eve.roche@example.test", title="",
            card="cpe", structure="1690780028", role="331"),
    Someone("assistant-henry", "3690780028/000000044", "Henry", "Tom", "", "tom.henry@example.test", title="",
            card="cpa", structure="1690780028", role="331"),
    # Those who administer; none of them has a password but the référent.
    Someone("admin-national", "899700100128", "Colin", "Hélène", "21", "helene.colin@example.test", title="Pharmacien",
            card="cps", roles=(("national", "nation"),)),
    Someone("admin-aura", "899700100136", "Perrin", "Marc", "10", "marc.perrin@example.test", specialty="SM49",
            card="cps", roles=(("region", "aura"),)),
    Someone("admin-reunion", "899700100144", "Hoarau", "Sabine", "60", "sabine.hoarau@example.test", title="Infirmier",
            roles=(("region", "reunion"),)),
    Someone("referent-glycines", "899700100151", "Vidal", "Nora", "60", "nora.vidal@example.test", title="Infirmier",
            card="cps", password="Cadre-du-2e-etage", scopes=("ehpad-glycines",),
            roles=(("referent", "ehpad-glycines"),)),
)  # fmt: skip
