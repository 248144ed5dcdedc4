import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;

/**
 * Judges a document of assertions and exits 1 at the first one judged wrongly.
 *
 * <p>javac -d out *.java; java -cp out SelfTest ../vectors.json
 */
final class SelfTest {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> document = VtAssertion.object(Json.read(bytes(arguments[0])));
        VtAssertion.Keys keys = new VtAssertion.Keys(null, VtAssertion.object(document.get("jwks")));
        VtAssertion assertions = new VtAssertion((String) document.get("issuer"), (String) document.get("audience"), keys);
        Instant now = Instant.ofEpochSecond(((BigDecimal) document.get("now")).longValueExact());
        List<?> good = (List<?>) document.get("good");
        List<?> bad = (List<?>) document.get("bad");
        for (Object each : good) {
            Map<String, Object> one = VtAssertion.object(each);
            VtAssertion.Who who;
            try {
                who = assertions.read((String) one.get("token"), now);
            } catch (VtAssertion.Refused error) {
                wrong("wrongly refused: " + one.get("name") + ": " + error.getMessage());
                return;
            }
            if (!asExpected(who, VtAssertion.object(one.get("expect")))) {
                wrong("misread: " + one.get("name") + ": " + who);
            }
        }
        for (Object each : bad) {
            Map<String, Object> one = VtAssertion.object(each);
            try {
                assertions.read((String) one.get("token"), now);
            } catch (VtAssertion.Refused error) {
                continue;
            }
            wrong("wrongly believed: " + one.get("name") + ": " + one.get("why"));
        }
        System.out.println(good.size() + " believed, " + bad.size() + " refused");
    }

    private static boolean asExpected(VtAssertion.Who who, Map<String, Object> expect) throws VtAssertion.Refused {
        boolean person = who.person().equals(expect.get("person"));
        boolean names = same(who, "family_name", expect, "family_name") && same(who, "given_name", expect, "given_name")
            && same(who, "acr", expect, "assurance");
        VtAssertion.Delegation given = who.delegation();
        if (given == null) {
            return person && names && expect.get("delegation") == Json.NULL;
        }
        if (expect.get("delegation") == Json.NULL) {
            return false;
        }
        Map<String, Object> wanted = VtAssertion.object(expect.get("delegation"));
        TreeSet<String> rights = new TreeSet<>();
        for (Object pair : (List<?>) wanted.get("rights")) {
            rights.add(((List<?>) pair).get(0) + " " + ((List<?>) pair).get(1));
        }
        return person && names && given.identifier().equals(wanted.get("identifier"))
            && given.onBehalfOf().equals(wanted.get("on_behalf_of")) && given.kind().equals(wanted.get("kind"))
            && given.rights().equals(rights) && given.until().equals(Instant.parse((String) wanted.get("until")));
    }

    private static boolean same(VtAssertion.Who who, String claim, Map<String, Object> expect, String name) {
        return Objects.equals(who.claims().getOrDefault(claim, Json.NULL), expect.get(name));
    }

    private static byte[] bytes(String source) throws Exception {
        if (!source.startsWith("https://")) {
            return Files.readAllBytes(Path.of(source));
        }
        HttpRequest request = HttpRequest.newBuilder(URI.create(source)).build();
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray()).body();
    }

    private static void wrong(String message) {
        System.out.println(message);
        System.exit(1);
    }
}
