//! The queries that psql 15 sends for its backslash commands, in a subset and in words of our own: rewritten, planned and run over a small catalog.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{MemTable, MemorySchemaProvider, SchemaProvider};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::super::functions::functions;
use super::super::{Later, Progress, RELATIONS, RelationStatus, SystemContext};
use super::rewrite;
use crate::catalog::{Catalog, Change, Column, Relation, RelationKind, Scope};
use crate::data::PgType;
use crate::error::{Result, code};

fn relation(id: u32, name: &str, kind: RelationKind, columns: &[(&str, PgType)], key: &[usize], sql: &str, on: &[u32]) -> Change {
    let column = |(name, ty): &(&str, PgType)| Column::new(name.to_string(), ty.clone());
    let mut columns: Vec<_> = columns.iter().map(column).collect();
    if name == "users" {
        columns[1].default = Some("'nobody'::text".into());
    }
    let relation = Relation::new(id, name.into(), kind, columns, sql.into());
    Change::Create(Relation { key: key.to_vec(), depends_on: on.to_vec(), ..relation })
}

/// A stream, a keyed table, a materialized view and a view.
fn context() -> Arc<SystemContext> {
    use RelationKind::*;
    let ev = [("client", PgType::Int4), ("seq", PgType::Int8), ("kind", PgType::Text), ("price", PgType::Numeric(Some((12, 2))))];
    let catalog = [
        relation(16_385, "ev", Stream, &ev, &[], "CREATE STREAM ev ()", &[]),
        relation(16_392, "users", Table, &[("id", PgType::Int8), ("name", PgType::Text)], &[0], "CREATE TABLE users ()", &[]),
        relation(
            16_399,
            "tot",
            MaterializedView,
            &[("client", PgType::Int4), ("n", PgType::Int8)],
            &[],
            "SELECT client, count(*) n FROM ev GROUP BY client",
            &[16_385],
        ),
        relation(16_403, "ev_buys", View, &ev, &[], "SELECT * FROM ev WHERE kind = 'buy'", &[16_385]),
    ];
    let catalog = catalog.iter().fold(Catalog::default(), |c, change| c.apply(change).unwrap());
    let status = RelationStatus { id: 16_399, state: "running".into(), rows: 10, ..Default::default() };
    let (user, owner, database) = ("ada".to_string(), "ada".to_string(), "shop".to_string());
    let role = crate::catalog::BOOTSTRAP;
    Arc::new(SystemContext {
        scope: Scope::kept(Arc::new(catalog)),
        stand_ins: vec![],
        session_user: user.clone(),
        user,
        owner,
        role,
        database,
        process_id: 7,
        progress: Later::new(|| Progress { relations: vec![status], ..Progress::default() }),
        ..Default::default()
    })
}

fn session(context: &Arc<SystemContext>) -> SessionContext {
    let config = SessionConfig::new().with_default_catalog_and_schema("shop", "pg_catalog").with_target_partitions(1);
    let types = Arc::new(crate::func::types::Types);
    let state = SessionStateBuilder::new().with_config(config).with_default_features().with_type_planner(types).build();
    let session = SessionContext::new_with_state(state);
    let shop = session.catalog("shop").unwrap();
    for schema in ["pg_catalog", "information_schema", "everfold"] {
        let provider = Arc::new(MemorySchemaProvider::new());
        for r in RELATIONS.iter().filter(|r| r.schema == schema) {
            let table = MemTable::try_new((r.columns)(), vec![vec![(r.rows)(context).unwrap()]]).unwrap();
            provider.register_table(r.name.into(), Arc::new(table)).unwrap();
        }
        shop.register_schema(schema, provider).unwrap();
    }
    let source = context.clone();
    crate::func::scalar_functions().into_iter().for_each(|f| session.register_udf(f.as_ref().clone()));
    functions(Arc::new(move || source.clone())).into_iter().for_each(|f| session.register_udf(f));
    session
}

async fn run(session: &SessionContext, context: &SystemContext, sql: &str) -> Result<Vec<RecordBatch>> {
    let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(|e| crate::error::Error::syntax(e.to_string()))?.remove(0);
    rewrite(&mut statement, context)?;
    let statement = datafusion::sql::parser::Statement::Statement(Box::new(statement));
    let plan = session.state().statement_to_plan(statement).await?;
    Ok(session.execute_logical_plan(plan).await?.collect().await?)
}

/// The rows, cells apart by `|`, rows by a blank and a semicolon.
async fn rows(sql: &str) -> String {
    let context = context();
    let batches = run(&session(&context), &context, sql).await.unwrap_or_else(|e| panic!("{e:?}\n{sql}"));
    let mut lines = Vec::new();
    for batch in &batches {
        let options = FormatOptions::default();
        let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        lines.extend((0..batch.num_rows()).map(|i| columns.iter().map(|c| c.value(i).to_string()).collect::<Vec<_>>().join("|")));
    }
    lines.join("; ")
}

