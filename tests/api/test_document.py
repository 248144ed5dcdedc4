"""The OpenAPI document says what is served, and nothing else: made from the table, held against it."""

from __future__ import annotations

import json
import re
from typing import Any

from gateway.policy.rights import Right
from tests.api.office import BASE, Office

METHODS = {"get", "post", "patch", "delete"}


async def read(office: Office) -> Any:
    async with await office.ask("GET", "openapi.json", None) as said:
        assert (said.status, said.content_type) == (200, "application/json")
        assert "Set-Cookie" not in said.headers
        return await said.json()


async def test_every_operation_is_in_the_document_and_the_other_way_round(office: Office) -> None:
    """One by one: method, address, name; names are there once."""
    said = await read(office)
    written = {
        (method.upper(), path.removeprefix("/"), operation["operationId"])
        for path, operations in said["paths"].items()
        for method, operation in operations.items()
    }
    assert written == {(one.method, one.path, one.name) for one in office.table}
    assert len({name for _, _, name in written}) == len(office.table)


async def test_every_operation_of_the_contract_is_served(office: Office) -> None:
    """Section 5 of the contract."""
    served = {(one.method, one.path.replace("{scope}", "{id}").replace("{account}", "{id}")) for one in office.table}
    assert {
        ("GET", "scopes"), ("GET", "scopes/{id}"), ("PATCH", "scopes/{id}"), ("POST", "scopes/{id}/switch"),
        ("GET", "scopes/{id}/readiness"), ("GET", "accounts"), ("POST", "accounts/import"), ("PATCH", "accounts/{id}"),
        ("POST", "accounts/{id}/sign-out"), ("GET", "audit"), ("GET", "dashboard"), ("GET", "openapi.json"),
        ("GET", "delegations"),
    } <= served  # fmt: skip


async def test_the_document_holds_together(office: Office) -> None:
    """OpenAPI 3.1: every reference leads somewhere, every name in a path is a parameter, every answer has its words."""
    said = await read(office)
    assert said["openapi"] == "3.1.0"
    assert said["servers"] == [{"url": BASE}]
    schemas = said["components"]["schemas"]
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(said)):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in schemas
    for path, operations in said["paths"].items():
        assert set(operations) <= METHODS
        for method, operation in operations.items():
            where = f"{method} {path}"
            inside = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert inside == set(re.findall(r"{(\w+)}", path)), where
            names = [(one["in"], one["name"]) for one in operation["parameters"]]
            assert len(names) == len(set(names)), where
            assert any(status.startswith("2") for status in operation["responses"]), where
            for status, answer in operation["responses"].items():
                assert answer["description"], where
                if status >= "400":
                    page = ["text/html"] if status in ("400", "414") else []  # the door's own
                    assert list(answer["content"]) == ["application/problem+json", *page], where
            assert ("requestBody" in operation) <= (method in ("post", "patch")), where


async def test_the_document_says_who_may_and_what_a_version_is_needed_for(office: Office) -> None:
    """The right of each operation, no security where none is asked, If-Match required where 428 is promised."""
    said = await read(office)
    paths = said["paths"]
    assert paths["/openapi.json"]["get"]["security"] == []
    assert paths["/scopes/{scope}/switch"]["post"]["x-right"] == Right.SWITCH.value
    assert "référent" not in paths["/scopes/{scope}/switch"]["post"]["description"]
    for operations in paths.values():
        for operation in operations.values():
            header = [one for one in operation["parameters"] if one["name"] == "If-Match"]
            assert ("428" in operation["responses"]) == bool(header and header[0]["required"])
            assert ("401" in operation["responses"]) == (operation.get("security") != [])


async def test_the_models_of_the_document_refuse_what_they_do_not_name(office: Office) -> None:
    """Whatever is sent, and all that is answered but free reports, is closed."""
    open_ones = {"DashboardSaid", "ComplianceSaid", "ExplanationSaid", "DocumentSaid"}
    for name, schema in (await read(office))["components"]["schemas"].items():
        if schema.get("type") == "object" and name not in open_ones:
            assert schema["additionalProperties"] is False, name
