// Who asks, and for whom: reads the header X-VT-Assertion of the ViaTrajectoire gateway, and believes nothing else.
// .NET 8, nothing else. Copy it; it stands alone. The rules are those of docs/backend.md.

using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Vt;

/// <summary>Answer 401, and say why in your log.</summary>
public sealed class RefusedException(string why) : Exception(why);

/// <summary>For whom. Rights are pairs of module and action; until is the last second.</summary>
public sealed record Delegation(
    string Identifier, string OnBehalfOf, string Kind, IReadOnlySet<(string Module, string Action)> Rights, DateTimeOffset Until);

/// <summary>The person is always the human who signed in.</summary>
public sealed record Who(string Person, Delegation? Delegation, JsonElement Claims);

/// <summary>The gateway's keys: asked for again every five minutes, and at once (once a minute at most) for an unknown name. When
/// nobody answers, those known serve for an hour.</summary>
public sealed class KeySet(string url, string document = "{\"keys\":[]}")
{
    private static readonly HttpClient Client = new() { Timeout = TimeSpan.FromSeconds(5) };
    private readonly SemaphoreSlim _one = new(1, 1);
    private string _document = document;
    private DateTimeOffset _knownAt = DateTimeOffset.MinValue, _askedAt = DateTimeOffset.MinValue;

    public async Task<ECDsa> KeyAsync(string kid)
    {
        await _one.WaitAsync();
        try
        {
            var now = DateTimeOffset.UtcNow;
            var stale = now - _knownAt > TimeSpan.FromMinutes(5) || Find(kid) is null;
            if (url != "" && stale && now - _askedAt > TimeSpan.FromMinutes(1))
            {
                _askedAt = now;
                try
                {
                    var text = await Client.GetStringAsync(url);
                    using var fresh = JsonDocument.Parse(text);
                    var root = fresh.RootElement;
                    var known = root.ValueKind == JsonValueKind.Object && root.TryGetProperty("keys", out var all)
                        && all.ValueKind == JsonValueKind.Array && all.EnumerateArray().All(one => one.ValueKind == JsonValueKind.Object);
                    if (!known) throw new JsonException("no key set");
                    (_document, _knownAt) = (text, now);
                }
                catch (Exception error) when (error is HttpRequestException or TaskCanceledException or JsonException)
                {
                    if (now - _knownAt > TimeSpan.FromHours(1)) _document = "{\"keys\":[]}";
                }
            }
            var (x, y) = Find(kid) ?? throw new RefusedException("the key is not one of the gateway's, or they cannot be had");
            return ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = x, Y = y } });
        }
        catch (CryptographicException)
        {
            throw new RefusedException("the key cannot be used");
        }
        finally
        {
            _one.Release();
        }
    }

    private (byte[] X, byte[] Y)? Find(string kid)
    {
        using var parsed = JsonDocument.Parse(_document);
        foreach (var one in parsed.RootElement.GetProperty("keys").EnumerateArray())
        {
            if (Said(one, "kid") == kid && Said(one, "kty") == "EC" && Said(one, "crv") == "P-256")
            {
                return (Assertions.Decoded(Said(one, "x") ?? ""), Assertions.Decoded(Said(one, "y") ?? ""));
            }
        }
        return null;
    }

    private static string? Said(JsonElement one, string name) =>
        one.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>Reads assertions of one gateway to one application.</summary>
