package peers;

import org.apache.flink.api.java.tuple.Tuple2;

/** What is kept of an outcome: its request's id, and its label. */
public final class Outcome extends Tuple2<String, String> {
    public Outcome() {}

    Outcome(String request, String label) {
        super(request, label);
    }

    String request() {
        return f0;
    }

    String label() {
        return f1;
    }
}
