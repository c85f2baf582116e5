//! Scripts with recorded answers, one test each; see [`crate::support::script`].

use crate::support::script::check_script;

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
    bytea,
    catalog,
    changes_by_key,
    client_encodings,
    client_queries,
    column_privileges,
    comments,
    constraints,
    copy,
    correlated_unnest,
    cursors,
    date_styles,
    deep_laterals,
    default_privileges,
    dependent_subqueries,
    digests,
    distinct_on,
    dml,
    dml_locks,
    domains,
    duplicate_keys,
    enum_nulls,
    enums,
    equal_rows,
    equal_values,
    error_positions,
    errors,
    explain,
    failed_views,
    first_names,
    float_keys,
    formatting,
    frame_offsets,
    frame_peers,
    frames,
    functions,
    functions_that_last,
    functions_in_from,
    generated_columns,
    grouping_sets,
    habits,
    indexes,
    introspection,
    join_subqueries,
    joins,
    json_rows,
    jsonb,
    jsonpath,
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
    modifiers,
    nested_subqueries,
    notify,
    now,
    offsets,
    operand_types,
    ordered_inputs,
    ordered_sets,
    outer_aggregates,
    outer_names,
    own_writes,
    parameters,
    patterns,
    phrases,
    plan_sizes,
    printed_values,
    procedures,
    random_numbers,
    recursive,
    recursive_laterals,
    recursive_views,
    repeatable_read,
    repeated_statements,
    role_rights,
    row_delimiters,
    row_security,
    row_subqueries,
    row_wise,
    schemas,
    sequence_privileges,
    sequences,
    server_facts,
    set_operations,
    settings,
    signed_zero,
    skip_locked,
    standard_privileges,
    statements,
    statistics,
    subqueries,
    system_columns,
    tables,
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
    upkeep,
    using,
    values_subqueries,
    views,
    whole_rows,
    whole_tables,
    window,
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
