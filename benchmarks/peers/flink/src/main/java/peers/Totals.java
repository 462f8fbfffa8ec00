package peers;

import org.apache.flink.api.java.tuple.Tuple4;

/** Sums over the labelled predictions of a cell: how many, how many of them were right, and their scores. */
public final class Totals extends Tuple4<String, Long, Long, Double> {
    public Totals() {}

    Totals(String cell, long n, long right, double score) {
        super(cell, n, right, score);
    }

    String cell() {
        return f0;
    }

    Totals plus(Totals other) {
        return new Totals(f0, f1 + other.f1, f2 + other.f2, f3 + other.f3);
    }

    String json() {
        return "{\"n\":" + f1 + ",\"right\":" + f2 + ",\"score\":" + f3 + "}";
    }
}
