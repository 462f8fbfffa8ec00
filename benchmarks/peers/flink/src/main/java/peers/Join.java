package peers;

import java.time.Duration;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.StateTtlConfig;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.co.RichCoFlatMapFunction;
import org.apache.flink.util.Collector;

/**
 * Brings a prediction and its outcome together, whichever comes first.
 *
 * <p>The first waits in keyed state for the second, which clears it; so an event that comes again finds no partner.
 * What never finds one is forgotten after a day by the clock, which is more of event time while a backlog is read.
 */
final class Join extends RichCoFlatMapFunction<Prediction, Outcome, Totals> {
    private static final long serialVersionUID = 1L;
    private static final Duration KEPT = Duration.ofHours(24);

    private transient ValueState<Prediction> predictions;
    private transient ValueState<Outcome> outcomes;

    @Override
    public void open(OpenContext context) {
        predictions = waiting("prediction", Prediction.class);
        outcomes = waiting("outcome", Outcome.class);
    }

    @Override
    public void flatMap1(Prediction prediction, Collector<Totals> out) throws Exception {
        Outcome outcome = outcomes.value();
        if (outcome == null) {
            predictions.update(prediction);
        } else {
            outcomes.clear();
            out.collect(prediction.judged(outcome));
        }
    }

    @Override
    public void flatMap2(Outcome outcome, Collector<Totals> out) throws Exception {
        Prediction prediction = predictions.value();
        if (prediction == null) {
            outcomes.update(outcome);
        } else {
            predictions.clear();
            out.collect(prediction.judged(outcome));
        }
    }

    private <T> ValueState<T> waiting(String name, Class<T> type) {
        ValueStateDescriptor<T> state = new ValueStateDescriptor<>(name, type);
        state.enableTimeToLive(StateTtlConfig.newBuilder(KEPT).build());
        return getRuntimeContext().getState(state);
    }
}
