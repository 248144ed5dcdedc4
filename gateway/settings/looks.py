"""What may be configured about looks, links and who helps; see ``model``."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway.settings.kinds import (
    Colour,
    Section,
    TlsAddress,
    Zone,
    contact,
)


class UiSection(Section):
    timezone: Zone = "Europe/Paris"
    region: str = ""


class LinksSection(Section):
    procedure: TlsAddress = "https://trajectoire.sante-ra.fr/"
    faq: TlsAddress = "https://trajectoire.sante-ra.fr/"
    card_help: TlsAddress = "https://esante.gouv.fr/produits-services/cps"
    card_diagnostic: TlsAddress = "https://testssl.asipsante.fr/"
    card_support: TlsAddress = "https://esante.gouv.fr/support/assistance"
    tops: TlsAddress = "https://esante.gouv.fr/produits-services/cps"
    ecps_help: TlsAddress = "https://esante.gouv.fr/produits-services/e-cps"
    ecps_wallet: TlsAddress = "https://wallet.esw.esante.gouv.fr/"
    monsisra_support: TlsAddress = "https://www.sante-ara.fr/"
    accessibility: TlsAddress | None = None


class RegionLinksSection(Section):
    """The links of ``LinksSection`` that a region sets otherwise."""

    procedure: TlsAddress | None = None
    faq: TlsAddress | None = None
    card_help: TlsAddress | None = None
    card_diagnostic: TlsAddress | None = None
    card_support: TlsAddress | None = None
    tops: TlsAddress | None = None
    ecps_help: TlsAddress | None = None
    ecps_wallet: TlsAddress | None = None
    monsisra_support: TlsAddress | None = None
    accessibility: TlsAddress | None = None


class ContactSection(Section):
    label: Annotated[str, Field(min_length=1, max_length=120)]
    topics: tuple[Annotated[str, Field(min_length=1, max_length=80)], ...] = ()
    url: Annotated[str, AfterValidator(contact)]
    hours: Annotated[str, Field(max_length=120)] = ""


class SupportSection(Section):
    organisation: Annotated[str, Field(max_length=200)] = ""
    data_protection: Annotated[str, AfterValidator(contact)] | None = None
    contacts: tuple[ContactSection, ...] = ()


class AccessibilitySection(Section):
    status: Literal["non conforme", "partiellement conforme", "totalement conforme"] = "non conforme"
    stated_on: date | None = None
    audited_by: Annotated[str, Field(max_length=200)] = ""
    rate: Annotated[float, Field(ge=0, le=100)] | None = None

    @model_validator(mode="after")
    def _proved(self) -> AccessibilitySection:
        if self.status != "non conforme" and (self.stated_on is None or not self.audited_by or self.rate is None):
            raise ValueError(
                "accessibility.status above « non conforme » rests on an audit: stated_on, audited_by and rate"
            )
        return self


class ColoursSection(Section):
    """A region's colours on light and on dark screens; what is absent stays ours."""

    accent: Colour | None = None
    accent_ink: Colour | None = None
    accent_soft: Colour | None = None
    ground: Colour | None = None
    dark_accent: Colour | None = None
    dark_accent_ink: Colour | None = None
    dark_accent_soft: Colour | None = None
    dark_ground: Colour | None = None


class RegionSection(Section):
    id: Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9]){0,39}$")]
    name: Annotated[str, Field(min_length=1, max_length=60)]
    scope: str = ""
    logo: Path | None = None
    timezone: Zone | None = None
    colours: ColoursSection = ColoursSection()
    links: RegionLinksSection = RegionLinksSection()
    contacts: tuple[ContactSection, ...] = ()

    @model_validator(mode="after")
    def _picture(self) -> RegionSection:
        if self.logo is not None and self.logo.suffix not in (".svg", ".png"):
            raise ValueError("regions.logo is a .svg or .png file")
        return self
