package peers;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.util.Utf8;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;

/** What is kept of a prediction until its outcome comes: the cell that it counts in, its label and its score. */
record Prediction(String cell, String label, double score) {
    static final Serde<Prediction> SERDE =
            Serdes.serdeFrom((topic, prediction) -> prediction.bytes(), (topic, bytes) -> from(bytes));

    private static final Utf8 COUNTRY = new Utf8("country");

    static Prediction of(GenericRecord event) {
        long minute = TimeUnit.MICROSECONDS.toMinutes((long) event.get("event_time"));
        Object country = ((Map<?, ?>) event.get("attributes")).get(COUNTRY);
        String cell = minute + "|" + event.get("version") + "|" + country;
        return new Prediction(cell, event.get("label").toString(), (double) event.get("score"));
    }

    /** Its cell, and what it adds to the sums of that cell once its true label is known. */
    KeyValue<String, Totals> judged(GenericRecord outcome) {
        boolean right = label.contentEquals((CharSequence) outcome.get("label"));
        return KeyValue.pair(cell, new Totals(1, right ? 1 : 0, score));
    }

    private byte[] bytes() {
        byte[] key = cell.getBytes(StandardCharsets.UTF_8);
        byte[] answer = label.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(Double.BYTES + Integer.BYTES + key.length + answer.length)
                .putDouble(score)
                .putInt(key.length)
                .put(key)
                .put(answer)
                .array();
    }

    private static Prediction from(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        double score = buffer.getDouble();
        String cell = text(buffer, buffer.getInt());
        return new Prediction(cell, text(buffer, buffer.remaining()), score);
    }

    private static String text(ByteBuffer buffer, int length) {
        String text = new String(buffer.array(), buffer.position(), length, StandardCharsets.UTF_8);
        buffer.position(buffer.position() + length);
        return text;
    }
}
