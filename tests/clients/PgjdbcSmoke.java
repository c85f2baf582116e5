import java.io.StringReader;
import java.math.BigDecimal;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.util.PGobject;

/** pgjdbc against a server: java PgjdbcSmoke host port. */
public final class PgjdbcSmoke {
    private static final String SLOW = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    private static String url;

    private static Connection connect(String... more) throws SQLException {
        Properties p = new Properties();
        p.setProperty("user", "ann");
        for (int i = 0; i < more.length; i += 2) p.setProperty(more[i], more[i + 1]);
        return DriverManager.getConnection(url, p);
    }

    private static Object one(Connection c, String sql) throws SQLException {
        try (Statement s = c.createStatement(); ResultSet r = s.executeQuery(sql)) {
            r.next();
            return r.getObject(1);
        }
    }

    private static void run(Connection c, String... texts) throws SQLException {
        try (Statement s = c.createStatement()) {
            for (String sql : texts) s.execute(sql);
        }
    }

    public static void main(String[] args) throws SQLException {
        url = "jdbc:postgresql://" + args[0] + ":" + args[1] + "/everfold";
        Steps steps = new Steps();
        steps.add("connects", PgjdbcSmoke::connects);
        steps.add("values_of_every_type", () -> values("prepareThreshold", "5"));
        steps.add("values_of_every_type_in_binary_form", () -> values("prepareThreshold", "-1"));
        steps.add("values_of_every_type_by_simple_queries", () -> values("preferQueryMode", "simple"));
        steps.add("batches", () -> batches("x"));
        steps.add("batches_rewritten", () -> batches("true"));
        steps.add("fetch_size", PgjdbcSmoke::fetchSize);
        steps.add("cancel", PgjdbcSmoke::cancel);
        steps.add("query_timeout", PgjdbcSmoke::queryTimeout);
        steps.add("generated_keys", PgjdbcSmoke::generatedKeys);
        steps.add("generated_keys_of_an_identity", PgjdbcSmoke::generatedIdentity);
        steps.add("savepoints", PgjdbcSmoke::savepoints);
        steps.add("transactions", PgjdbcSmoke::transactions);
        steps.add("read_only_and_isolation", PgjdbcSmoke::readOnly);
        steps.add("result_set_metadata", PgjdbcSmoke::resultSetMetadata);
        steps.add("parameter_metadata", PgjdbcSmoke::parameterMetadata);
        steps.add("scrollable_and_updatable", PgjdbcSmoke::scrollable);
        steps.add("copy", PgjdbcSmoke::copy);
        steps.add("schema_of_the_session", PgjdbcSmoke::schema);
        steps.add("warnings", PgjdbcSmoke::warnings);
        steps.add("notifications", PgjdbcSmoke::notifications);
        steps.add("is_valid_and_abort", PgjdbcSmoke::valid);
        Connection c = connect();
        steps.add("metadata_fixture", () -> {
            String stream = one(c, "SELECT version()").toString().contains("verfold") ? "STREAM" : "TABLE";
            run(c, "CREATE " + stream + " md_events (who varchar(20) NOT NULL, n int, amount numeric(10,2), at timestamptz, tags text[], doc jsonb)",
                "CREATE TABLE md_keyed (a int, b text, c float8, PRIMARY KEY (a, b))", "CREATE VIEW md_recent AS SELECT who FROM md_events",
                "CREATE MATERIALIZED VIEW md_totals AS SELECT who, count(*) AS n, sum(amount) AS total FROM md_events GROUP BY who");
        });
        PgjdbcMetadata.add(steps, c);
        steps.run();
    }

    private static void connects() throws SQLException {
        try (Connection c = connect("ApplicationName", "smoke", "options", "-c statement_timeout=5000")) {
            Steps.same(one(c, "SELECT current_setting('application_name')"), "smoke");
            Steps.same(one(c, "SHOW statement_timeout"), "5s");
            c.setClientInfo("ApplicationName", "other");
            Steps.same(one(c, "SHOW application_name"), "other");
            Steps.same(c.getMetaData().getDatabaseProductName(), "PostgreSQL");
            if (c.getMetaData().getDatabaseMajorVersion() < 14) throw new AssertionError(c.getMetaData().getDatabaseProductVersion());
        }
    }

