//! Every limit of the server, with its unit in its name. Reaching one is a clear error or back-pressure, never an abort.

/// Largest protocol message a client may send, in bytes (PostgreSQL's own limit is 1 GiB).
pub const MESSAGE_BYTES_MAX: usize = 256 << 20;
/// Longest SQL text of one message, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 64 << 20;
/// Connections served at one time; one more is refused with 53300.
pub const CONNECTIONS_MAX: usize = 1_000;
/// Columns of one relation (PostgreSQL: 1600).
pub const COLUMNS_MAX: usize = 1_600;
/// Items that one SELECT lists, as in PostgreSQL.
pub const TARGETS_MAX: usize = 1_664;
/// Longest identifier, in bytes (PostgreSQL: 63).
pub const IDENTIFIER_BYTES_MAX: usize = 63;
/// Rows that one transaction may hold back before COMMIT, in bytes of Arrow memory.
pub const TRANSACTION_BYTES_MAX: usize = 4 << 30;
/// Appends waiting for the log writer; further ones wait in the session (back-pressure).
pub const APPEND_QUEUE_MAX: usize = 4_096;
/// Rows in one Arrow batch that COPY and INSERT build.
pub const BATCH_ROWS_MAX: usize = 65_536;
/// A WAL file is closed, and sealed into segments, when it has grown past this many bytes.
pub const WAL_FILE_BYTES_MAX: u64 = 128 << 20;
/// Largest single WAL frame, in bytes; a larger transaction is written as several staged frames.
pub const WAL_FRAME_BYTES_MAX: usize = 1 << 30;
/// Rows in one Parquet row group of a segment.
pub const ROW_GROUP_ROWS_MAX: usize = 131_072;
/// Memory that all running ad-hoc queries may use together, in bytes.
pub const QUERY_MEMORY_BYTES_MAX: usize = 8 << 30;
/// Memory that one view's state and output, or what one of its joins gives in one step, may use, in bytes, unless the server is started
/// with another limit; past it the view fails with 53400.
pub const VIEW_STATE_BYTES_MAX: usize = 12 << 30;
/// Events of the history of a failed view that are folded again to find the one at fault; with more only a range is told.
pub const FAULT_SEARCH_EVENTS_MAX: u64 = 1 << 20;
/// Changes of one relation kept in memory for views over it that lag, in bytes; past it the lagging view fails.
pub const CHANGELOG_BYTES_MAX: usize = 2 << 30;
/// Rows that one step of a dataflow folds at most before it looks for cuts again.
pub const STEP_ROWS_MAX: usize = 1 << 20;
/// Iterations of a recursive query that a view folds; a recursion that is deeper is taken for endless.
pub const RECURSION_ITERATIONS_MAX: u32 = 100_000;
/// Positions that a dataflow which merges its inputs by position folds at once.
pub const ORDERED_STEP_EVENTS_MAX: u64 = 1 << 16;
/// Rows in one chunk of a view's output.
pub const CHUNK_ROWS_MAX: usize = 65_536;
/// Savepoints of one transaction at one time.
pub const SAVEPOINTS_MAX: usize = 1_000;
/// How often ON UPDATE CASCADE makes rows follow keys, by one rule after the other, in one statement.
pub const FOLLOWED_KEYS_MAX: usize = 500;
/// How deep blocks of PL/pgSQL may nest, and calls of functions by functions.
pub const PROCEDURE_DEPTH_MAX: usize = 40;
/// What a function that lasts means, as text, in bytes.
pub const FUNCTION_BYTES_MAX: usize = 64 << 10;
/// What the functions that one statement calls mean, altogether, in bytes.
pub const EXPANDED_BYTES_MAX: usize = 1 << 20;
/// How long a statement waits for a table lock before it gives up with 40P01, in milliseconds.
pub const LOCK_WAIT_MS_MAX: u64 = 10_000;
/// A reader of a view that depends on the time takes the last tick for the present while it is younger than this, in microseconds.
pub const TICK_AGE_US_MAX: i64 = 10_000;
/// Windows of HOP that one row may fall into.
pub const HOP_WINDOWS_MAX: i64 = 1_000;
/// Parameters of one statement: a Bind message counts them in 16 bits.
pub const PARAMETERS_MAX: usize = 65_535;
/// Prepared statements and portals of one session.
pub const PREPARED_MAX: usize = 10_000;
/// Text of the prepared statements of one session, in bytes.
pub const PREPARED_BYTES_MAX: usize = 64 << 20;
/// Parameters that the portals of one session hold, in bytes.
pub const PORTAL_BYTES_MAX: usize = 512 << 20;
/// Cursors of one session.
pub const CURSORS_MAX: usize = 1_000;
/// Rows that the SCROLL cursors of one session keep to go back to, in bytes of Arrow memory for each.
pub const CURSOR_BYTES_MAX: usize = 64 << 20;
/// Settings of a client's own kind in one session.
pub const SETTINGS_MAX: usize = 1_000;
/// Longest value of such a setting, in bytes.
pub const SETTING_BYTES_MAX: usize = 64 << 10;
/// Notifications that wait for one session, or that one transaction holds back; past it a listening session ends with 53400.
pub const NOTIFICATIONS_MAX: usize = 10_000;
/// The same, in bytes.
pub const NOTIFICATION_BYTES_MAX: usize = 16 << 20;
/// Payload of a notification, in bytes: shorter than this (PostgreSQL: 8000).
pub const PAYLOAD_BYTES_MAX: usize = 8_000;
/// Warnings that the functions of one statement raise; further ones are left out.
pub const NOTICES_MAX: usize = 100;
/// Channels that one session listens to.
pub const CHANNELS_MAX: usize = 1_000;
/// Expressions within what BETWEEN SYMMETRIC compares, each of which it computes twice, so that they would double with each level.
pub const SYMMETRIC_EXPRESSIONS_MAX: usize = 1_000;
/// Expressions in all grouping sets that a ROLLUP, a CUBE or GROUPING SETS of them stand for.
pub const GROUPED_EXPRESSIONS_MAX: usize = 65_536;
/// Advisory locks that one session holds.
pub const ADVISORY_LOCKS_MAX: usize = 10_000;
/// Keys by which one statement finds rows, or puts them, so that it locks no others; with more it locks the table.
pub const STATEMENT_KEYS_MAX: usize = 1_024;
/// Keys of one table that a session has locked; for more it locks the table.
pub const LOCKED_KEYS_MAX: usize = 100_000;

