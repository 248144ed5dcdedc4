import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * A server that trusts the assertion and nothing else: 200 with who asks, or 401 with the reason.
 *
 * <p>VT_JWKS=https://vt.example.fr/_gateway/jwks.json VT_ISSUER=https://vt.example.fr VT_AUDIENCE=vt java -cp out Server 8080
 */
final class Server {
    public static void main(String[] arguments) throws Exception {
        VtAssertion.Keys keys = new VtAssertion.Keys(URI.create(System.getenv("VT_JWKS")), Map.of());
        VtAssertion assertions = new VtAssertion(System.getenv("VT_ISSUER"), System.getenv("VT_AUDIENCE"), keys);
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 0);
        server.createContext("/", exchange -> {
            List<String> tokens = exchange.getRequestHeaders().getOrDefault("X-VT-Assertion", List.of());
            int status = 401;
            String body = reason("not exactly one assertion"); // getFirst would hide a second one
            if (tokens.size() == 1) {
                try {
                    VtAssertion.Who who = assertions.read(tokens.get(0), Instant.now());
                    String doctor = who.delegation() == null ? "null" : quoted(who.delegation().onBehalfOf());
                    body = "{\"person\": " + quoted(who.person()) + ", \"on_behalf_of\": " + doctor + "}";
                    status = 200;
                } catch (VtAssertion.Refused error) {
                    body = reason(error.getMessage());
                } catch (RuntimeException error) { // a fault of ours opens nothing
                    error.printStackTrace();
                    body = reason("it could not be judged");
                }
            }
            byte[] data = body.getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(status, data.length);
            exchange.getResponseBody().write(data);
            exchange.close();
        });
        server.start();
    }

    private static String reason(String text) {
        return "{\"reason\": " + quoted(text) + "}";
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\p{Cntrl}", " ") + '"';
    }
}
