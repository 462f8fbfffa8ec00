package peers;

import org.apache.flink.api.java.tuple.Tuple4;

/**
 * What is kept of a prediction: its request's id, the cell that it counts in, its label and its score.
 *
 * <p>A tuple, as these are the types that Flink serializes fastest; it needs the class, its constructor and its fields
 * to be public.
 */
public final class Prediction extends Tuple4<String, String, String, Double> {
    public Prediction() {}

    Prediction(String request, String cell, String label, double score) {
        super(request, cell, label, score);
    }

    String request() {
        return f0;
    }

    /** What it adds to the sums of its cell once its true label is known. */
    Totals judged(Outcome outcome) {
        return new Totals(f1, 1, f2.equals(outcome.label()) ? 1 : 0, f3);
    }
}
