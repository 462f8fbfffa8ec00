package peers;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.util.Utf8;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.CoreOptions;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.JobManagerOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * The work of the benchmark with Flink's DataStream API, on a cluster within this process.
 *
 * <p>The sources are bounded by what the topics have at the start, so the job ends by itself; Flink then takes a last
 * checkpoint, with which the sink flushes its results.
 */
public final class App {
    private static final String LOOPBACK = "127.0.0.1";
    private static final Utf8 COUNTRY = new Utf8("country");

    private App() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment(settings());
        DataStream<Prediction> predictions = events(
                flink,
                "PREDICTIONS",
                new Events<>(
                        schema("prediction.avsc"),
                        Prediction.class,
                        App::prediction,
                        "event_time", "version", "label", "score", "attributes"));
        DataStream<Outcome> outcomes = events(
                flink, "OUTCOMES", new Events<>(schema("outcome.avsc"), Outcome.class, App::outcome, "label"));
        predictions
                .keyBy(Prediction::request)
                .connect(outcomes.keyBy(Outcome::request))
                .flatMap(new Join())
                .keyBy(Totals::cell)
                .reduce(Totals::plus)
                .sinkTo(results());
        flink.execute("peers");
        System.out.println("done");
    }

    private static <T> DataStream<T> events(StreamExecutionEnvironment flink, String topic, Events<T> events) {
        KafkaSource<T> source = KafkaSource.<T>builder()
                .setBootstrapServers(setting("BOOTSTRAP"))
                .setGroupId(setting("GROUP"))
                .setTopics(setting(topic))
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setDeserializer(events)
                .build();
        return flink.fromSource(source, WatermarkStrategy.noWatermarks(), topic);
    }

    private static KafkaSink<Totals> results() {
        String topic = setting("RESULTS");
        return KafkaSink.<Totals>builder()
                .setBootstrapServers(setting("BOOTSTRAP"))
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setRecordSerializer((totals, context, time) -> new ProducerRecord<>(
                        topic,
                        totals.cell().getBytes(StandardCharsets.UTF_8),
                        totals.json().getBytes(StandardCharsets.UTF_8)))
                .build();
    }

    private static Prediction prediction(String request, GenericRecord fields) {
        long minute = TimeUnit.MICROSECONDS.toMinutes((long) fields.get("event_time"));
        Object country = ((Map<?, ?>) fields.get("attributes")).get(COUNTRY);
        String cell = minute + "|" + fields.get("version") + "|" + country;
        return new Prediction(request, cell, fields.get("label").toString(), (double) fields.get("score"));
    }

    private static Outcome outcome(String request, GenericRecord fields) {
        return new Outcome(request, fields.get("label").toString());
    }

    private static Path schema(String file) {
        return Path.of(setting("SCHEMAS"), file);
    }

    /**
     * One thread for each task; state in RocksDB, checkpointed in increments each 10 s, at least once.
     *
     * <p>Checkpoints stay when the process is killed, and a new run of the job could begin with the last one.
     *
     * <p>A cluster within a process gives RocksDB 128 MB; it gets here what a task manager of its own has by default.
     * Objects are reused between chained functions, as Flink advises where none keeps or changes its inputs.
     */
    private static Configuration settings() {
        String state = Path.of(setting("STATE")).toAbsolutePath().toString();
        return new Configuration()
                .set(CoreOptions.DEFAULT_PARALLELISM, 1)
                .set(CoreOptions.TMP_DIRS, state)
                .set(JobManagerOptions.BIND_HOST, LOOPBACK)
                .set(TaskManagerOptions.BIND_HOST, LOOPBACK)
                .set(RestOptions.BIND_ADDRESS, LOOPBACK)
                .set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(512))
                .set(PipelineOptions.OBJECT_REUSE, true)
                .set(StateBackendOptions.STATE_BACKEND, "rocksdb")
                .set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true)
                .set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, Path.of(state).toUri().toString())
                .set(
                        CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                        ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION)
                .set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofSeconds(10))
                .set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.AT_LEAST_ONCE);
    }

    private static String setting(String name) {
        String value = System.getenv(name);
        if (value == null) {
            throw new IllegalArgumentException("the environment has no " + name);
        }
        return value;
    }
}
