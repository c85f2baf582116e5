//! The list of all system relations: one line each, with the function that makes its rows.
//!
//! `nothing` stands at catalogs of things that Everfold does not have (rules of rows, foreign tables ...): they are
//! empty because there is nothing to list, and have PostgreSQL 15's columns so that clients' joins with them work.

mod activity;
mod attribute;
mod class;
mod composites;
mod constraints;
mod control;
mod descriptions;
mod everfold;
mod functions;
mod keys;
mod listing;
mod partitions;
mod places;
mod policies;
mod privileges;
mod roles;
mod routines;
mod rules;
mod sequences;
mod settings;
mod standard;
mod triggers;
mod types;

pub use descriptions::{Description, all as descriptions, of_role};
pub use listing::definition;
pub use sequences::last_value;
pub use settings::{preset, setting};
pub use triggers::trigger_definition;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::facts;
use super::rows::Rows;
use super::{SystemContext, SystemRelation};
use crate::error::Result;

macro_rules! relations { ($($schema:literal $name:literal $rows:path;)*) => {
    /// All system relations, by schema and name.
    pub const RELATIONS: &[SystemRelation] = &[$(SystemRelation {
        schema: $schema,
        name: $name,
        columns: || columns($schema, $name),
        rows: |context| build($schema, $name, context, $rows),
        is_empty: matches!(stringify!($rows).as_bytes(), b"nothing"),
    }),*];
} }

