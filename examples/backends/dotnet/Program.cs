// dotnet run -- ../vectors.json       judges a document of assertions; exits 1 at the first one judged wrongly
// dotnet run -- serve                 a server that trusts the assertion and nothing else (VT_JWKS, VT_ISSUER, VT_AUDIENCE)

using System.Text.Json;
using Vt;

if (args is ["serve"])
{
    string Setting(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"{name} is not set");
    var assertions = new Assertions(Setting("VT_ISSUER"), Setting("VT_AUDIENCE"), new KeySet(Setting("VT_JWKS")));
    var app = WebApplication.Create();
    app.MapFallback(async (HttpContext context) =>
    {
        var tokens = context.Request.Headers["X-VT-Assertion"];
        if (tokens.Count != 1) return Results.Json(new { reason = "not exactly one assertion" }, statusCode: 401);
        try
        {
            var who = await assertions.ReadAsync(tokens[0] ?? "", DateTimeOffset.UtcNow);
            return Results.Json(new { person = who.Person, on_behalf_of = who.Delegation?.OnBehalfOf });
        }
        catch (RefusedException error)
        {
            return Results.Json(new { reason = error.Message }, statusCode: 401);
        }
        catch (Exception error) // a fault of ours opens nothing
        {
            app.Logger.LogError(error, "an assertion could not be judged");
            return Results.Json(new { reason = "it could not be judged" }, statusCode: 401);
        }
    });
    app.Run();
    return 0;
}

using var document = JsonDocument.Parse(File.ReadAllText(args[0]));
var root = document.RootElement;
var keys = new KeySet("", root.GetProperty("jwks").GetRawText());
var judge = new Assertions(root.GetProperty("issuer").GetString()!, root.GetProperty("audience").GetString()!, keys);
var now = DateTimeOffset.FromUnixTimeSeconds(root.GetProperty("now").GetInt64());
foreach (var one in root.GetProperty("good").EnumerateArray())
{
    try
    {
        var who = await judge.ReadAsync(one.GetProperty("token").GetString()!, now);
        if (!AsExpected(who, one.GetProperty("expect"))) return Wrong($"misread: {one.GetProperty("name")}: {who}");
    }
    catch (RefusedException error)
    {
        return Wrong($"wrongly refused: {one.GetProperty("name")}: {error.Message}");
    }
}
foreach (var one in root.GetProperty("bad").EnumerateArray())
{
    try
    {
        await judge.ReadAsync(one.GetProperty("token").GetString()!, now);
    }
    catch (RefusedException)
    {
        continue;
    }
    return Wrong($"wrongly believed: {one.GetProperty("name")}: {one.GetProperty("why")}");
}
Console.WriteLine($"{root.GetProperty("good").GetArrayLength()} believed, {root.GetProperty("bad").GetArrayLength()} refused");
return 0;

static bool AsExpected(Who who, JsonElement expect)
{
    if (who.Person != expect.GetProperty("person").GetString()) return false;
    string? Said(string claim) => who.Claims.TryGetProperty(claim, out var value) ? value.GetString() : null;
    if (Said("family_name") != expect.GetProperty("family_name").GetString()) return false;
    if (Said("given_name") != expect.GetProperty("given_name").GetString()) return false;
    if (Said("acr") != expect.GetProperty("assurance").GetString()) return false;
    var wanted = expect.GetProperty("delegation");
    if (who.Delegation is not { } given) return wanted.ValueKind == JsonValueKind.Null;
    if (wanted.ValueKind == JsonValueKind.Null) return false;
    var rights = wanted.GetProperty("rights").EnumerateArray().Select(pair => (pair[0].GetString()!, pair[1].GetString()!));
    return given.Identifier == wanted.GetProperty("identifier").GetString()
        && given.OnBehalfOf == wanted.GetProperty("on_behalf_of").GetString()
        && given.Kind == wanted.GetProperty("kind").GetString()
        && given.Rights.SetEquals(rights)
        && given.Until == wanted.GetProperty("until").GetDateTimeOffset();
}

static int Wrong(string message)
{
    Console.WriteLine(message);
    return 1;
}
