//! The properties of WITH (ksqlDB's reference, "CREATE STREAM": stream properties).

/// All properties, and whether a statement with a query takes them too.
pub const PROPERTIES: &[(&str, bool)] = &[
    ("KAFKA_TOPIC", true),
    ("PARTITIONS", true),
    ("REPLICAS", true),
    ("RETENTION_MS", true),
    ("CLEANUP_POLICY", true),
    ("FORMAT", true),
    ("KEY_FORMAT", true),
    ("VALUE_FORMAT", true),
    ("VALUE_DELIMITER", true),
    ("KEY_DELIMITER", true),
    ("TIMESTAMP", true),
    ("TIMESTAMP_FORMAT", true),
    ("WRAP_SINGLE_VALUE", true),
    ("WINDOW_TYPE", false),
    ("WINDOW_SIZE", false),
    ("KEY_SCHEMA_ID", true),
    ("VALUE_SCHEMA_ID", true),
    ("KEY_SCHEMA_FULL_NAME", true),
    ("VALUE_SCHEMA_FULL_NAME", true),
    ("VALUE_AVRO_SCHEMA_FULL_NAME", true),
    ("KEY_PROTOBUF_NULLABLE_REPRESENTATION", true),
    ("VALUE_PROTOBUF_NULLABLE_REPRESENTATION", true),
    ("SOURCED_BY_CONNECTOR", false),
];
