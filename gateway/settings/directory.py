"""[directory]: where colleagues are looked up, and how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.settings.kinds import SecretValue, Section, TlsAddress


class DirectorySection(Section):
    """The national directory of professionals (R118). ``ca`` vouches for whichever of the two addresses is used."""

    source: Literal["none", "fhir", "file"] = "none"
    url: TlsAddress = "https://gateway.api.esante.gouv.fr/fhir/v2"
    api_key: SecretValue | None = None
    file: Path | None = None
    extraction_url: TlsAddress = (
        "https://service.annuaire.sante.fr/annuaire-sante-webservices/V300/services/extraction/PS_LibreAcces"
    )
    ca: Path | None = None
    timeout: Annotated[float, Field(gt=0, le=30)] = 8
    calls_per_second: Annotated[float, Field(gt=0, le=1000)] = 17

    @model_validator(mode="after")
    def _whole(self) -> DirectorySection:
        if "?" in self.url or "#" in self.url:
            raise ValueError("directory.url is the bare address of the interface, for example https://host/fhir/v2")
        if self.source == "fhir" and self.api_key is None:
            raise ValueError("directory.source = fhir needs directory.api_key_file")
        if self.api_key is not None and not re.fullmatch(r"[\x21-\x7e]{1,512}", self.api_key.reveal()):
            raise ValueError("directory.api_key_file holds one word of printable ASCII")
        return self
