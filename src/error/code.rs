//! SQLSTATE codes in use, named as in PostgreSQL's appendix A ("PostgreSQL Error Codes").

macro_rules! codes { ($($name:ident = $value:literal;)*) => {
    $(#[doc = concat!("SQLSTATE ", $value)] pub const $name: &str = $value;)*
    const ALL: &[(&str, &str)] = &[$((stringify!($name), $value)),*];
} }
codes! {
    WARNING = "01000"; PRIVILEGE_NOT_REVOKED = "01006"; PRIVILEGE_NOT_GRANTED = "01007"; SUCCESS = "00000";
    CONNECTION_FAILURE = "08006"; PROTOCOL_VIOLATION = "08P01"; FEATURE_NOT_SUPPORTED = "0A000"; CARDINALITY_VIOLATION = "21000";
    STRING_DATA_RIGHT_TRUNCATION = "22001"; NUMERIC_VALUE_OUT_OF_RANGE = "22003"; INVALID_DATETIME_FORMAT = "22007";
    DATETIME_FIELD_OVERFLOW = "22008"; SUBSTRING_ERROR = "22011"; DIVISION_BY_ZERO = "22012"; CHARACTER_NOT_IN_REPERTOIRE = "22021";
    INVALID_PRECEDING_OR_FOLLOWING_SIZE = "22013"; INVALID_ARGUMENT_FOR_NTILE_FUNCTION = "22014"; INVALID_ARGUMENT_FOR_NTH_VALUE_FUNCTION = "22016";
    INVALID_ROW_COUNT_IN_LIMIT_CLAUSE = "2201W"; INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE = "2201X";
    INVALID_PARAMETER_VALUE = "22023"; NULL_VALUE_NOT_ALLOWED = "22004"; INVALID_TEXT_REPRESENTATION = "22P02"; INVALID_BINARY_REPRESENTATION = "22P03";
    INVALID_TIME_ZONE_DISPLACEMENT = "22009"; INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION = "22031"; INVALID_SQL_JSON_SUBSCRIPT = "22033"; NON_NUMERIC_SQL_JSON_ITEM = "22036"; SINGLETON_SQL_JSON_ITEM_REQUIRED = "22038"; SQL_JSON_ARRAY_NOT_FOUND = "22039"; SQL_JSON_MEMBER_NOT_FOUND = "2203A"; SQL_JSON_NUMBER_NOT_FOUND = "2203B"; SQL_JSON_OBJECT_NOT_FOUND = "2203C";
    BAD_COPY_FILE_FORMAT = "22P04"; UNTRANSLATABLE_CHARACTER = "22P05"; DATA_EXCEPTION = "22000";
    NOT_NULL_VIOLATION = "23502"; FOREIGN_KEY_VIOLATION = "23503"; UNIQUE_VIOLATION = "23505"; CHECK_VIOLATION = "23514"; WITH_CHECK_OPTION_VIOLATION = "44000";
    ACTIVE_SQL_TRANSACTION = "25001"; NO_ACTIVE_SQL_TRANSACTION = "25P01"; IN_FAILED_SQL_TRANSACTION = "25P02";
    READ_ONLY_SQL_TRANSACTION = "25006"; IDLE_IN_TRANSACTION_SESSION_TIMEOUT = "25P03"; TRANSACTION_TIMEOUT = "25P04";
    INVALID_SQL_STATEMENT_NAME = "26000"; INVALID_AUTHORIZATION = "28000"; INVALID_PASSWORD = "28P01";
    INVALID_GRANT_OPERATION = "0LP01"; INVALID_ROLE_SPECIFICATION = "0P000"; INSUFFICIENT_PRIVILEGE = "42501";
    DEPENDENT_OBJECTS_STILL_EXIST = "2BP01"; INVALID_CURSOR_NAME = "34000"; INVALID_CURSOR_STATE = "24000"; INVALID_CATALOG_NAME = "3D000"; INVALID_SAVEPOINT = "3B001";
    INVALID_SCHEMA_NAME = "3F000";
    SERIALIZATION_FAILURE = "40001"; DEADLOCK_DETECTED = "40P01";
    SYNTAX_ERROR = "42601"; INVALID_COLUMN_DEFINITION = "42611"; AMBIGUOUS_COLUMN = "42702"; UNDEFINED_COLUMN = "42703"; UNDEFINED_OBJECT = "42704";
    DUPLICATE_OBJECT = "42710"; DUPLICATE_COLUMN = "42701"; AMBIGUOUS_FUNCTION = "42725"; GROUPING_ERROR = "42803";
    DATATYPE_MISMATCH = "42804"; WRONG_OBJECT_TYPE = "42809"; CANNOT_COERCE = "42846"; UNDEFINED_FUNCTION = "42883";
    UNDEFINED_TABLE = "42P01"; RESERVED_NAME = "42939"; INVALID_NAME = "42602"; INVALID_CURSOR_DEFINITION = "42P11"; DUPLICATE_ALIAS = "42712"; ASSERT_FAILURE = "P0004"; UNDEFINED_PARAMETER = "42P02"; DUPLICATE_CURSOR = "42P03"; DUPLICATE_PREPARED = "42P05";
    ARRAY_SUBSCRIPT_ERROR = "2202E"; INVALID_ARGUMENT_FOR_LOGARITHM = "2201E"; INVALID_ARGUMENT_FOR_POWER_FUNCTION = "2201F"; INVALID_ARGUMENT_FOR_WIDTH_BUCKET = "2201G"; INVALID_REGULAR_EXPRESSION = "2201B"; INVALID_ESCAPE_SEQUENCE = "22025";
    DUPLICATE_TABLE = "42P07"; DUPLICATE_SCHEMA = "42P06"; INVALID_TABLE_DEFINITION = "42P16"; INVALID_OBJECT_DEFINITION = "42P17";
    INVALID_COLUMN_REFERENCE = "42P10"; INVALID_RECURSION = "42P19"; INVALID_FOREIGN_KEY = "42830"; INDETERMINATE_DATATYPE = "42P18"; AMBIGUOUS_PARAMETER = "42P08"; WINDOWING_ERROR = "42P20";
    DISK_FULL = "53100"; OUT_OF_MEMORY = "53200"; TOO_MANY_CONNECTIONS = "53300"; CONFIGURATION_LIMIT_EXCEEDED = "53400";
    PROGRAM_LIMIT_EXCEEDED = "54000"; STATEMENT_TOO_COMPLEX = "54001";
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000"; OBJECT_IN_USE = "55006"; LOCK_NOT_AVAILABLE = "55P03"; CANT_CHANGE_RUNTIME_PARAM = "55P02";
    QUERY_CANCELED = "57014"; ADMIN_SHUTDOWN = "57P01"; IDLE_SESSION_TIMEOUT = "57P05";
    CONFIG_FILE_ERROR = "F0000";
    IO_ERROR = "58030"; UNDEFINED_FILE = "58P01";
    INTERNAL = "XX000"; DATA_CORRUPTED = "XX001";
    RAISE_EXCEPTION = "P0001"; NO_DATA_FOUND = "P0002"; TOO_MANY_ROWS = "P0003"; CASE_NOT_FOUND = "20000";
    INVALID_FUNCTION_DEFINITION = "42P13"; FUNCTION_EXECUTED_NO_RETURN_STATEMENT = "2F005"; INVALID_TRANSACTION_TERMINATION = "2D000";
}

/// Conditions that only users raise and handle, those that stand for all of their class, and those that are called otherwise in PostgreSQL.
const OTHERS: [(&str, &str); 135] = [
    ("connection_exception", "08000"),
    ("integrity_constraint_violation", "23000"),
    ("invalid_transaction_state", "25000"),
    ("transaction_rollback", "40000"),
    ("syntax_error_or_access_rule_violation", "42000"),
    ("insufficient_resources", "53000"),
    ("program_limit_exceeded", "54000"),
    ("object_not_in_prerequisite_state", "55000"),
    ("operator_intervention", "57000"),
    ("system_error", "58000"),
    ("plpgsql_error", "P0000"),
    ("internal_error", "XX000"),
    ("sql_statement_not_yet_complete", "03000"),
    ("connection_does_not_exist", "08003"),
    ("sqlclient_unable_to_establish_sqlconnection", "08001"),
    ("sqlserver_rejected_establishment_of_sqlconnection", "08004"),
    ("transaction_resolution_unknown", "08007"),
    ("triggered_action_exception", "09000"),
    ("invalid_transaction_initiation", "0B000"),
    ("locator_exception", "0F000"),
    ("invalid_locator_specification", "0F001"),
    ("invalid_grantor", "0L000"),
    ("diagnostics_exception", "0Z000"),
    ("stacked_diagnostics_accessed_without_active_handler", "0Z002"),
    ("error_in_assignment", "22005"),
    ("escape_character_conflict", "2200B"),
    ("indicator_overflow", "22022"),
    ("interval_field_overflow", "22015"),
    ("invalid_argument_for_width_bucket_function", "2201G"),
    ("invalid_character_value_for_cast", "22018"),
    ("invalid_escape_character", "22019"),
    ("invalid_escape_octet", "2200D"),
    ("nonstandard_use_of_escape_character", "22P06"),
    ("invalid_indicator_parameter_value", "22010"),
    ("invalid_tablesample_argument", "2202H"),
    ("invalid_tablesample_repeat", "2202G"),
    ("invalid_time_zone_displacement_value", "22009"),
    ("invalid_use_of_escape_character", "2200C"),
    ("most_specific_type_mismatch", "2200G"),
    ("null_value_no_indicator_parameter", "22002"),
    ("sequence_generator_limit_exceeded", "2200H"),
    ("string_data_length_mismatch", "22026"),
    ("trim_error", "22027"),
    ("unterminated_c_string", "22024"),
    ("zero_length_character_string", "2200F"),
    ("floating_point_exception", "22P01"),
    ("not_an_xml_document", "2200L"),
    ("invalid_xml_document", "2200M"),
    ("invalid_xml_content", "2200N"),
    ("invalid_xml_comment", "2200S"),
    ("invalid_xml_processing_instruction", "2200T"),
    ("duplicate_json_object_key_value", "22030"),
    ("invalid_json_text", "22032"),
    ("more_than_one_sql_json_item", "22034"),
    ("no_sql_json_item", "22035"),
    ("non_unique_keys_in_a_json_object", "22037"),
    ("too_many_json_array_elements", "2203D"),
    ("too_many_json_object_members", "2203E"),
    ("sql_json_scalar_required", "2203F"),
    ("sql_json_item_cannot_be_cast_to_target_type", "2203G"),
    ("restrict_violation", "23001"),
    ("exclusion_violation", "23P01"),
    ("branch_transaction_already_active", "25002"),
    ("held_cursor_requires_same_isolation_level", "25008"),
    ("inappropriate_access_mode_for_branch_transaction", "25003"),
    ("inappropriate_isolation_level_for_branch_transaction", "25004"),
    ("no_active_sql_transaction_for_branch_transaction", "25005"),
    ("schema_and_data_statement_mixing_not_supported", "25007"),
    ("triggered_data_change_violation", "27000"),
    ("invalid_authorization_specification", "28000"),
    ("dependent_privilege_descriptors_still_exist", "2B000"),
    ("sql_routine_exception", "2F000"),
    ("modifying_sql_data_not_permitted", "2F002"),
    ("prohibited_sql_statement_attempted", "2F003"),
    ("reading_sql_data_not_permitted", "2F004"),
    ("external_routine_exception", "38000"),
    ("containing_sql_not_permitted", "38001"),
    ("external_routine_invocation_exception", "39000"),
    ("invalid_sqlstate_returned", "39001"),
    ("trigger_protocol_violated", "39P01"),
    ("srf_protocol_violated", "39P02"),
    ("event_trigger_protocol_violated", "39P03"),
    ("savepoint_exception", "3B000"),
    ("invalid_savepoint_specification", "3B001"),
    ("transaction_integrity_constraint_violation", "40002"),
    ("statement_completion_unknown", "40003"),
    ("name_too_long", "42622"),
    ("collation_mismatch", "42P21"),
    ("indeterminate_collation", "42P22"),
    ("generated_always", "428C9"),
    ("duplicate_database", "42P04"),
    ("duplicate_function", "42723"),
    ("duplicate_prepared_statement", "42P05"),
    ("ambiguous_alias", "42P09"),
    ("invalid_database_definition", "42P12"),
    ("invalid_prepared_statement_definition", "42P14"),
    ("invalid_schema_definition", "42P15"),
    ("with_check_option_violation", "44000"),
    ("too_many_columns", "54011"),
    ("too_many_arguments", "54023"),
    ("unsafe_new_enum_value_usage", "55P04"),
    ("crash_shutdown", "57P02"),
    ("cannot_connect_now", "57P03"),
    ("database_dropped", "57P04"),
    ("duplicate_file", "58P02"),
    ("snapshot_too_old", "72000"),
    ("lock_file_exists", "F0001"),
    ("fdw_error", "HV000"),
    ("fdw_column_name_not_found", "HV005"),
    ("fdw_dynamic_parameter_value_needed", "HV002"),
    ("fdw_function_sequence_error", "HV010"),
    ("fdw_inconsistent_descriptor_information", "HV021"),
    ("fdw_invalid_attribute_value", "HV024"),
    ("fdw_invalid_column_name", "HV007"),
    ("fdw_invalid_column_number", "HV008"),
    ("fdw_invalid_data_type", "HV004"),
    ("fdw_invalid_data_type_descriptors", "HV006"),
    ("fdw_invalid_descriptor_field_identifier", "HV091"),
    ("fdw_invalid_handle", "HV00B"),
    ("fdw_invalid_option_index", "HV00C"),
    ("fdw_invalid_option_name", "HV00D"),
    ("fdw_invalid_string_length_or_buffer_length", "HV090"),
    ("fdw_invalid_string_format", "HV00A"),
    ("fdw_invalid_use_of_null_pointer", "HV009"),
    ("fdw_too_many_handles", "HV014"),
    ("fdw_out_of_memory", "HV001"),
    ("fdw_no_schemas", "HV00P"),
    ("fdw_option_name_not_found", "HV00J"),
    ("fdw_reply_handle", "HV00K"),
    ("fdw_schema_not_found", "HV00Q"),
    ("fdw_table_not_found", "HV00R"),
    ("fdw_unable_to_create_execution", "HV00L"),
    ("fdw_unable_to_create_reply", "HV00M"),
    ("fdw_unable_to_establish_connection", "HV00N"),
    ("index_corrupted", "XX002"),
];

/// SQLSTATEs of users that are kept at most; see [`own`].
const OWN_MAX: usize = 1_000;

/// The SQLSTATE of a condition by its name in lower case, as PL/pgSQL names it.
pub fn named(condition: &str) -> Option<&'static str> {
    let other = OTHERS.iter().find(|(name, _)| *name == condition);
    let known = || ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(condition));
    other.or_else(known).map(|(_, state)| *state)
}

/// A SQLSTATE that a user's RAISE names. It is kept for as long as the server runs; when there are too many, [`RAISE_EXCEPTION`]
/// stands for one that is new.
pub fn own(state: &str) -> &'static str {
    static OWN: parking_lot::Mutex<Vec<&'static str>> = parking_lot::Mutex::new(Vec::new());
    if let Some((_, known)) = ALL.iter().find(|(_, known)| *known == state) {
        return known;
    }
    let mut own = OWN.lock();
    match own.iter().find(|known| **known == state) {
        Some(known) => known,
        None if own.len() >= OWN_MAX => RAISE_EXCEPTION,
        None => {
            let kept: &'static str = String::from(state).leak();
            own.push(kept);
            kept
        }
    }
}