relations! {
    "pg_catalog" "pg_aggregate" nothing;
    "pg_catalog" "pg_am" functions::pg_am;
    "pg_catalog" "pg_amop" nothing;
    "pg_catalog" "pg_amproc" nothing;
    "pg_catalog" "pg_attrdef" attribute::pg_attrdef;
    "pg_catalog" "pg_attribute" attribute::pg_attribute;
    "pg_catalog" "pg_auth_members" roles::pg_auth_members;
    "pg_catalog" "pg_authid" roles::pg_authid;
    "pg_catalog" "pg_available_extension_versions" nothing;
    "pg_catalog" "pg_available_extensions" listing::pg_available_extensions;
    "pg_catalog" "pg_backend_memory_contexts" nothing;
    "pg_catalog" "pg_cast" functions::pg_cast;
    "pg_catalog" "pg_class" class::pg_class;
    "pg_catalog" "pg_collation" functions::pg_collation;
    "pg_catalog" "pg_config" nothing;
    "pg_catalog" "pg_constraint" keys::pg_constraint;
    "pg_catalog" "pg_conversion" nothing;
    "pg_catalog" "pg_cursors" activity::pg_cursors;
    "pg_catalog" "pg_database" places::pg_database;
    "pg_catalog" "pg_db_role_setting" roles::pg_db_role_setting;
    "pg_catalog" "pg_default_acl" roles::pg_default_acl;
    "pg_catalog" "pg_depend" listing::pg_depend;
    "pg_catalog" "pg_description" descriptions::pg_description;
    "pg_catalog" "pg_enum" types::pg_enum;
    "pg_catalog" "pg_event_trigger" nothing;
    "pg_catalog" "pg_extension" listing::pg_extension;
    "pg_catalog" "pg_file_settings" nothing;
    "pg_catalog" "pg_foreign_data_wrapper" nothing;
    "pg_catalog" "pg_foreign_server" nothing;
    "pg_catalog" "pg_foreign_table" nothing;
    "pg_catalog" "pg_group" roles::pg_group;
    "pg_catalog" "pg_hba_file_rules" nothing;
    "pg_catalog" "pg_ident_file_mappings" nothing;
    "pg_catalog" "pg_index" keys::pg_index;
    "pg_catalog" "pg_indexes" keys::pg_indexes;
    "pg_catalog" "pg_inherits" partitions::pg_inherits;
    "pg_catalog" "pg_init_privs" nothing;
    "pg_catalog" "pg_language" functions::pg_language;
    "pg_catalog" "pg_largeobject" nothing;
    "pg_catalog" "pg_largeobject_metadata" nothing;
    "pg_catalog" "pg_locks" activity::pg_locks;
    "pg_catalog" "pg_matviews" listing::pg_matviews;
    "pg_catalog" "pg_namespace" places::pg_namespace;
    "pg_catalog" "pg_opclass" functions::pg_opclass;
    "pg_catalog" "pg_operator" functions::pg_operator;
    "pg_catalog" "pg_opfamily" functions::pg_opfamily;
    "pg_catalog" "pg_parameter_acl" nothing;
    "pg_catalog" "pg_partitioned_table" partitions::pg_partitioned_table;
    "pg_catalog" "pg_policies" policies::pg_policies;
    "pg_catalog" "pg_policy" policies::pg_policy;
    "pg_catalog" "pg_prepared_statements" activity::pg_prepared_statements;
    "pg_catalog" "pg_prepared_xacts" nothing;
    "pg_catalog" "pg_proc" functions::pg_proc;
    "pg_catalog" "pg_publication" nothing;
    "pg_catalog" "pg_publication_namespace" nothing;
    "pg_catalog" "pg_publication_rel" nothing;
    "pg_catalog" "pg_publication_tables" nothing;
    "pg_catalog" "pg_range" nothing;
    "pg_catalog" "pg_replication_origin" nothing;
    "pg_catalog" "pg_replication_origin_status" nothing;
    "pg_catalog" "pg_replication_slots" nothing;
    "pg_catalog" "pg_rewrite" rules::pg_rewrite;
    "pg_catalog" "pg_roles" roles::pg_roles;
    "pg_catalog" "pg_rules" nothing;
    "pg_catalog" "pg_seclabel" nothing;
    "pg_catalog" "pg_seclabels" nothing;
    "pg_catalog" "pg_sequence" sequences::pg_sequence;
    "pg_catalog" "pg_sequences" sequences::pg_sequences;
    "pg_catalog" "pg_settings" settings::pg_settings;
    "pg_catalog" "pg_shadow" roles::pg_shadow;
    "pg_catalog" "pg_shdepend" nothing;
    "pg_catalog" "pg_shdescription" descriptions::pg_shdescription;
    "pg_catalog" "pg_shmem_allocations" nothing;
    "pg_catalog" "pg_shseclabel" nothing;
    "pg_catalog" "pg_stat_activity" activity::pg_stat_activity;
    "pg_catalog" "pg_stat_all_indexes" activity::pg_stat_user_indexes;
    "pg_catalog" "pg_stat_all_tables" activity::pg_stat_user_tables;
    "pg_catalog" "pg_stat_archiver" activity::counters;
    "pg_catalog" "pg_stat_bgwriter" activity::counters;
    "pg_catalog" "pg_stat_database" activity::pg_stat_database;
    "pg_catalog" "pg_stat_database_conflicts" nothing;
    "pg_catalog" "pg_stat_gssapi" nothing;
    "pg_catalog" "pg_stat_progress_analyze" nothing;
    "pg_catalog" "pg_stat_progress_basebackup" nothing;
    "pg_catalog" "pg_stat_progress_cluster" nothing;
    "pg_catalog" "pg_stat_progress_copy" activity::pg_stat_progress_copy;
    "pg_catalog" "pg_stat_progress_create_index" nothing;
    "pg_catalog" "pg_stat_progress_vacuum" nothing;
    "pg_catalog" "pg_stat_recovery_prefetch" nothing;
    "pg_catalog" "pg_stat_replication" nothing;
    "pg_catalog" "pg_stat_replication_slots" nothing;
    "pg_catalog" "pg_stat_slru" nothing;
    "pg_catalog" "pg_stat_ssl" nothing;
    "pg_catalog" "pg_stat_subscription" nothing;
    "pg_catalog" "pg_stat_subscription_stats" nothing;
    "pg_catalog" "pg_stat_sys_indexes" nothing;
    "pg_catalog" "pg_stat_sys_tables" nothing;
    "pg_catalog" "pg_stat_user_functions" nothing;
    "pg_catalog" "pg_stat_user_indexes" activity::pg_stat_user_indexes;
    "pg_catalog" "pg_stat_user_tables" activity::pg_stat_user_tables;
    "pg_catalog" "pg_stat_wal" activity::counters;
    "pg_catalog" "pg_stat_wal_receiver" nothing;
    "pg_catalog" "pg_statio_all_indexes" activity::pg_stat_user_indexes;
    "pg_catalog" "pg_statio_all_sequences" nothing;
    "pg_catalog" "pg_statio_all_tables" activity::pg_statio_user_tables;
    "pg_catalog" "pg_statio_sys_indexes" nothing;
    "pg_catalog" "pg_statio_sys_sequences" nothing;
    "pg_catalog" "pg_statio_sys_tables" nothing;
    "pg_catalog" "pg_statio_user_indexes" activity::pg_stat_user_indexes;
    "pg_catalog" "pg_statio_user_sequences" nothing;
    "pg_catalog" "pg_statio_user_tables" activity::pg_statio_user_tables;
    "pg_catalog" "pg_statistic" nothing;
    "pg_catalog" "pg_statistic_ext" nothing;
    "pg_catalog" "pg_statistic_ext_data" nothing;
    "pg_catalog" "pg_stats" nothing;
    "pg_catalog" "pg_stats_ext" nothing;
    "pg_catalog" "pg_stats_ext_exprs" nothing;
    "pg_catalog" "pg_subscription" nothing;
    "pg_catalog" "pg_subscription_rel" nothing;
    "pg_catalog" "pg_tables" listing::pg_tables;
    "pg_catalog" "pg_tablespace" places::pg_tablespace;
    "pg_catalog" "pg_timezone_abbrevs" settings::pg_timezone_abbrevs;
    "pg_catalog" "pg_timezone_names" settings::pg_timezone_names;
    "pg_catalog" "pg_transform" nothing;
    "pg_catalog" "pg_trigger" triggers::pg_trigger;
    "pg_catalog" "pg_ts_config" nothing;
    "pg_catalog" "pg_ts_config_map" nothing;
    "pg_catalog" "pg_ts_dict" nothing;
    "pg_catalog" "pg_ts_parser" nothing;
    "pg_catalog" "pg_ts_template" nothing;
    "pg_catalog" "pg_type" types::pg_type;
    "pg_catalog" "pg_user" roles::pg_user;
    "pg_catalog" "pg_user_mapping" nothing;
    "pg_catalog" "pg_user_mappings" nothing;
    "pg_catalog" "pg_views" listing::pg_views;
    "information_schema" "administrable_role_authorizations" nothing;
    "information_schema" "applicable_roles" nothing;
    "information_schema" "attributes" composites::attributes;
    "information_schema" "character_sets" standard::character_sets;
    "information_schema" "check_constraint_routine_usage" nothing;
    "information_schema" "check_constraints" constraints::check_constraints;
    "information_schema" "collation_character_set_applicability" nothing;
    "information_schema" "collations" nothing;
    "information_schema" "column_column_usage" standard::column_column_usage;
    "information_schema" "column_domain_usage" nothing;
    "information_schema" "column_options" nothing;
    "information_schema" "column_privileges" privileges::column_privileges;
    "information_schema" "column_udt_usage" nothing;
    "information_schema" "columns" standard::columns;
    "information_schema" "constraint_column_usage" constraints::constraint_column_usage;
    "information_schema" "constraint_table_usage" constraints::constraint_table_usage;
    "information_schema" "data_type_privileges" nothing;
    "information_schema" "domain_constraints" standard::domain_constraints;
    "information_schema" "domain_udt_usage" nothing;
    "information_schema" "domains" standard::domains;
    "information_schema" "element_types" nothing;
    "information_schema" "enabled_roles" roles::enabled_roles;
    "information_schema" "foreign_data_wrapper_options" nothing;
    "information_schema" "foreign_data_wrappers" nothing;
    "information_schema" "foreign_server_options" nothing;
    "information_schema" "foreign_servers" nothing;
    "information_schema" "foreign_table_options" nothing;
    "information_schema" "foreign_tables" nothing;
    "information_schema" "information_schema_catalog_name" standard::catalog_name;
    "information_schema" "key_column_usage" constraints::key_column_usage;
    "information_schema" "parameters" routines::parameters;
    "information_schema" "referential_constraints" constraints::referential_constraints;
    "information_schema" "role_column_grants" privileges::role_column_grants;
    "information_schema" "role_routine_grants" privileges::role_routine_grants;
    "information_schema" "role_table_grants" privileges::role_table_grants;
    "information_schema" "role_udt_grants" nothing;
    "information_schema" "role_usage_grants" privileges::role_usage_grants;
    "information_schema" "routine_column_usage" nothing;
    "information_schema" "routine_privileges" privileges::routine_privileges;
    "information_schema" "routine_routine_usage" nothing;
    "information_schema" "routine_sequence_usage" nothing;
    "information_schema" "routine_table_usage" nothing;
    "information_schema" "routines" routines::routines;
    "information_schema" "schemata" standard::schemata;
    "information_schema" "sequences" sequences::sequences;
    "information_schema" "sql_features" nothing;
    "information_schema" "sql_implementation_info" nothing;
    "information_schema" "sql_parts" nothing;
    "information_schema" "sql_sizing" nothing;
    "information_schema" "table_constraints" constraints::table_constraints;
    "information_schema" "table_privileges" privileges::table_privileges;
    "information_schema" "tables" standard::tables;
    "information_schema" "transforms" nothing;
    "information_schema" "triggered_update_columns" triggers::triggered_update_columns;
    "information_schema" "triggers" triggers::triggers;
    "information_schema" "udt_privileges" nothing;
    "information_schema" "usage_privileges" privileges::usage_privileges;
    "information_schema" "user_defined_types" composites::user_defined_types;
    "information_schema" "user_mapping_options" nothing;
    "information_schema" "user_mappings" nothing;
    "information_schema" "view_column_usage" nothing;
    "information_schema" "view_routine_usage" nothing;
    "information_schema" "view_table_usage" standard::view_table_usage;
    "information_schema" "views" standard::views;
    "pg_set_functions" "pg_get_keywords" functions::pg_get_keywords;
    "pg_set_functions" "ts_token_type" nothing;
    "pg_set_functions" "pg_sequence_state" sequences::pg_sequence_state;
    "pg_set_functions" "pg_show_all_settings" settings::pg_settings;
    "pg_set_functions" "pg_available_extensions" listing::available_extensions;
    "pg_set_functions" "pg_available_extension_versions" nothing;
    "pg_set_functions" "pg_control_checkpoint" control::pg_control_checkpoint;
    "pg_set_functions" "pg_control_init" control::pg_control_init;
    "pg_set_functions" "pg_control_recovery" control::pg_control_recovery;
    "pg_set_functions" "pg_control_system" control::pg_control_system;
    "pg_set_functions" "pg_get_replication_slots" nothing;
    "pg_set_functions" "pg_ls_archive_statusdir" nothing;
    "pg_set_functions" "pg_ls_logdir" nothing;
    "pg_set_functions" "pg_ls_tmpdir" control::pg_ls_tmpdir;
    "pg_set_functions" "pg_ls_waldir" control::pg_ls_waldir;
    "pg_set_functions" "pg_stat_get_wal_senders" nothing;
    "everfold" "streams" everfold::streams;
    "everfold" "tables" everfold::tables;
    "everfold" "views" everfold::views;
    "everfold" "segments" everfold::segments;
    "everfold" "dataflows" everfold::dataflows;
    "everfold" "settings" everfold::settings;
    "everfold" "sessions" everfold::sessions;
    "everfold" "dependencies" everfold::dependencies;
    "everfold" "progress" everfold::progress;
}

/// True for a relation of things that Everfold does not have, which never has a row.
pub fn is_empty(schema: &str, name: &str) -> bool {
    RELATIONS.iter().any(|r| r.is_empty && r.schema == schema && r.name == name)
}

/// The schema of a system relation.
fn columns(schema: &str, name: &str) -> SchemaRef {
    facts::find(schema, name).expect("every listed relation has its shape among the facts").arrow.clone()
}

fn build(schema: &str, name: &str, context: &SystemContext, fill: fn(&SystemContext, &mut Rows) -> Result<()>) -> Result<RecordBatch> {
    let mut rows = Rows::new(columns(schema, name), schema != "pg_catalog");
    fill(context, &mut rows)?;
    rows.finish()
}

fn nothing(_: &SystemContext, _: &mut Rows) -> Result<()> {
    Ok(())
}
