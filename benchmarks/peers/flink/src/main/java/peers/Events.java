package peers;

import java.io.IOException;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * Reads Avro in Confluent framing: a zero byte and four bytes of schema id, then the datum.
 *
 * <p>The reader's schema has only the fields that are asked for, so that Avro skips over the others: its own way of
 * projecting. The id is not looked up, as all events of a topic have one schema.
 */
final class Events<T> implements KafkaRecordDeserializationSchema<T> {
    private static final long serialVersionUID = 1L;
    private static final int HEADER = 5;
    private static final AtomicBoolean BEGUN = new AtomicBoolean();

    private final Schema written;
    private final Schema wanted;
    private final Class<T> type;
    private final Take<T> take;
    private transient GenericDatumReader<GenericRecord> reader;
    private transient GenericRecord record;
    private transient BinaryDecoder decoder;

    /** Makes an event from the id of its request and the fields. */
    interface Take<T> extends Serializable {
        T from(String request, GenericRecord fields);
    }

    Events(Path schema, Class<T> type, Take<T> take, String... fields) throws IOException {
        this.written = new Schema.Parser().parse(schema.toFile());
        this.wanted = only(written, fields);
        this.type = type;
        this.take = take;
    }

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
        reader = new GenericDatumReader<>(written, wanted);
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> message, Collector<T> out) throws IOException {
        if (!BEGUN.get() && BEGUN.compareAndSet(false, true)) {
            System.out.println("begin");
        }
        byte[] value = message.value();
        decoder = DecoderFactory.get().binaryDecoder(value, HEADER, value.length - HEADER, decoder);
        record = reader.read(record, decoder);
        out.collect(take.from(new String(message.key(), StandardCharsets.UTF_8), record));
    }

    @Override
    public TypeInformation<T> getProducedType() {
        return TypeInformation.of(type);
    }

    private static Schema only(Schema written, String... names) {
        List<Schema.Field> fields = Stream.of(names)
                .map(written::getField)
                .map(field -> new Schema.Field(field, field.schema()))
                .toList();
        return Schema.createRecord(written.getName(), written.getDoc(), written.getNamespace(), false, fields);
    }
}
