import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;

/** Every call of DatabaseMetaData: none may fail, and those that tell of relations are looked at. */
final class PgjdbcMetadata {
    private PgjdbcMetadata() {}

    static void add(Steps steps, Connection c) throws SQLException {
        DatabaseMetaData m = c.getMetaData();
        steps.add("metadata_without_arguments", () -> withoutArguments(m));
        steps.add("metadata_tables", () -> {
            Steps.same(column(m.getTables(null, "public", "md%", null), "TABLE_NAME"), List.of("md_keyed_pkey", "md_totals", "md_events", "md_keyed", "md_recent"));
            Steps.same(column(m.getTables(null, null, "md\\_%", new String[] {"TABLE"}), "TABLE_NAME"), List.of("md_events", "md_keyed"));
            Steps.same(column(m.getTables(null, null, "md\\_%", new String[] {"VIEW"}), "TABLE_NAME"), List.of("md_recent"));
            Steps.same(column(m.getTables(null, null, "md\\_%", new String[] {"MATERIALIZED VIEW"}), "TABLE_NAME"), List.of("md_totals"));
        });
        steps.add("metadata_columns", () -> {
            Steps.same(column(m.getColumns(null, "public", "md_events", "%"), "COLUMN_NAME"), List.of("who", "n", "amount", "at", "tags", "doc"));
            Steps.same(column(m.getColumns(null, "public", "md_events", "%"), "TYPE_NAME"), List.of("varchar", "int4", "numeric", "timestamptz", "_text", "jsonb"));
            Steps.same(column(m.getColumns(null, "public", "md_events", "%"), "COLUMN_SIZE").subList(0, 3), List.of("20", "10", "10"));
            Steps.same(column(m.getColumns(null, "public", "md_events", "%"), "IS_NULLABLE"), List.of("NO", "YES", "YES", "YES", "YES", "YES"));
            Steps.same(column(m.getColumns(null, null, "md_totals", null), "COLUMN_NAME"), List.of("who", "n", "total"));
        });
        steps.add("metadata_keys_and_indexes", () -> {
            Steps.same(column(m.getPrimaryKeys(null, "public", "md_keyed"), "COLUMN_NAME"), List.of("a", "b"));
            Steps.same(column(m.getPrimaryKeys(null, "public", "md_events"), "COLUMN_NAME"), List.of());
            Steps.same(column(m.getIndexInfo(null, "public", "md_keyed", true, false), "COLUMN_NAME"), List.of("a", "b"));
            Steps.same(column(m.getBestRowIdentifier(null, "public", "md_keyed", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME"), List.of("a", "b"));
            Steps.same(column(m.getVersionColumns(null, "public", "md_keyed"), "COLUMN_NAME").contains("nosuch"), false);
        });
        steps.add("metadata_foreign_keys", () -> {
            Steps.same(column(m.getImportedKeys(null, "public", "md_keyed"), "PKTABLE_NAME"), List.of());
            Steps.same(column(m.getExportedKeys(null, "public", "md_keyed"), "FKTABLE_NAME"), List.of());
            Steps.same(column(m.getCrossReference(null, "public", "md_keyed", null, "public", "md_events"), "FKTABLE_NAME"), List.of());
        });
        steps.add("metadata_schemas_and_catalogs", () -> {
            if (!column(m.getSchemas(), "TABLE_SCHEM").containsAll(List.of("information_schema", "pg_catalog", "public"))) throw new AssertionError("schemas");
            Steps.same(column(m.getSchemas(null, "publ%"), "TABLE_SCHEM"), List.of("public"));
            if (!column(m.getCatalogs(), "TABLE_CAT").contains(c.getCatalog())) throw new AssertionError("catalogs");
            if (!column(m.getTableTypes(), "TABLE_TYPE").containsAll(List.of("TABLE", "VIEW", "MATERIALIZED VIEW"))) throw new AssertionError("table types");
        });
        steps.add("metadata_types", () -> {
            if (!column(m.getTypeInfo(), "TYPE_NAME").containsAll(List.of("int4", "text", "numeric", "timestamptz", "jsonb", "_int4"))) throw new AssertionError("types");
            Steps.same(column(m.getUDTs(null, null, "nosuch", null), "TYPE_NAME"), List.of());
        });
        steps.add("metadata_functions", () -> {
            if (!column(m.getFunctions(null, "pg_catalog", "upp%"), "FUNCTION_NAME").contains("upper")) throw new AssertionError("functions");
            if (!column(m.getFunctionColumns(null, "pg_catalog", "md5", "%"), "TYPE_NAME").contains("text")) throw new AssertionError("function columns");
            column(m.getProcedures(null, null, "%"), "PROCEDURE_NAME");
            column(m.getProcedureColumns(null, null, "%", "%"), "PROCEDURE_NAME");
        });
        steps.add("metadata_privileges", () -> {
            if (!column(m.getTablePrivileges(null, "public", "md_keyed"), "PRIVILEGE").contains("SELECT")) throw new AssertionError("table privileges");
            if (!column(m.getColumnPrivileges(null, "public", "md_keyed", "a"), "PRIVILEGE").contains("SELECT")) throw new AssertionError("column privileges");
        });
        steps.add("metadata_of_other_kinds", () -> {
            column(m.getClientInfoProperties(), "NAME");
            for (SqlCall call : List.<SqlCall>of(
                    () -> m.getSuperTypes(null, null, "%"), () -> m.getSuperTables(null, null, "%"), () -> m.getAttributes(null, null, "%", "%"), () -> m.getPseudoColumns(null, null, "%", "%"))) {
                try {
                    call.run().close();
                } catch (SQLFeatureNotSupportedException e) {
                    continue; // the driver itself has not got it
                }
            }
        });
    }

    interface SqlCall {
        ResultSet run() throws SQLException;
    }

    /** All values of a column, as text. */
    private static List<String> column(ResultSet rows, String name) throws SQLException {
        try (rows) {
            List<String> values = new ArrayList<>();
            while (rows.next()) values.add(rows.getString(name));
            return values;
        }
    }

    private static void withoutArguments(DatabaseMetaData m) throws IllegalAccessException {
        TreeSet<String> failed = new TreeSet<>();
        for (Method method : DatabaseMetaData.class.getMethods()) {
            if (method.getParameterCount() > 0) continue;
            try {
                Object value = method.invoke(m);
                if (value instanceof ResultSet rows) rows.close();
            } catch (InvocationTargetException e) {
                if (!(e.getCause() instanceof SQLFeatureNotSupportedException)) failed.add(method.getName() + ": " + e.getCause().getMessage());
            } catch (SQLException e) {
                failed.add(method.getName() + ": " + e.getMessage());
            }
        }
        Steps.same(Arrays.toString(failed.toArray()), "[]");
    }
}