public sealed partial class Assertions(string issuer, string audience, KeySet keys)
{
    private const int Longest = 60, Leeway = 5; // seconds: the life of an assertion, and the difference of two clocks
    private static readonly string[] Shared = ["type", "identifier", "on_behalf_of", "kind", "valid_from", "valid_until"];
    private static readonly HashSet<string> Members = [.. Shared, "actions", "datatypes"]; // another may be a limit
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 20 };

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)\z", RegexOptions.ECMAScript)]
    private static partial Regex InstantForm();

    /// <summary>Who asks; throws RefusedException. jti need not be remembered: an assertion is sent with many requests of its
    /// minute.</summary>
    public async Task<Who> ReadAsync(string token, DateTimeOffset now)
    {
        var parts = token.Split('.');
        if (parts.Length != 3) throw new RefusedException("an assertion has three parts");
        var header = Object(Decoded(parts[0]));
        var names = header.EnumerateObject().Select(one => one.Name);
        if (Text(header, "alg") != "ES256" || Text(header, "typ") != "JWT" || names.Except(["alg", "kid", "typ"]).Any())
        {
            throw new RefusedException("the header is not alg ES256, typ JWT and a kid");
        }
        using var key = await keys.KeyAsync(Text(header, "kid") ?? throw new RefusedException("no key is named"));
        var signature = Decoded(parts[2]);
        var signed = Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}");
        var form = DSASignatureFormat.IeeeP1363FixedFieldConcatenation; // r and s, 64 bytes
        if (signature.Length != 64 || !key.VerifyData(signed, signature, HashAlgorithmName.SHA256, form))
        {
            throw new RefusedException("the signature does not fit");
        }
        var claims = Object(Decoded(parts[1]));
        long issued = Seconds(claims, "iat"), ends = Seconds(claims, "exp"), instant = now.ToUnixTimeSeconds();
        var begins = claims.TryGetProperty("nbf", out _) ? Math.Max(issued, Seconds(claims, "nbf")) : issued;
        if (ends <= issued || ends - issued > Longest) throw new RefusedException("its life is not that of an assertion");
        if (instant < begins - Leeway || instant >= ends + Leeway) throw new RefusedException("it is over, or comes from the future");
        if (Text(claims, "iss") != issuer || Text(claims, "aud") != audience)
        {
            throw new RefusedException("it is not the gateway's word to this application");
        }
        var subject = Text(claims, "sub") ?? throw new RefusedException("sub is missing");
        _ = Text(claims, "jti") ?? throw new RefusedException("jti is missing");
        var delegation = Delegated(claims, now);
        var person = subject;
        if (claims.TryGetProperty("act", out var act)) // the profile of RFC 8693: sub is the doctor, act the human
        {
            if (act.ValueKind != JsonValueKind.Object || act.EnumerateObject().Count() != 1 || delegation?.OnBehalfOf != subject)
            {
                throw new RefusedException("act comes with a delegation of the doctor that sub names");
            }
            person = Text(act, "sub") ?? throw new RefusedException("nobody is named");
        }
        if (claims.TryGetProperty("idnat_ps", out _) && Text(claims, "idnat_ps") != person)
        {
            throw new RefusedException("two people are named");
        }
        if (delegation?.OnBehalfOf == person) throw new RefusedException("nobody acts on their own behalf");
        return new Who(person, delegation, claims);
    }

    private static Delegation? Delegated(JsonElement claims, DateTimeOffset now)
    {
        if (!claims.TryGetProperty("authorization_details", out var details)) return null;
        if (details.ValueKind != JsonValueKind.Array || details.GetArrayLength() == 0)
        {
            throw new RefusedException("authorization_details is a list of objects");
        }
        var first = details[0];
        var rights = new HashSet<(string, string)>();
        foreach (var one in details.EnumerateArray())
        {
            var known = one.ValueKind == JsonValueKind.Object && one.EnumerateObject().All(each => Members.Contains(each.Name));
            if (!known || Text(one, "type") != "fr.viatrajectoire.delegation")
            {
                throw new RefusedException("not a delegation of a known type");
            }
            foreach (var name in Shared)
            {
                if (Text(one, name) is not { } said || said != Text(first, name))
                {
                    throw new RefusedException($"{name} is missing, or not the same in every object");
                }
            }
            foreach (var module in Words(one, "datatypes"))
            {
                foreach (var action in Words(one, "actions")) rights.Add((module, action));
            }
        }
        var (begins, until) = (Instant(Text(first, "valid_from")!), Instant(Text(first, "valid_until")!));
        var standing = now >= begins.AddSeconds(-Leeway) && now < until.AddSeconds(1 + Leeway); // its last second counts
        if (Text(first, "kind") is not ("assistant" or "colleague") || !standing)
        {
            throw new RefusedException("the delegation is over, has not begun, or is of an unknown kind");
        }
        return new Delegation(Text(first, "identifier")!, Text(first, "on_behalf_of")!, Text(first, "kind")!, rights, until);
    }

    private static DateTimeOffset Instant(string text) =>
        InstantForm().IsMatch(text)
        && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out var found)
            ? found
            : throw new RefusedException("a date that cannot be read, or has no zone");

    /// <summary>A text that is there and not empty, or null.</summary>
    private static string? Text(JsonElement one, string name) =>
        one.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text
            ? text
            : null;

    private static List<string> Words(JsonElement one, string name)
    {
        if (!one.TryGetProperty(name, out var list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0)
        {
            throw new RefusedException($"{name} is a list of words");
        }
        return list.EnumerateArray().Select(word => word.ValueKind == JsonValueKind.String && word.GetString() is { Length: > 0 } text
            ? text
            : throw new RefusedException($"{name} is a list of words")).ToList();
    }

    private static long Seconds(JsonElement claims, string name) =>
        claims.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
        && value.TryGetInt64(out var found) && Math.Abs(found) < 1L << 53
            ? found
            : throw new RefusedException($"{name} is a whole number of seconds");

    /// <summary>base64url without padding, in its one spelling.</summary>
    internal static byte[] Decoded(string part)
    {
        try
        {
            if (part.Contains('+') || part.Contains('/') || part.Contains('=')) throw new FormatException();
            var padded = part.Replace('-', '+').Replace('_', '/') + new string('=', (4 - part.Length % 4) % 4);
            var found = Convert.FromBase64String(padded);
            if (Convert.ToBase64String(found).TrimEnd('=').Replace('+', '-').Replace('/', '_') == part) return found;
        }
        catch (FormatException)
        {
            throw new RefusedException("a part is not base64url");
        }
        throw new RefusedException("a part is not base64url in its one spelling");
    }

    /// <summary>A JSON object in UTF-8. JsonDocument keeps members named twice: they are counted, and refused at every depth.</summary>
    private static JsonElement Object(byte[] data)
    {
        try
        {
            _ = new UTF8Encoding(false, true).GetString(data);
            using var parsed = JsonDocument.Parse(data, Strict);
            if (parsed.RootElement.ValueKind == JsonValueKind.Object)
            {
                Once(parsed.RootElement);
                return parsed.RootElement.Clone();
            }
        }
        catch (Exception error) when (error is JsonException or ArgumentException)
        {
            throw new RefusedException("a part is not JSON");
        }
        throw new RefusedException("a part is not an object");
    }

    private static void Once(JsonElement one)
    {
        if (one.ValueKind == JsonValueKind.Object)
        {
            var seen = new HashSet<string>();
            foreach (var member in one.EnumerateObject())
            {
                if (!seen.Add(member.Name)) throw new RefusedException("a member is named twice");
                Once(member.Value);
            }
        }
        else if (one.ValueKind == JsonValueKind.Array)
        {
            foreach (var each in one.EnumerateArray()) Once(each);
        }
    }
}
