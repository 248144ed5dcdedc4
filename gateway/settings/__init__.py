"""The configuration: TOML, environment and secret files in, one frozen value out.

Every check happens here, before a socket opens. ``model`` says what may be set and what it means; ``load`` reads it,
and lists all faults together, each with its file and key. Nobody below this floor reads settings: ``app`` hands each
room the small value it needs.
"""

from gateway.settings.load import SettingsError, load
from gateway.settings.model import Settings
from gateway.settings.secret import Secret

__all__ = ["Secret", "Settings", "SettingsError", "load"]