    private static void values(String... more) throws SQLException {
        Object[][] values = {
            {"boolean", true}, {"int", 7}, {"bigint", Long.MAX_VALUE}, {"float8", 0.1}, {"float4", 1.5f}, {"numeric(10,2)", new BigDecimal("12.50")}, {"text", "grüß"},
            {"date", LocalDate.of(2024, 2, 29)}, {"time", LocalTime.of(23, 59, 59, 999999000)}, {"timestamp", LocalDateTime.of(1999, 12, 31, 23, 59, 59, 1000)},
            {"timestamptz", OffsetDateTime.of(2024, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC)}, {"uuid", UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")},
        };
        try (Connection c = connect(more)) {
            for (int n = 0; n < values.length; n++) {
                String t = "v" + n;
                Class<?> kind = values[n][1].getClass();
                run(c, "DROP TABLE IF EXISTS " + t, "CREATE TABLE " + t + " (id int PRIMARY KEY, v " + values[n][0] + ")");
                try (PreparedStatement p = c.prepareStatement("INSERT INTO " + t + " VALUES (?, ?), (2, NULL)")) {
                    p.setInt(1, 1);
                    p.setObject(2, values[n][1]);
                    Steps.same(p.executeUpdate(), 2);
                }
                try (PreparedStatement p = c.prepareStatement("SELECT v FROM " + t + " WHERE id >= ? ORDER BY id")) {
                    for (int i = 0; i < 7; i++) { // the driver asks for binary forms from the sixth on
                        p.setInt(1, 1);
                        ResultSet r = p.executeQuery();
                        r.next();
                        Steps.same(kind == Float.class ? (Object) r.getFloat(1) : r.getObject(1, kind), values[n][1]);
                        r.next();
                        Steps.same(r.getObject(1), null);
                    }
                }
            }
            if (more[1].equals("simple")) return; // the driver has no literals for what follows
            run(c, "DROP TABLE IF EXISTS vb", "CREATE TABLE vb (id int PRIMARY KEY, b bytea, a int[], t text[], j jsonb, ts timestamptz)");
            PGobject json = new PGobject();
            json.setType("jsonb");
            json.setValue("{\"a\": 1}");
            try (PreparedStatement p = c.prepareStatement("INSERT INTO vb VALUES (1, ?, ?, ?, ?, ?)")) {
                p.setBytes(1, new byte[] {0, -1});
                p.setArray(2, c.createArrayOf("int4", new Object[] {1, null, 3}));
                p.setArray(3, c.createArrayOf("text", new Object[] {"a", "b\"c"}));
                p.setObject(4, json);
                p.setTimestamp(5, Timestamp.from(OffsetDateTime.of(2024, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC).toInstant()));
                p.executeUpdate();
            }
            try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT b, a, t, j, ts FROM vb")) {
                r.next();
                Steps.same(r.getBytes(1), new byte[] {0, -1});
                Array a = r.getArray(2);
                Steps.same((Object[]) a.getArray(), new Integer[] {1, null, 3});
                Steps.same((Object[]) r.getArray(3).getArray(), new String[] {"a", "b\"c"});
                Steps.same(r.getString(4), "{\"a\": 1}");
                Steps.same(r.getTimestamp(5).toInstant().toString(), "2024-01-01T00:00:00Z");
            }
        }
    }

    private static void batches(String rewrite) throws SQLException {
        try (Connection c = connect("reWriteBatchedInserts", rewrite)) {
            run(c, "DROP TABLE IF EXISTS batched", "CREATE TABLE batched (id int PRIMARY KEY, v text)");
            c.setAutoCommit(false);
            try (PreparedStatement p = c.prepareStatement("INSERT INTO batched (id, v) VALUES (?, ?)")) {
                for (int i = 0; i < 1000; i++) {
                    p.setInt(1, i);
                    p.setString(2, "v" + i);
                    p.addBatch();
                }
                Steps.same(p.executeBatch().length, 1000);
            }
            c.commit();
            Steps.same(one(c, "SELECT count(*) FROM batched"), 1000L);
            try (Statement s = c.createStatement()) {
                s.addBatch("UPDATE batched SET v = 'x' WHERE id < 10");
                s.addBatch("DELETE FROM batched WHERE id >= 990");
                Steps.same(Arrays.toString(s.executeBatch()), "[10, 10]");
            }
            c.rollback();
            Steps.same(one(c, "SELECT count(*) FROM batched WHERE v = 'x' OR id >= 990"), 10L);
        }
    }