// Relations between limits that the code relies upon.
const _: () = assert!(CHUNK_ROWS_MAX <= u32::MAX as usize && BATCH_ROWS_MAX <= STEP_ROWS_MAX);
const _: () = assert!(WAL_FRAME_BYTES_MAX < u32::MAX as usize && STATEMENT_BYTES_MAX <= MESSAGE_BYTES_MAX);
/// Seconds between looks whether a checkpoint is due, at least.
pub const CHECKPOINT_INTERVAL_S: u64 = 15;
/// Seconds between them at most: what is folded again after a crash.
pub const CHECKPOINT_INTERVAL_MAX_S: u64 = 300;
/// As many times as long as it took to write a checkpoint, until the next: a large state costs a twentieth of a core then.
pub const CHECKPOINT_PAUSES: u32 = 20;
/// Events since the last checkpoint that make the next one due.
pub const CHECKPOINT_EVENTS_MIN: u64 = 500_000;
/// Rows of a view that only grows go to a file with a checkpoint if they take so many bytes of memory; fewer stand in it.
pub const CHECKPOINT_ROWS_BYTES_MIN: usize = 16 << 20;
/// Milliseconds between looks whether rows of views are to go to files.
pub const MOVE_INTERVAL_MS: u64 = 500;
/// The same after one of them could not be written.
pub const MOVE_RETRY_MS: u64 = 30_000;
/// What a view computes of a segment's events goes to a file beside it if it takes so many bytes; else the events are folded.
pub const SHARED_BYTES_MIN: usize = 128 << 10;
/// Rows of one view that only grows that are held in memory, in bytes; more go to a file.
pub const VIEW_ROWS_BYTES_MAX: usize = 64 << 20;
/// Transactions whose numbers are kept, where their rows bear them in place of the positions of their events; 24 bytes each.
pub const NUMBERED_TRANSACTIONS_MAX: usize = 1 << 20;
/// Expressions of tables' definitions that a session remembers as they are computed.
pub const KNOWN_EXPRESSIONS_MAX: usize = 1_024;
/// Statements of the simple protocol that a session remembers with their plans.
pub const CACHED_STATEMENTS_MAX: usize = 32;
/// Values that are taken out of the text of a statement for it to be remembered; one with more is planned by itself.
pub const SHAPE_VALUES_MAX: usize = 64;
/// Longer statements are not remembered, in bytes.
pub const CACHED_STATEMENT_BYTES_MAX: usize = 4_096;
/// Statements of one message that are kept as they are parsed before the first of them runs; further ones are parsed again in their turn.
pub const AHEAD_STATEMENTS_MAX: usize = 1_000;
/// Longer statements are not parsed on a socket's thread, in bytes.
pub const SHORT_STATEMENT_BYTES_MAX: usize = 4_096;
/// What all running queries may put on disk because it does not fit into their memory, in bytes.
pub const SPILL_BYTES_MAX: u64 = 16 << 30;
/// Regular expressions that one call keeps compiled.
pub const PATTERNS_MAX: usize = 100;
/// Largest compiled regular expression, in bytes.
pub const PATTERN_BYTES_MAX: usize = 4 << 20;
/// Largest value that a function may compute, in bytes (PostgreSQL: 1 GiB).
pub const VALUE_BYTES_MAX: usize = 256 << 20;
/// Steps that a jsonpath takes through one document, which are some seconds: a function is not interrupted.
pub const PATH_STEPS_MAX: u64 = 100_000_000;
/// Values that a function computes for one batch of rows, all together, in bytes.
pub const RESULT_BYTES_MAX: usize = 1 << 30;
/// Statements that are planned or optimized at one time; further ones wait, each in its session.
pub const PLANS_MAX: usize = 64;
/// Relations in one plan, those counted again that a name of WITH stands for.
pub const PLAN_RELATIONS_MAX: usize = 10_000;
/// Nodes of one plan, before it is optimized.
pub const PLAN_NODES_MAX: usize = 20_000;
/// Stack of threads that plan statements, in bytes; a statement nested as deeply as the parser lets it be must fit.
pub const STACK_BYTES: usize = 16 << 20;
/// Elements of the series that one call of generate_series() makes for one batch.
pub const SERIES_ELEMENTS_MAX: usize = 10_000_000;
/// Items of an array that PL/pgSQL assigns to by their numbers.
pub const ARRAY_ITEMS_MAX: usize = 1_000_000;
/// Roles, those that are always there included.
pub const ROLES_MAX: usize = 10_000;
/// Grants: one for each object, grantee and grantor.
pub const GRANTS_MAX: usize = 100_000;
/// The most composite types within one another. What the catalog keeps of one doubles with each.
pub const COMPOSITE_DEPTH_MAX: usize = 8;
/// Rows, and arrays of rows, within one another in a value that is shown: each doubles the quotes of what is in it.
pub const QUOTINGS_MAX: usize = 20;