#[tokio::test]
async fn relations_are_listed_as_backslash_d_lists_them() {
    let listing = "SELECT c.relname, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' END,
        pg_catalog.pg_get_userbyid(c.relowner), pg_catalog.pg_size_pretty(pg_catalog.pg_table_size(c.oid)), pg_catalog.obj_description(c.oid, 'pg_class')
        FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
        WHERE c.relkind IN (KINDS) AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1";
    assert_eq!(rows(&listing.replace("KINDS", "'r','p',''")).await, "ev|table|ada|0 bytes|; users|table|ada|0 bytes|");
    assert_eq!(rows(&listing.replace("KINDS", "'v',''")).await, "ev_buys|view|ada|0 bytes|");
    assert_eq!(rows(&listing.replace("KINDS", "'m',''")).await, "tot|materialized view|ada|0 bytes|");
    assert_eq!(rows(&listing.replace("KINDS", "'i','I',''")).await, "users_pkey|index|ada|0 bytes|");
    assert_eq!(rows(&listing.replace("KINDS", "'S',''")).await, "");
}

#[tokio::test]
async fn a_relation_is_described_as_backslash_d_name_describes_it() {
    let find = "SELECT c.oid, n.nspname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname OPERATOR(pg_catalog.~) '^(users)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid)";
    assert_eq!(rows(find).await, "16392|public");
    let head = "SELECT c.relkind, c.relhasindex, '', CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, am.amname
        FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid) WHERE c.oid = '16392'";
    assert_eq!(rows(head).await, "r|true|||heap");
    let columns = "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
        (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
        a.attnotnull, (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
          WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation, a.attidentity
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16392' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    assert_eq!(rows(columns).await, "id|bigint||true||; name|text|'nobody'::text|false||");
    let indexes = "SELECT c2.relname, i.indisprimary, pg_catalog.pg_get_indexdef(i.indexrelid, 0, true), pg_catalog.pg_get_constraintdef(con.oid, true), contype
        FROM pg_catalog.pg_class c, pg_catalog.pg_class c2, pg_catalog.pg_index i
        LEFT JOIN pg_catalog.pg_constraint con ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x'))
        WHERE c.oid = '16392' AND c.oid = i.indrelid AND i.indexrelid = c2.oid ORDER BY i.indisprimary DESC, c2.relname";
    assert_eq!(rows(indexes).await, "users_pkey|true|CREATE UNIQUE INDEX users_pkey ON users USING btree (id)|PRIMARY KEY (id)|p");
    let policies = "SELECT pol.polname, CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(select rolname from
        pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END FROM pg_catalog.pg_policy pol WHERE pol.polrelid = '16392'";
    assert_eq!(rows(policies).await, "");
    let statistics =
        "SELECT oid, stxrelid::pg_catalog.regclass, stxnamespace::pg_catalog.regnamespace::pg_catalog.text AS nsp, 'd' = any(stxkind) AS d
        FROM pg_catalog.pg_statistic_ext WHERE stxrelid = '16392' ORDER BY nsp";
    assert_eq!(rows(statistics).await, "");
    let publications = "SELECT pubname, NULL, NULL FROM pg_catalog.pg_publication p WHERE p.puballtables AND pg_catalog.pg_relation_is_publishable('16392')";
    assert_eq!(rows(publications).await, "");
    let children = "SELECT c.oid::pg_catalog.regclass, c.relkind, pg_catalog.pg_get_expr(c.relpartbound, c.oid) FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
        WHERE c.oid = i.inhrelid AND i.inhparent = '16392' ORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.oid::pg_catalog.regclass::pg_catalog.text";
    assert_eq!(rows(children).await, "");
    assert_eq!(rows("SELECT pg_catalog.pg_get_viewdef('16403'::pg_catalog.oid, true)").await, " SELECT * FROM ev WHERE kind = 'buy';");
}

#[tokio::test]
async fn schemas_databases_roles_functions_and_types_are_listed() {
    let schemas = "SELECT n.nspname AS \"Name\", pg_catalog.pg_get_userbyid(n.nspowner) AS \"Owner\", pg_catalog.array_to_string(n.nspacl, E'\\n') AS acl
        FROM pg_catalog.pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1";
    assert_eq!(rows(schemas).await, "everfold|ada|; public|ada|ada=UC/ada\n=U/ada");
    let databases = "SELECT d.datname, pg_catalog.pg_encoding_to_char(d.encoding), CASE WHEN pg_catalog.has_database_privilege(d.datname, 'CONNECT') THEN
        pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(d.datname)) END, t.spcname FROM pg_catalog.pg_database d
        JOIN pg_catalog.pg_tablespace t ON d.dattablespace = t.oid";
    assert_eq!(rows(databases).await, "shop|UTF8|0 bytes|pg_default");
    let roles = "SELECT r.rolname, r.rolsuper, ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid)
        WHERE m.member = r.oid) as memberof FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1";
    assert_eq!(rows(roles).await, "ada|true|[]");
    let functions =
        "SELECT p.proname, pg_catalog.pg_get_function_result(p.oid), pg_catalog.pg_get_function_arguments(p.oid) FROM pg_catalog.pg_proc p
        WHERE pg_catalog.pg_function_is_visible(p.oid) AND p.proname = 'version'";
    assert_eq!(rows(functions).await, "version|text|");
    let types =
        "SELECT pg_catalog.format_type(t.oid, NULL) FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
        WHERE (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid))
        AND NOT EXISTS(SELECT 1 FROM pg_catalog.pg_type el WHERE el.oid = t.typelem AND el.typarray = t.oid)
        AND t.typname OPERATOR(pg_catalog.~) '^(int8)$' COLLATE pg_catalog.default AND pg_catalog.pg_type_is_visible(t.oid) ORDER BY 1";
    assert_eq!(rows(types).await, "bigint");
}

