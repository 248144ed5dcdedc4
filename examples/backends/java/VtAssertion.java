import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Who asks, and for whom: reads the header X-VT-Assertion of the ViaTrajectoire gateway, and believes nothing else. Java 17, nothing
 * else. Copy it with Json.java; the rules are those of docs/backend.md.
 */
final class VtAssertion {
    static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String why) {
            super(why);
        }
    }

    /** For whom: rights are "module action"; until is the last second. */
    record Delegation(String identifier, String onBehalfOf, String kind, Set<String> rights, Instant until) { }

    /** The person is always the human who signed in. */
    record Who(String person, Delegation delegation, Map<String, Object> claims) { }

    private static final int LONGEST = 60;
    private static final int LEEWAY = 5; // seconds: two clocks
    private static final List<String> SHARED =
        List.of("type", "identifier", "on_behalf_of", "kind", "valid_from", "valid_until");
    private static final Set<String> MEMBERS = Set.of(
        "type", "identifier", "on_behalf_of", "kind", "valid_from", "valid_until", "actions", "datatypes");

    private final String issuer;
    private final String audience;
    private final Keys keys;

    VtAssertion(String issuer, String audience, Keys keys) {
        this.issuer = issuer;
        this.audience = audience;
        this.keys = keys;
    }

    /**
     * The gateway's keys: asked for again every five minutes, and at once (once a minute at most) for an unknown name. When nobody
     * answers, those known serve for an hour.
     */
    static final class Keys {
        private final URI address; // null: the document given is all there is
        private Map<String, Object> document;
        private Instant knownAt = Instant.EPOCH;
        private Instant askedAt = Instant.EPOCH;

        Keys(URI address, Map<String, Object> document) {
            this.address = address;
            this.document = document;
        }

        synchronized PublicKey key(Object kid) throws Refused {
            if (!(kid instanceof String name) || name.isEmpty()) {
                throw new Refused("no key is named");
            }
            Instant now = Instant.now();
            boolean stale = knownAt.plusSeconds(300).isBefore(now) || find(name) == null;
            if (address != null && stale && askedAt.plusSeconds(60).isBefore(now)) {
                askedAt = now;
                ask(now);
            }
            Map<?, ?> found = find(name);
            if (found == null) {
                throw new Refused("the key is not one of the gateway's, or they cannot be had");
            }
            try {
                AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
                curve.init(new ECGenParameterSpec("secp256r1"));
                ECPoint point = new ECPoint(number(found.get("x")), number(found.get("y")));
                return KeyFactory.getInstance("EC").generatePublic(
                    new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class)));
            } catch (GeneralSecurityException error) {
                throw new Refused("the key cannot be used");
            }
        }

        private void ask(Instant now) {
            try {
                HttpRequest request = HttpRequest.newBuilder(address).timeout(Duration.ofSeconds(5)).build();
                HttpResponse<byte[]> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray());
                if (answer.statusCode() == 200) {
                    Map<String, Object> fresh = object(Json.read(answer.body()));
                    if (fresh.get("keys") instanceof List<?>) {
                        document = fresh;
                        knownAt = now;
                        return;
                    }
                }
            } catch (java.io.IOException | IllegalArgumentException | Refused error) {
                System.err.println("keys not refreshed: " + error);
            } catch (InterruptedException error) {
                Thread.currentThread().interrupt();
            }
            if (knownAt.plusSeconds(3600).isBefore(now)) {
                document = Map.of();
            }
        }

        private Map<?, ?> find(String kid) {
            if (document.get("keys") instanceof List<?> all) {
                for (Object one : all) {
                    if (one instanceof Map<?, ?> key && kid.equals(key.get("kid")) && "EC".equals(key.get("kty"))
                        && "P-256".equals(key.get("crv"))) {
                        return key;
                    }
                }
            }
            return null;
        }

        private static BigInteger number(Object text) throws Refused {
            return new BigInteger(1, decoded(word(text, "a coordinate")));
        }
    }

    /** Who asks; throws Refused. jti need not be remembered: an assertion is sent with many requests of its minute. */
    Who read(String token, Instant now) throws Refused {
        String[] parts = token.split("\\.", -1);
        if (parts.length != 3) {
            throw new Refused("an assertion has three parts");
        }
        Map<String, Object> header = object(json(decoded(parts[0])));
        if (!"ES256".equals(header.get("alg")) || !"JWT".equals(header.get("typ"))
            || !Set.of("alg", "kid", "typ").containsAll(header.keySet())) {
            throw new Refused("the header is not alg ES256, typ JWT and a kid");
        }
        verify(keys.key(header.get("kid")), parts[0] + "." + parts[1], decoded(parts[2]));
        Map<String, Object> claims = object(json(decoded(parts[1])));
        long issued = seconds(claims.get("iat"));
        long ends = seconds(claims.get("exp"));
        long begins = Math.max(issued, claims.containsKey("nbf") ? seconds(claims.get("nbf")) : issued);
        if (ends <= issued || ends - issued > LONGEST) {
            throw new Refused("its life is not that of an assertion");
        }
        long instant = now.getEpochSecond();
        if (instant < begins - LEEWAY || instant >= ends + LEEWAY) {
            throw new Refused("it is over, or comes from the future");
        }
        if (!issuer.equals(claims.get("iss")) || !audience.equals(claims.get("aud"))) {
            throw new Refused("it is not the gateway's word to this application");
        }
        word(claims.get("jti"), "jti");
        String subject = word(claims.get("sub"), "sub");
        Delegation delegation = delegation(claims, now);
        String person = subject;
        if (claims.containsKey("act")) { // the profile of RFC 8693: sub is the doctor, act the human
            Map<String, Object> act = object(claims.get("act"));
            if (!act.keySet().equals(Set.of("sub")) || delegation == null || !subject.equals(delegation.onBehalfOf())) {
                throw new Refused("act comes with a delegation of the doctor that sub names");
            }
            person = word(act.get("sub"), "act.sub");
        }
        if (claims.containsKey("idnat_ps") && !person.equals(claims.get("idnat_ps"))) {
            throw new Refused("two people are named");
        }
        if (delegation != null && delegation.onBehalfOf().equals(person)) {
            throw new Refused("nobody acts on their own behalf");
        }
        return new Who(person, delegation, claims);
    }

    private static void verify(PublicKey key, String signed, byte[] signature) throws Refused {
        try {
            Signature check = Signature.getInstance("SHA256withECDSAinP1363Format"); // r and s, 64 bytes
            check.initVerify(key);
            check.update(signed.getBytes(StandardCharsets.US_ASCII));
            if (signature.length != 64 || !check.verify(signature)) {
                throw new Refused("the signature does not fit");
            }
        } catch (GeneralSecurityException error) {
            throw new Refused("the signature cannot be checked");
        }
    }

    private static Delegation delegation(Map<String, Object> claims, Instant now) throws Refused {
        if (!claims.containsKey("authorization_details")) {
            return null;
        }
        if (!(claims.get("authorization_details") instanceof List<?> details) || details.isEmpty()) {
            throw new Refused("authorization_details is a list of objects");
        }
        Map<String, Object> first = object(details.get(0));
        Set<String> rights = new TreeSet<>();
        for (Object each : details) {
            Map<String, Object> one = object(each);
            if (!"fr.viatrajectoire.delegation".equals(one.get("type")) || !MEMBERS.containsAll(one.keySet())) {
                throw new Refused("not a delegation of a known type"); // another member may be a limit that you do not understand
            }
            for (String name : SHARED) {
                if (!word(one.get(name), name).equals(first.get(name))) {
                    throw new Refused(name + " is not the same in every object");
                }
            }
            for (String module : words(one.get("datatypes"), "datatypes")) {
                for (String action : words(one.get("actions"), "actions")) {
                    rights.add(module + " " + action);
                }
            }
        }
        String kind = word(first.get("kind"), "kind");
        Instant until = instant(first.get("valid_until"));
        boolean begun = !now.isBefore(instant(first.get("valid_from")).minusSeconds(LEEWAY));
        if (!Set.of("assistant", "colleague").contains(kind) || !begun || !now.isBefore(until.plusSeconds(1 + LEEWAY))) {
            throw new Refused("the delegation is over, has not begun, or is of an unknown kind"); // its last second counts
        }
        String doctor = word(first.get("on_behalf_of"), "on_behalf_of");
        return new Delegation(word(first.get("identifier"), "identifier"), doctor, kind, rights, until);
    }

    private static Instant instant(Object text) throws Refused {
        String told = word(text, "a date");
        try {
            if (told.matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(Z|[+-]\\d\\d:\\d\\d)")) {
                return OffsetDateTime.parse(told).toInstant();
            }
        } catch (DateTimeParseException error) {
            throw new Refused("a date that cannot be read");
        }
        throw new Refused("a date that cannot be read, or has no zone");
    }

    private static long seconds(Object value) throws Refused {
        if (value instanceof BigDecimal number && number.scale() == 0 && number.precision() < 15) {
            return number.longValueExact();
        }
        throw new Refused("times are whole numbers of seconds");
    }

    private static String word(Object value, String what) throws Refused {
        if (value instanceof String found && !found.isEmpty()) {
            return found;
        }
        throw new Refused(what + " is missing");
    }

    private static List<String> words(Object value, String what) throws Refused {
        if (!(value instanceof List<?> all) || all.isEmpty()) {
            throw new Refused(what + " is a list of words");
        }
        List<String> found = new java.util.ArrayList<>();
        for (Object one : all) {
            found.add(word(one, what));
        }
        return found;
    }

    private static Object json(byte[] data) throws Refused {
        try {
            return Json.read(data);
        } catch (IllegalArgumentException error) {
            throw new Refused("a part is not JSON: " + error.getMessage());
        }
    }

    @SuppressWarnings("unchecked") // Json makes no other maps
    static Map<String, Object> object(Object value) throws Refused {
        if (value instanceof Map<?, ?>) {
            return (Map<String, Object>) value;
        }
        throw new Refused("an object was expected");
    }

    /** base64url without padding, in its one spelling. */
    private static byte[] decoded(String part) throws Refused {
        try {
            byte[] found = Base64.getUrlDecoder().decode(part);
            if (Base64.getUrlEncoder().withoutPadding().encodeToString(found).equals(part)) {
                return found;
            }
        } catch (IllegalArgumentException error) {
            throw new Refused("a part is not base64url");
        }
        throw new Refused("a part is not base64url in its one spelling");
    }
}
