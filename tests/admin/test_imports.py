"""Files: refused before they are kept, tried before they are written, reported line by line (R82, R102)."""

from __future__ import annotations

from aiohttp import FormData

from gateway.ports import Update
from tests.admin.hall import Hall, Shown

SCOPES = (
    "id;parent;kind;name;finess;city\nunite-a;ehpad;service;Unité A;;Lyon\nunite-b;nulle-part;service;Unité B;;Lyon\n"
)


async def send(hall: Hall, who: str, text: str, *, token: bool = True, **fields: str) -> Shown:
    """The form as a browser sends it: the token, the fields, then the file."""
    form = (await hall.get("imports", who)).read.form("/imports")
    data = FormData(default_to_multipart=True)
    for name, value in form.with_(**fields):
        if name != "csrf" or token:
            data.add_field(name, value)
    data.add_field("file", text.encode(), filename="scopes.csv", content_type="text/csv")
    return await hall.ask("POST", "imports", who, data=data)


async def test_r102_trial_then_real(hall: Hall) -> None:
    """A trial writes nothing and says what it would do; the real import asks for the file again; the report is a table."""
    world = hall.office.world
    tried = await send(hall, "aude", SCOPES, kind="scopes")
    assert tried.status == 303, tried.words
    page = await hall.get(tried.location, "aude")
    assert "Essai : établissements et services" in page.words and "refusée" in page.words
    assert await world.records.find("scopes", {"id": "unite-a"}) == ()
    again = next(one for one in page.read.links if "mode=real" in one)
    form = await hall.get(again, "aude")
    assert ("mode", "real") in form.read.form("/imports").fields and ("kind", "scopes") in form.read.form(
        "/imports"
    ).fields
    real = await send(hall, "aude", SCOPES, kind="scopes", mode="real")
    page = await hall.get(real.location, "aude")
    assert "Import : établissements et services" in page.words
    assert len(await world.records.find("scopes", {"id": "unite-a"})) == 1
    table = await hall.get(f"{real.location}/report.csv", "aude")
    assert table.text.startswith("\ufeff") and "attachment" in table.headers["Content-Disposition"]
    assert (await hall.get(real.location, "remi")).status == 404
    assert list(hall.uploads.iterdir()) == []


async def test_the_token_is_looked_at_before_the_file(hall: Hall) -> None:
    """Without the token, or with a role that imports nothing, no byte of the file is kept."""
    assert (await send(hall, "aude", SCOPES, token=False, kind="scopes")).status == 403
    form = (await hall.get("imports", "aude")).read.form("/imports")
    data = FormData(default_to_multipart=True)
    data.add_field("file", SCOPES.encode(), filename="scopes.csv")
    for name, value in form.fields:
        data.add_field(name, value)
    assert (await hall.ask("POST", "imports", "aude", data=data)).status == 403
    assert (await hall.ask("POST", "imports", "eva", data=FormData({"x": "1"}))).status == 403
    assert not hall.uploads.exists()


async def test_files_that_are_none(hall: Hall) -> None:
    """Too large, empty, no form at all: said, and nothing stays behind; what was chosen in the form stays."""
    large = await send(hall, "aude", "x" * 500_000, kind="scopes")
    assert large.status == 413 and "dépasse la taille permise" in large.words
    empty = await send(hall, "aude", "", kind="scopes", mode="real")
    assert empty.status == 422 and ("mode", "real") in empty.read.form("/imports").fields
    assert (await send(hall, "aude", SCOPES, kind="people")).status == 422
    for data, kind in ((b"x", "multipart/form-data"), (b"x", "multipart/form-data; boundary=b"), (b"x", "text/plain")):
        assert (await hall.ask("POST", "imports", "aude", data=data, headers={"Content-Type": kind})).status in (
            400,
            403,
        )
    assert not hall.uploads.exists() or list(hall.uploads.iterdir()) == []


async def test_progress_reloads_only_when_asked(hall: Hall) -> None:
    """A running import shows its share; it reloads by itself for those who chose so, and never when it is over."""
    made = await send(hall, "aude", SCOPES, kind="scopes")
    import_id = made.location.rpartition("/")[2]
    assert "refresh" not in (await hall.get(f"imports/{import_id}?live=1", "aude")).text
    await hall.office.world.records.write(
        Update("imports", {"state": "running", "done": 10, "total": 1000}, {"id": import_id})
    )
    still = await hall.get(f"imports/{import_id}", "aude")
    assert "1 %" in still.words and 'http-equiv="refresh"' not in still.text
    live = await hall.get(f"imports/{import_id}?live=1", "aude")
    assert 'http-equiv="refresh"' in live.text and "Ne plus actualiser" in live.words