#[tokio::test]
async fn names_arrays_and_keywords_are_rewritten() {
    assert_eq!(rows("SELECT current_user, session_user, user, current_catalog, current_schema").await, "ada|ada|ada|shop|public");
    assert_eq!(rows("SELECT relname FROM pg_class WHERE oid = 'users'::regclass AND relkind = ANY('{r,p,\"\"}')").await, "users");
    assert_eq!(rows("SELECT oid::regclass::text FROM pg_class WHERE oid = 16399").await, "tot");
    assert_eq!(rows("SELECT 'pg_catalog.now'::pg_catalog.regproc::pg_catalog.oid").await, "1299");
    assert_eq!(rows("SELECT (information_schema._pg_expandarray(i.indkey)).n, i.indkey[0] FROM pg_index i").await, "1|1");
    assert_eq!(rows("SELECT unnest(i.indkey), generate_subscripts(i.indkey, 1) FROM pg_index i").await, "1|0");
    assert_eq!(
        rows("SELECT a.attname FROM pg_attribute a, pg_constraint c WHERE a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)").await,
        "id"
    );
    assert_eq!(rows("SELECT name, state, rows FROM everfold.views WHERE materialized").await, "tot|running|10");
    assert_eq!(
        rows("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'users'").await,
        "id|bigint; name|text"
    );
    let context = context();
    let missing = run(&session(&context), &context, "SELECT 'nothing'::regclass").await.unwrap_err();
    assert_eq!(missing.code(), code::UNDEFINED_TABLE);
}

#[tokio::test]
async fn a_series_has_a_column_of_its_alias_and_rows_where_it_is_selected() {
    assert_eq!(rows("SELECT i, i * 2 FROM generate_series(1, 2) i").await, "1|2; 2|4");
    assert_eq!(rows("SELECT generate_series, g.x FROM generate_series(5, 5), unnest(ARRAY[7]) AS g(x)").await, "5|7");
    assert_eq!(rows("SELECT u FROM unnest(ARRAY['a', 'b']) u").await, "a; b");
    assert_eq!(rows("SELECT generate_series(1, 3) AS n").await, "1; 2; 3");
}

#[tokio::test]
async fn fetch_first_limits_and_locks_are_refused() {
    assert_eq!(rows("SELECT i FROM generate_series(1, 5) i ORDER BY i OFFSET 1 FETCH FIRST 2 ROWS ONLY").await, "2; 3");
    assert_eq!(rows("SELECT i FROM generate_series(1, 5) i ORDER BY i FETCH NEXT ROW ONLY").await, "1");
    let context = context();
    for sql in ["SELECT 1 ORDER BY 1 FETCH FIRST 1 PERCENT ROWS ONLY", "SELECT relname FROM pg_class FOR UPDATE"] {
        assert_eq!(run(&session(&context), &context, sql).await.unwrap_err().code(), code::FEATURE_NOT_SUPPORTED, "{sql}");
    }
}

#[tokio::test]
async fn ties_of_the_last_row_are_fetched_too() {
    assert_eq!(rows("SELECT i / 2 AS h FROM generate_series(1, 6) i ORDER BY h FETCH FIRST 2 ROWS WITH TIES").await, "0; 1; 1");
    assert_eq!(rows("SELECT i / 2 FROM generate_series(1, 6) i ORDER BY 1 OFFSET 2 FETCH FIRST ROW WITH TIES").await, "1");
    assert_eq!(rows("SELECT DISTINCT i / 2 FROM generate_series(1, 6) i ORDER BY 1 FETCH FIRST 2 ROWS WITH TIES").await, "0; 1");
    assert_eq!(rows("SELECT i FROM generate_series(1, 3) i ORDER BY i % 2 DESC, 1 FETCH FIRST 0 ROWS WITH TIES").await, "");
    let context = context();
    let error = run(&session(&context), &context, "SELECT 1 FETCH FIRST 1 ROW WITH TIES").await.unwrap_err();
    assert_eq!((error.code(), error.message()), (code::SYNTAX_ERROR, "WITH TIES cannot be specified without ORDER BY clause"));
}
