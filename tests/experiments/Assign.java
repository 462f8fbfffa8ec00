import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;

/**
 * The hash of docs/assignment.md in another language, written after that document alone.
 *
 * Reads questions from standard input, a line each, fields separated by tabs, and answers each with a line:
 *
 *   hash TEXT...                   the first 64 bits of the digest in hexadecimal, and the position
 *   slot SALT SLOTS UNIT           the unit's slot in a layer
 *   arm SALT UNIT WEIGHT...        the index of the unit's arm in an experiment
 *   share KIND SALT SHARE UNIT     whether the unit is in a share: true or false; KIND is share or holdout
 */
public final class Assign {
    private Assign() {}

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            var fields = Arrays.asList(line.split("\t", -1));
            System.out.println(answer(fields.get(0), fields.subList(1, fields.size())));
        }
    }

    private static String answer(String kind, List<String> fields) throws Exception {
        switch (kind) {
            case "hash":
                var texts = fields.toArray(new String[0]);
                return String.format("%016x %s", firstBits(texts), Double.toHexString(position(texts)));
            case "slot":
                double slots = Double.parseDouble(fields.get(1));
                return Long.toString((long) Math.floor(position("layer", fields.get(0), fields.get(2)) * slots));
            case "arm":
                var weights = fields.subList(2, fields.size()).stream().mapToDouble(Double::parseDouble).toArray();
                return Integer.toString(arm(position("arm", fields.get(0), fields.get(1)), weights));
            case "share":
                double position = position(fields.get(0), fields.get(1), fields.get(3));
                return Boolean.toString(position < Double.parseDouble(fields.get(2)));
            default:
                throw new IllegalArgumentException(kind);
        }
    }

    private static long firstBits(String... texts) throws Exception {
        var digest = MessageDigest.getInstance("SHA-256");
        for (String text : texts) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            digest.update((bytes.length + ":").getBytes(StandardCharsets.US_ASCII));
            digest.update(bytes);
            digest.update((byte) ',');
        }
        return ByteBuffer.wrap(digest.digest()).getLong();
    }

    private static double position(String... texts) throws Exception {
        return (firstBits(texts) >>> 11) * 0x1.0p-53;
    }

    private static int arm(double position, double[] weights) {
        double total = 0;
        for (double weight : weights) {
            total += weight;
        }
        int index = 0;
        double sum = 0;
        for (int next = 0; next < weights.length - 1; next++) {
            sum += weights[next];
            if (sum / total <= position) {
                index = next + 1;
            }
        }
        return index;
    }
}
