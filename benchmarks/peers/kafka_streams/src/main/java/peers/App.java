package peers;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The work of the benchmark with Kafka Streams: a stream of outcomes, each enriched from a table of predictions.
 *
 * <p>A join of a stream with a table keeps each prediction once, so that a repeated prediction replaces itself; a
 * repeated outcome counts twice. Kafka Streams takes the events of both topics in the order of their timestamps, so
 * that a prediction is in the table before its outcome comes. The table never forgets.
 *
 * <p>The table has no cache before RocksDB: a cache saves writes of keys that come again soon, and ids do not. The sums
 * keep theirs, which also spares results that a later one of the same cell replaces.
 */
public final class App {
    private static final long POLL_MILLISECONDS = 20;

    private App() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Progress progress = new Progress(Long.parseLong(setting("EVENTS")));
        try (KafkaStreams streams = new KafkaStreams(topology(progress), settings())) {
            streams.start();
            while (!progress.complete()) {
                if (streams.state() == KafkaStreams.State.ERROR) {
                    throw new IllegalStateException("the stream thread failed");
                }
                Thread.sleep(POLL_MILLISECONDS);
            }
        } // Closing flushes the caches of the stores, so that the last results are sent, and commits.
        System.out.println("done");
    }

    private static Topology topology(Progress progress) throws IOException {
        StreamsBuilder builder = new StreamsBuilder();
        KTable<Bytes, Prediction> predictions = events(
                        builder,
                        "PREDICTIONS",
                        "prediction.avsc",
                        "event_time", "version", "label", "score", "attributes")
                .peek((id, event) -> progress.read())
                .mapValues(Prediction::of)
                .toTable(Materialized.<Bytes, Prediction, KeyValueStore<Bytes, byte[]>>with(
                                Serdes.Bytes(), Prediction.SERDE)
                        .withCachingDisabled());
        // A left join, since an outcome without a prediction counts as read, too.
        events(builder, "OUTCOMES", "outcome.avsc", "label")
                .leftJoin(predictions, (outcome, found) -> found == null ? null : found.judged(outcome))
                .peek((id, judged) -> {
                    if (judged != null) {
                        progress.joined();
                    }
                    progress.read();
                })
                .filter((id, judged) -> judged != null)
                .map((id, judged) -> judged)
                .groupByKey(Grouped.with(Serdes.String(), Totals.SERDE))
                .aggregate(
                        () -> Totals.NONE,
                        (cell, judged, totals) -> {
                            progress.summed();
                            return totals.plus(judged);
                        },
                        Materialized.with(Serdes.String(), Totals.SERDE))
                .toStream()
                .mapValues(Totals::json)
                .to(setting("RESULTS"), Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }

    private static KStream<Bytes, GenericRecord> events(
            StreamsBuilder builder, String topic, String schema, String... fields) throws IOException {
        Deserializer<GenericRecord> avro = new FramedAvro(Path.of(setting("SCHEMAS"), schema), fields);
        Serializer<GenericRecord> none = (name, event) -> {
            throw new UnsupportedOperationException("events are only read");
        };
        return builder.stream(setting(topic), Consumed.with(Serdes.Bytes(), Serdes.serdeFrom(none, avro)));
    }

    /** Settings are the defaults: at least once, one thread, RocksDB with changelog topics, a commit each 30 s. */
    private static Properties settings() {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, setting("GROUP"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, setting("BOOTSTRAP"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, setting("STATE"));
        return settings;
    }

    private static String setting(String name) {
        String value = System.getenv(name);
        if (value == null) {
            throw new IllegalArgumentException("the environment has no " + name);
        }
        return value;
    }
}
