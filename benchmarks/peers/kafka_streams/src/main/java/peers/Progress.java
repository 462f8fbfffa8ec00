package peers;

import java.util.concurrent.atomic.AtomicLong;

/**
 * How far the one stream thread is, for the main thread to see.
 *
 * <p>Joined outcomes go through a repartition topic before they are summed. So the work is done when all events were
 * read and as many outcomes were summed as were joined. An outcome counts as read after it counts as joined; therefore
 * the number of joined ones is final when all are read. This holds for a run from the beginning: after a crash, the
 * repartition topic has outcomes of the run before, too.
 */
final class Progress {
    private final long events;
    private final AtomicLong read = new AtomicLong();
    private final AtomicLong joined = new AtomicLong();
    private final AtomicLong summed = new AtomicLong();

    Progress(long events) {
        this.events = events;
    }

    void read() {
        if (read.incrementAndGet() == 1) {
            System.out.println("begin");
        }
    }

    void joined() {
        joined.incrementAndGet();
    }

    void summed() {
        summed.incrementAndGet();
    }

    boolean complete() {
        return read.get() >= events && summed.get() >= joined.get();
    }
}
