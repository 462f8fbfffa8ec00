package peers;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** Sums over labelled predictions: how many, how many of them were right, and their scores. */
record Totals(long n, long right, double score) {
    static final Totals NONE = new Totals(0, 0, 0.0);
    static final Serde<Totals> SERDE =
            Serdes.serdeFrom((topic, totals) -> totals.bytes(), (topic, bytes) -> from(bytes));

    Totals plus(Totals other) {
        return new Totals(n + other.n, right + other.right, score + other.score);
    }

    String json() {
        return "{\"n\":" + n + ",\"right\":" + right + ",\"score\":" + score + "}";
    }

    private byte[] bytes() {
        return ByteBuffer.allocate(2 * Long.BYTES + Double.BYTES)
                .putLong(n)
                .putLong(right)
                .putDouble(score)
                .array();
    }

    private static Totals from(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        return new Totals(buffer.getLong(), buffer.getLong(), buffer.getDouble());
    }
}
