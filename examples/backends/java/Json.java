import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A small strict JSON reader: UTF-8, no member twice, no depth beyond twenty, nothing after the value. The JDK ships none. Values are
 * Map, List, String, BigDecimal, Boolean, or NULL.
 */
final class Json {
    static final Object NULL = new Object();
    private static final int DEEPEST = 20;
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** The value of these bytes; throws IllegalArgumentException for anything else than one JSON value. */
    static Object read(byte[] data) {
        String text;
        try {
            text = StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT).decode(ByteBuffer.wrap(data)).toString();
        } catch (CharacterCodingException error) {
            throw new IllegalArgumentException("not UTF-8", error);
        }
        Json reader = new Json(text);
        Object found = reader.value(0);
        reader.space();
        if (reader.at != text.length()) {
            throw reader.wrong();
        }
        return found;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("no JSON at " + at);
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private char next() {
        space();
        if (at >= text.length()) {
            throw wrong();
        }
        return text.charAt(at);
    }

    private void take(char wanted) {
        if (next() != wanted) {
            throw wrong();
        }
        at++;
    }

    private Object value(int depth) {
        if (depth > DEEPEST) {
            throw wrong();
        }
        char first = next();
        if (first == '{') {
            return object(depth);
        }
        if (first == '[') {
            return list(depth);
        }
        if (first == '"') {
            return string();
        }
        for (Map.Entry<String, Object> word : Map.of("true", Boolean.TRUE, "false", Boolean.FALSE, "null", NULL).entrySet()) {
            if (text.startsWith(word.getKey(), at)) {
                at += word.getKey().length();
                return word.getValue();
            }
        }
        java.util.regex.Matcher number = java.util.regex.Pattern
            .compile("-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?").matcher(text).region(at, text.length());
        if (!number.lookingAt()) {
            throw wrong();
        }
        at = number.end();
        return new BigDecimal(number.group());
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> found = new LinkedHashMap<>();
        take('{');
        if (next() != '}') {
            do {
                if (next() != '"') {
                    throw wrong();
                }
                String name = string();
                take(':');
                if (found.put(name, value(depth + 1)) != null) { // two readers would see two things
                    throw new IllegalArgumentException("a member is named twice");
                }
            } while (more());
        }
        take('}');
        return found;
    }

    private List<Object> list(int depth) {
        List<Object> found = new ArrayList<>();
        take('[');
        if (next() != ']') {
            do {
                found.add(value(depth + 1));
            } while (more());
        }
        take(']');
        return found;
    }

    private boolean more() {
        if (next() != ',') {
            return false;
        }
        at++;
        return true;
    }

    private String string() {
        StringBuilder found = new StringBuilder();
        at++;
        while (at < text.length()) {
            char one = text.charAt(at++);
            if (one == '"') {
                return found.toString();
            }
            if (one < ' ') {
                throw wrong();
            }
            found.append(one == '\\' ? escape() : one);
        }
        throw wrong();
    }

    private char escape() {
        char one = at < text.length() ? text.charAt(at++) : ' ';
        int place = "\"\\/bfnrt".indexOf(one);
        if (place >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(place);
        }
        if (one != 'u' || at + 4 > text.length() || !text.substring(at, at + 4).matches("[0-9a-fA-F]{4}")) {
            throw wrong();
        }
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 4, at), 16);
    }
}
