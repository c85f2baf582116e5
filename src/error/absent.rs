//! Functions of PostgreSQL's that there are not, and what does what they are called for: they are refused as unsupported, while a name that
//! PostgreSQL does not know either is no function's.

use super::Error;

/// Names of functions, and the hint to them. A name that ends in `_` stands for all that begin so.
const ABSENT: &[(&[&str], &str)] = &[
    (
        &[
            "pg_stat_file",
            "pg_ls_dir",
            "pg_ls_replslotdir",
            "pg_ls_logicalmapdir",
            "pg_ls_logicalsnapdir",
            "pg_read_file",
            "pg_read_binary_file",
            "pg_current_logfile",
            "pg_rotate_logfile",
            "pg_relation_filepath",
            "pg_log_backend_memory_contexts",
        ],
        "Of the files of the server only those of its log are shown, by pg_ls_waldir() in FROM: look at others where it runs.",
    ),
    (
        &["pg_reload_conf"],
        "The server reads its settings when it starts; ALTER ROLE .. SET and ALTER DATABASE .. SET give those of sessions.",
    ),
    (&["pg_stat_reset", "pg_stat_reset_"], "Counters begin when the server starts, and are not reset."),
    (
        &["to_ascii"],
        "Texts are in UTF-8: normalize(text, NFD) takes accents apart, translate() and regexp_replace() put others in their place.",
    ),
    (
        &["crypt", "gen_salt", "pgp_", "encrypt", "encrypt_iv", "decrypt", "decrypt_iv"],
        "Of pgcrypto there are digest(), hmac(), gen_random_bytes() and gen_random_uuid(): hash and encrypt in the client.",
    ),
    (&["pg_stat_get_activity"], "Read pg_stat_activity."),
    (
        &["pg_export_snapshot", "pg_snapshot_xip", "txid_snapshot_xip"],
        "All below pg_snapshot_xmin() is committed; AS OF POSITION reads what there was at a position.",
    ),
    (
        &["pg_switch_wal", "pg_create_restore_point", "pg_backup_", "pg_wal_replay_", "pg_walfile_", "pg_promote"],
        "Segments of the log are sealed and kept: copy the data directory, or write a dump.",
    ),
    (
        &["pg_create_physical_replication_slot", "pg_create_logical_replication_slot", "pg_drop_replication_slot", "pg_logical_"],
        "There is no replication: a client reads a stream from the position that it has reached, WHERE _position > n.",
    ),
    (&["lo_", "loread", "lowrite"], "There are no large objects: keep bytes in a column of type bytea."),
    (
        &["pg_identify_object", "pg_identify_object_as_address", "pg_get_object_address"],
        "pg_describe_object() tells what an object is; to_regclass(), to_regtype() and to_regproc() find it by its name.",
    ),
    (
        &[
            "to_tsvector",
            "to_tsquery",
            "plainto_tsquery",
            "phraseto_tsquery",
            "websearch_to_tsquery",
            "ts_rank",
            "ts_rank_cd",
            "ts_headline",
            "ts_lexize",
            "ts_parse",
            "ts_stat",
        ],
        "There is no full text search: use LIKE, ILIKE, a regular expression, or regexp_split_to_array().",
    ),
    (
        &["xpath", "xpath_exists", "xmlcomment", "xml_is_well_formed", "xmlagg", "query_to_xml", "table_to_xml", "schema_to_xml"],
        "There is no type xml: use jsonb.",
    ),
    (
        &["point", "box", "circle", "lseg", "line", "path", "polygon"],
        "There are no geometric types: keep their numbers in columns, or in jsonb.",
    ),
    (
        &[
            "boolin",
            "boolout",
            "byteain",
            "byteaout",
            "charin",
            "charout",
            "namein",
            "nameout",
            "int2in",
            "int2out",
            "int4in",
            "int4out",
            "int8in",
            "int8out",
            "textin",
            "textout",
            "oidin",
            "oidout",
            "jsonin",
            "jsonout",
            "jsonb_in",
            "jsonb_out",
            "float4in",
            "float4out",
            "float8in",
            "float8out",
            "bpcharin",
            "bpcharout",
            "varcharin",
            "varcharout",
            "numeric_in",
            "numeric_out",
            "date_in",
            "date_out",
            "time_in",
            "time_out",
            "timestamp_in",
            "timestamp_out",
            "timestamptz_in",
            "timestamptz_out",
            "interval_in",
            "interval_out",
            "uuid_in",
            "uuid_out",
            "array_in",
            "array_out",
            "record_in",
            "record_out",
            "enum_in",
            "enum_out",
        ],
        "What reads and writes the texts of a type is not called by its name: cast to the type, or to text.",
    ),
];

/// 0A000 for a function of PostgreSQL's that there is not; `None` for any other name.
pub(super) fn refused(name: &str) -> Option<Error> {
    let is = |known: &str| if known.ends_with('_') { name.starts_with(known) } else { known == name };
    let (_, hint) = ABSENT.iter().find(|(names, _)| names.iter().any(|known| is(known)))?;
    Some(Error::unsupported(format!("function {name} is not supported")).hint(*hint))
}
