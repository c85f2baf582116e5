//! Scripts with recorded answers, one test each; see [`crate::support::script`].

use crate::support::script::check_script;
use crate::support::server::Server;

/// Scripts of a directory below `tests/slt`.
macro_rules! scripts {
    ($directory:literal: $($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            check_script(concat!($directory, stringify!($name), ".slt"));
        })*

        #[test]
        fn every_script_is_run() {
            let known = [$(stringify!($name)),*];
            for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/slt/", $directory)).expect("the directory of scripts") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    continue;
                }
                let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_string();
                assert!(known.contains(&stem.as_str()), "{} is in no list", path.display());
            }
        }
    };
}

scripts!("":
    add_columns,
    advisory_locks,
    aggregate_functions,
    aggregates,
    alike_calls,
    alter,
    alternatives,
    array_dimensions,
    arrival_order,
    blocks,
    body_cursors,
    body_operators,
    body_transactions,
    bytea,
    catalog,
    changes_by_key,
    client_encodings,
    client_queries,
    column_privileges,
    comments,
    common_tables,
    composite_types,
    composite_values,
    conflicts,
    constraints,
    copy,
    correlated_unnest,
    cursors,
    date_styles,
    deep_laterals,
    default_privileges,
    deferred_rules,
    dependent_subqueries,
    digests,
    distinct_on,
    dml,
    dml_locks,
    domains,
    duplicate_keys,
    enum_nulls,
    enums,
    equal_nested,
    equal_rows,
    equal_values,
    error_positions,
    errors,
    explain,
    failed_views,
    few_rows,
    first_names,
    float_keys,
    formatting,
    frame_offsets,
    frame_peers,
    frames,
    functions,
    functions_in_from,
    functions_that_last,
    generated_columns,
    grouped_joins,
    grouping_sets,
    habits,
    identity_columns,
    index_scans,
    indexes,
    instead_of_triggers,
    introspection,
    join_subqueries,
    joins,
    json_rows,
    jsonb,
    jsonpath,
    kept_dates,
    key_changes,
    key_names,
    keys,
    keyword_names,
    lateral_arrays,
    laterals,
    lengths,
    literals,
    lock_table,
    long_chains,
    measured_frames,
    members,
    modifiers,
    nested_subqueries,
    networks,
    notify,
    now,
    numbers_as_written,
    offsets,
    operand_types,
    ordered_inputs,
    ordered_sets,
    outer_aggregates,
    outer_names,
    overloads,
    own_writes,
    parameters,
    partitions,
    patterns,
    phrases,
    plan_sizes,
    postfix,
    printed_values,
    procedures,
    random_numbers,
    recursive,
    recursive_equals,
    recursive_laterals,
    recursive_views,
    repeatable_read,
    repeated_statements,
    role_rights,
    routine_facts,
    row_delimiters,
    row_security,
    row_subqueries,
    row_wise,
    rows_of_nothing,
    schemas,
    sequence_privileges,
    sequences,
    server_facts,
    set_operations,
    sets_in_order,
    settings,
    signed_zero,
    skip_locked,
    standard_privileges,
    statements,
    statistics,
    subqueries,
    system_columns,
    tables,
    subscripted,
    temporary,
    texts,
    ties,
    time_windows,
    time_zone,
    told_rows,
    tool_texts,
    tools,
    transaction_numbers,
    transactions,
    traversals,
    triggers,
    truncate,
    types,
    unique_indexes,
    unnest,
    updatable_views,
    upkeep,
    using,
    values_subqueries,
    views,
    whole_rows,
    whole_tables,
    window,
    words_of_time,
    written_json,
);

/// Scripts in ksqlDB's dialect.
mod ksql {
    use crate::support::script::check_script;

    scripts!("ksql/":
        alter,
        both_dialects,
        declare,
        functions_collections,
        functions_numbers_and_times,
        functions_text,
        group_by,
        insert,
        operations,
        partition_by,
        pull,
        push,
        select,
        stream_joins,
        table_joins,
        windows,
    );
}

/// Aggregate functions that pg_proc does not tell of, and the median, which PostgreSQL has not got.
const MORE_AGGREGATES: [&str; 7] =
    ["cume_dist", "json_object_agg", "jsonb_object_agg", "median", "mode", "percent_rank", "percentile_disc"];

/// Those that no materialized view may have.
const REFUSED_AGGREGATES: &[&str] = &[];

/// All that makes a materialized view in a script, in lower case.
fn materialized_views() -> Vec<String> {
    let made = |block: &str| {
        let (statement, answer) = block.split_once("\n----\n")?;
        let at = statement.find("create materialized view ")?;
        answer.starts_with("create materialized view").then(|| statement[at..].to_string())
    };
    let mut views = Vec::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/slt")).expect("the directory of scripts") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let text = std::fs::read_to_string(&path).expect("a script").to_lowercase();
            views.extend(text.split("\n\n").filter_map(made));
        }
    }
    views
}

fn calls(sql: &str, function: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    sql.match_indices(function).any(|(at, _)| !sql[..at].ends_with(is_name) && sql[at + function.len()..].starts_with('('))
}

#[test]
fn every_aggregate_function_is_in_a_view_of_some_script() {
    let all = "SELECT DISTINCT proname FROM pg_proc WHERE prokind = 'a' AND pronamespace = 'pg_catalog'::regnamespace ORDER BY 1";
    let mut functions = Server::start().connect().rows(all);
    assert!(functions.len() > 30, "{functions:?}");
    functions.extend(MORE_AGGREGATES.map(String::from));
    let views = materialized_views();
    for function in functions {
        let refused = REFUSED_AGGREGATES.contains(&function.as_str());
        assert_ne!(views.iter().any(|view| calls(view, &function)), refused, "a view of {function}");
    }
}
