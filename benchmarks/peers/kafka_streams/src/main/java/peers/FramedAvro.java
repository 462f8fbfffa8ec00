package peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.serialization.Deserializer;

/**
 * Reads Avro in Confluent framing: a zero byte and four bytes of schema id, then the datum.
 *
 * <p>The reader's schema has only the fields that are asked for, so that Avro skips over the others: its own way of
 * projecting. The id is not looked up, as all events of a topic have one schema.
 */
final class FramedAvro implements Deserializer<GenericRecord> {
    private static final int HEADER = 5;

    private final GenericDatumReader<GenericRecord> reader;
    private BinaryDecoder decoder;

    FramedAvro(Path schema, String... fields) throws IOException {
        Schema written = new Schema.Parser().parse(schema.toFile());
        reader = new GenericDatumReader<>(written, only(written, fields));
    }

    @Override
    public GenericRecord deserialize(String topic, byte[] message) {
        decoder = DecoderFactory.get().binaryDecoder(message, HEADER, message.length - HEADER, decoder);
        try {
            return reader.read(null, decoder);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static Schema only(Schema written, String... names) {
        List<Schema.Field> fields = Stream.of(names)
                .map(written::getField)
                .map(field -> new Schema.Field(field, field.schema()))
                .toList();
        return Schema.createRecord(written.getName(), written.getDoc(), written.getNamespace(), false, fields);
    }
}
