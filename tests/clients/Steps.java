import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Runs the steps of a client's program: a step that fails is told with its cause, and the others run all the same. */
final class Steps {
    interface Step {
        void run() throws Exception;
    }

    private final Map<String, Step> steps = new LinkedHashMap<>();

    void add(String name, Step step) {
        steps.put(name, step);
    }

    /** Runs all steps and ends the process: 0 if all went well. ONLY=name,.. in the environment runs these alone. */
    void run() {
        String only = System.getenv("ONLY");
        List<String> failed = new ArrayList<>();
        steps.forEach((name, step) -> {
            if (only != null && !Arrays.asList(only.split(",")).contains(name)) return;
            try {
                step.run();
                System.out.println("ok      " + name);
            } catch (Throwable e) {
                failed.add(name);
                String state = e instanceof SQLException s ? s.getSQLState() + " " : "";
                System.out.println("FAILED  " + name + ": " + state + String.valueOf(e.getMessage()).replace("\n", " "));
                e.printStackTrace(System.out);
            }
        });
        System.out.println(failed.isEmpty() ? "ok" : failed.size() + " of " + steps.size() + " steps failed: " + String.join(", ", failed));
        System.exit(failed.isEmpty() ? 0 : 1);
    }

    static void same(Object got, Object expected) {
        if (!Objects.deepEquals(got, expected)) throw new AssertionError("got " + got + ", expected " + expected);
    }

    static void raises(String state, Step step) throws Exception {
        try {
            step.run();
        } catch (SQLException e) {
            if (!state.equals(e.getSQLState())) throw new AssertionError("SQLSTATE " + e.getSQLState() + ", expected " + state + ": " + e.getMessage());
            return;
        }
        throw new AssertionError("expected SQLSTATE " + state + ", but nothing was raised");
    }
}