    private static void fetchSize() throws SQLException {
        try (Connection c = connect()) {
            c.setAutoCommit(false);
            try (Statement s = c.createStatement()) {
                s.setFetchSize(50);
                ResultSet r = s.executeQuery("SELECT i FROM generate_series(1, 1000) AS g(i) ORDER BY i");
                long sum = 0;
                while (r.next()) sum += r.getInt(1);
                Steps.same(sum, 500500L);
                s.setFetchSize(10);
                r = s.executeQuery("SELECT i FROM generate_series(1, 1000) AS g(i)");
                r.next();
                Steps.same(one(c, "SELECT 5"), 5); // another query while the portal is open
                r.next();
                Steps.same(r.getInt(1), 2);
            }
            c.commit();
        }
    }

    private static void cancel() throws Exception {
        try (Connection c = connect(); Statement s = c.createStatement()) {
            Thread t = new Thread(() -> {
                try {
                    Thread.sleep(300);
                    s.cancel();
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            });
            t.start();
            Steps.raises("57014", () -> s.executeQuery(SLOW));
            t.join();
            Steps.same(one(c, "SELECT 1"), 1);
        }
    }

    private static void queryTimeout() throws Exception {
        try (Connection c = connect(); Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            Steps.raises("57014", () -> s.executeQuery(SLOW));
        }
    }

    private static void generatedKeys() throws SQLException {
        try (Connection c = connect()) {
            run(c, "CREATE TABLE keys (id int PRIMARY KEY, v text DEFAULT 'dflt')");
            try (Statement s = c.createStatement()) {
                s.executeUpdate("INSERT INTO keys (id) VALUES (5)", Statement.RETURN_GENERATED_KEYS);
                ResultSet r = s.getGeneratedKeys();
                r.next();
                Steps.same(r.getInt("id") + r.getString("v"), "5dflt");
            }
            try (PreparedStatement p = c.prepareStatement("INSERT INTO keys (id) VALUES (?)", new String[] {"v"})) {
                for (int i = 10; i < 13; i++) {
                    p.setInt(1, i);
                    p.addBatch();
                }
                p.executeBatch();
                int n = 0;
                for (ResultSet r = p.getGeneratedKeys(); r.next(); n++) Steps.same(r.getString(1), "dflt");
                Steps.same(n, 3);
            }
        }
    }

    private static void generatedIdentity() throws SQLException {
        try (Connection c = connect()) {
            run(c, "CREATE TABLE ids (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text)");
            try (PreparedStatement p = c.prepareStatement("INSERT INTO ids (v) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
                p.setString(1, "x");
                p.executeUpdate();
                ResultSet r = p.getGeneratedKeys();
                r.next();
                Steps.same(r.getLong(1), 1L);
            }
        }
    }

    private static void savepoints() throws Exception {
        try (Connection c = connect()) {
            run(c, "CREATE TABLE sp (id int PRIMARY KEY)");
            c.setAutoCommit(false);
            run(c, "INSERT INTO sp VALUES (1)");
            Savepoint s = c.setSavepoint("one");
            run(c, "INSERT INTO sp VALUES (2)");
            Steps.raises("22012", () -> one(c, "SELECT 1/0"));
            c.rollback(s);
            c.releaseSavepoint(s);
            c.commit();
            Steps.same(one(c, "SELECT count(*) FROM sp"), 1L);
        }
        try (Connection c = connect("autosave", "always")) {
            c.setAutoCommit(false);
            run(c, "INSERT INTO sp VALUES (3)");
            Steps.raises("22012", () -> one(c, "SELECT 1/0"));
            run(c, "INSERT INTO sp VALUES (4)"); // goes on, as the driver has set a savepoint before the failed query
            c.commit();
            Steps.same(one(c, "SELECT count(*) FROM sp"), 3L);
        }
    }

    private static void transactions() throws Exception {
        try (Connection c = connect()) {
            run(c, "CREATE TABLE tx (id int PRIMARY KEY, v text)");
            c.setAutoCommit(false);
            run(c, "INSERT INTO tx VALUES (1, 'a')");
            Steps.same(one(c, "SELECT v FROM tx"), "a");
            c.rollback();
            Steps.same(one(c, "SELECT count(*) FROM tx"), 0L);
            c.commit();
        }
    }

    private static void readOnly() throws Exception {
        try (Connection c = connect()) {
            c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            Steps.same(c.getTransactionIsolation(), Connection.TRANSACTION_SERIALIZABLE);
            c.setReadOnly(true);
            c.setAutoCommit(false);
            Steps.same(one(c, "SHOW transaction_read_only"), "on");
            Steps.raises("25006", () -> run(c, "CREATE TABLE refused (id int PRIMARY KEY)"));
            c.rollback();
        }
    }

    private static void resultSetMetadata() throws SQLException {
        try (Connection c = connect()) {
            run(c, "CREATE TABLE told (id int PRIMARY KEY, n numeric(10,2), v varchar(7) NOT NULL)");
            try (Statement s = c.createStatement(); ResultSet r = s.executeQuery("SELECT id, n, v AS w FROM told")) {
                ResultSetMetaData m = r.getMetaData();
                Steps.same(m.getColumnTypeName(1) + m.getPrecision(2) + m.getScale(2) + m.getPrecision(3), "int41027");
                Steps.same(m.getTableName(1) + "." + m.getColumnName(3) + "." + m.getColumnLabel(3), "told.w.w");
                Steps.same(((org.postgresql.PGResultSetMetaData) m).getBaseColumnName(3), "v");
                Steps.same(m.isNullable(3), ResultSetMetaData.columnNoNulls);
                Steps.same(m.isAutoIncrement(1), false);
            }
        }
    }

    private static void parameterMetadata() throws SQLException {
        try (Connection c = connect(); PreparedStatement p = c.prepareStatement("SELECT v FROM told WHERE id = ? AND n > ? AND v LIKE ?")) {
            Steps.same(p.getParameterMetaData().getParameterTypeName(1), "int4");
            Steps.same(p.getParameterMetaData().getParameterTypeName(2), "numeric");
            Steps.same(p.getParameterMetaData().getParameterTypeName(3), "text");
            Steps.same(p.getMetaData().getColumnName(1), "v");
        }
    }

    private static void scrollable() throws SQLException {
        try (Connection c = connect()) {
            run(c, "CREATE TABLE scrolled (id int PRIMARY KEY, v text)", "INSERT INTO scrolled VALUES (1, 'a'), (2, 'b')");
            try (Statement s = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                ResultSet r = s.executeQuery("SELECT id, v FROM scrolled ORDER BY id");
                r.last();
                Steps.same(r.getRow(), 2);
                r.updateString("v", "changed");
                r.updateRow();
                r.moveToInsertRow();
                r.updateInt("id", 3);
                r.updateString("v", "c");
                r.insertRow();
                r.absolute(1);
                r.deleteRow();
            }
            Steps.same(one(c, "SELECT string_agg(v, ',' ORDER BY id) FROM scrolled"), "changed,c");
        }
    }

    private static void copy() throws Exception {
        try (Connection c = connect()) {
            run(c, "CREATE TABLE copied (id int PRIMARY KEY, v text)");
            var copies = c.unwrap(PGConnection.class).getCopyAPI();
            Steps.same(copies.copyIn("COPY copied FROM STDIN WITH (FORMAT csv)", new StringReader("1,one\n2,two\n")), 2L);
            var out = new java.io.StringWriter();
            copies.copyOut("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT", out);
            Steps.same(out.toString(), "1\tone\n2\ttwo\n");
        }
    }

    private static void schema() throws SQLException {
        try (Connection c = connect("currentSchema", "public")) {
            Steps.same(c.getSchema(), "public");
            c.setSchema("pg_catalog");
            Steps.same(c.getSchema(), "pg_catalog");
            Steps.same(c.getCatalog(), "everfold");
        }
    }

    private static void warnings() throws SQLException {
        try (Connection c = connect(); Statement s = c.createStatement()) {
            s.execute("DROP TABLE IF EXISTS nosuch");
            Steps.same(s.getWarnings().getMessage(), "table \"nosuch\" does not exist, skipping");
        }
    }

    private static void notifications() throws Exception {
        try (Connection c = connect(); Connection d = connect()) {
            run(c, "LISTEN news");
            run(d, "NOTIFY news, 'hello'");
            var got = c.unwrap(PGConnection.class).getNotifications(5000);
            Steps.same(got.length + got[0].getParameter(), "1hello");
        }
    }

    private static void valid() throws SQLException {
        Connection c = connect();
        Steps.same(c.isValid(5), true);
        c.setNetworkTimeout(Runnable::run, 5000);
        c.abort(Runnable::run);
        Steps.same(c.isClosed(), true);
    }
}
