//! What a client can ask for.

mod alteration;
mod comment;
mod cursor;
mod explain;
mod like;
mod merge;
mod partition;
mod policy;
mod relation;
mod trigger;

use std::collections::BTreeSet;

use sqlparser::ast;

use super::plpgsql::{Block, Function};
use super::roles::{RoleName, RoleStatement};
pub use super::routines::{Call, RoutineAttributes, RoutineChange, RoutineWord, RowCalls, RowItem, Signature, VARIADIC};
pub use super::type_changes::{AttributeChange, DomainChange, NewAttribute, TypeChange};
use crate::catalog::{Action, Column, Index, Name, RelationId, RelationKind, TriggerEvent, ViewOptions};
use crate::data::PgType;
use crate::error::Error;

pub use alteration::Alteration;
pub use comment::CommentOn;
pub use cursor::{CURRENT_OF, CursorOptions, Move};
pub use explain::Explain;
pub use like::{Like, Taken};
pub use merge::{Merge, MergeAction, MergeWhen};
pub use partition::NewPartition;
pub use policy::{PolicySaid, PolicyStatement, SecurityChange};
pub use relation::NewRelation;
pub use trigger::{NewTrigger, TriggerStatement};

/// One statement. Names are already folded.
#[derive(Clone, Debug)]
pub enum Statement {
    /// A statement of ksqlDB's dialect.
    Ksql(Box<super::ksql::ast::Statement>),
    /// SELECT, VALUES, WITH ..
    Query(Box<ast::Query>),
    /// SELECT .. FOR UPDATE, FOR SHARE
    Locking {
        query: Box<ast::Query>,
        locks: Vec<RowLock>,
    },
    /// CREATE STREAM and CREATE TABLE, also a temporary one.
    CreateRelation(Box<NewRelation>),
    /// CREATE TABLE .. PARTITION OF
    CreatePartition(Box<NewPartition>),
    /// ALTER INDEX .. ATTACH PARTITION: the index of a partition is a part of that of its table.
    AttachIndex {
        index: Name,
        part: Name,
    },
    /// CREATE TYPE .. AS ENUM
    CreateEnum {
        name: Name,
        labels: Vec<String>,
    },
    /// CREATE TYPE .. AS (attributes)
    CreateComposite {
        name: Name,
        attributes: Vec<NewAttribute>,
    },
    /// CREATE DOMAIN: `column` is what its definition would make of a column.
    CreateDomain {
        name: Name,
        column: Column,
        named: Option<NamedType>,
        rules: Vec<NewRule>,
    },
    AlterDomain {
        name: Name,
        change: DomainChange,
    },
    /// DO
    Do(Box<Block>),
    /// `CREATE [OR REPLACE] FUNCTION` or PROCEDURE
    CreateFunction {
        function: Box<Function>,
        replace: bool,
    },
    /// ALTER FUNCTION and its kin.
    AlterFunction {
        word: RoutineWord,
        signature: Signature,
        change: RoutineChange,
    },
    /// DROP FUNCTION and its kin: names, and the types of parameters where they are given.
    DropFunctions {
        word: RoutineWord,
        names: Vec<Signature>,
        if_exists: bool,
        cascade: bool,
    },
    /// CALL
    CallProcedure {
        name: Name,
        arguments: Vec<ast::FunctionArg>,
    },
    /// A statement that calls functions with bodies; they run before it.
    Calling {
        calls: Vec<Call>,
        then: Box<Statement>,
        /// It is CALL: the last of the calls is all of it.
        is_call: bool,
    },
    /// A query that calls functions with bodies for each of its rows.
    CallingRows(Box<RowCalls>),
    AlterType {
        name: Name,
        /// It is to be a domain.
        domain: bool,
        change: TypeChange,
    },
    /// `DROP TYPE name, .. [CASCADE]`, and DROP DOMAIN
    DropTypes {
        names: Vec<Name>,
        /// They are to be domains.
        domains: bool,
        if_exists: bool,
        cascade: bool,
    },
    /// `CREATE SCHEMA [name] [AUTHORIZATION role] [definition ..]`; without a name it is the role's.
    CreateSchema {
        name: Option<String>,
        owner: Option<RoleName>,
        if_not_exists: bool,
        /// What is to be in it, and the texts of that.
        definitions: Vec<(String, Statement)>,
    },
    AlterSchema {
        name: String,
        change: SchemaChange,
    },
    /// `DROP SCHEMA name, .. [CASCADE]`
    DropSchema {
        names: Vec<String>,
        if_exists: bool,
        cascade: bool,
    },
    /// `REFRESH MATERIALIZED VIEW [CONCURRENTLY]`
    Refresh(Name),
    CreateSequence {
        name: Name,
        options: SequenceOptions,
        if_not_exists: bool,
    },
    AlterSequence {
        name: Name,
        if_exists: bool,
        change: SequenceChange,
    },
    DropSequence {
        names: Vec<Name>,
        if_exists: bool,
        cascade: bool,
    },
    /// `CREATE [UNIQUE] INDEX`, in the schema of the table. `index` gets its number and its name when it is made.
    CreateIndex {
        name: Option<String>,
        table: Name,
        index: Box<Index>,
        if_not_exists: bool,
    },
    RenameIndex {
        name: Name,
        if_exists: bool,
        to: String,
    },
    DropIndex {
        names: Vec<Name>,
        if_exists: bool,
        cascade: bool,
    },
    /// ALTER TABLE, STREAM, VIEW and MATERIALIZED VIEW; `kind` is what the statement calls it.
    Alter {
        kind: RelationKind,
        name: Name,
        if_exists: bool,
        changes: Vec<Alteration>,
    },
    /// CREATE TABLE .. AS query, and SELECT .. INTO. `columns` renames the first columns of the query.
    CreateTableAs {
        new: NewTable,
        columns: Vec<String>,
        query: Box<ast::Query>,
        /// False for WITH NO DATA.
        data: bool,
    },
    /// `CREATE [TEMPORARY | MATERIALIZED] VIEW`; `sql` is the query's text. `columns` renames its columns, if given. `data` is false for WITH NO DATA.
    CreateView {
        materialized: bool,
        temporary: bool,
        name: Name,
        columns: Vec<String>,
        query: Box<ast::Query>,
        sql: String,
        if_not_exists: bool,
        or_replace: bool,
        options: ViewOptions,
        data: bool,
    },
    /// `DROP kind name, .. [CASCADE]`
    Drop {
        kind: RelationKind,
        names: Vec<Name>,
        if_exists: bool,
        cascade: bool,
    },
    Trigger(Box<TriggerStatement>),
    /// CREATE, ALTER and DROP POLICY
    Policy(Box<PolicyStatement>),
    /// COMMENT ON; no text takes the comment away.
    Comment {
        on: CommentOn,
        text: Option<String>,
    },
    Insert {
        table: Name,
        alias: Option<String>,
        columns: Vec<String>,
        overriding: Option<Overriding>,
        /// WITH before the statement is part of it.
        source: Box<ast::Query>,
        conflict: Option<Box<Conflict>>,
        returning: Option<Vec<ast::SelectItem>>,
        through: Option<Through>,
    },
    /// INSERT INTO t DEFAULT VALUES
    InsertDefaults {
        table: Name,
    },
    /// WITH name AS (INSERT, UPDATE or DELETE ..) before a query or a change.
    WithChanges {
        changes: Vec<ChangingCte>,
        then: Box<Statement>,
    },
    /// TRUNCATE
    Truncate(Truncate),
    /// LOCK TABLE
    LockTables {
        tables: Vec<Name>,
        mode: super::TableMode,
        nowait: bool,
    },
    Update(Box<Change>),
    Delete(Box<Change>),
    Merge(Box<Merge>),
    CopyIn {
        table: Name,
        columns: Vec<String>,
        options: CopyOptions,
        /// WHERE: which rows are taken.
        condition: Option<String>,
    },
    CopyOut {
        source: CopySource,
        options: CopyOptions,
    },
    /// BEGIN, or START TRANSACTION, which differ in what is answered.
    Begin {
        modes: Modes,
        start: bool,
    },
    /// SET CONSTRAINTS; no names for ALL.
    SetConstraints {
        names: Vec<Name>,
        deferred: bool,
    },
    /// `COMMIT [AND CHAIN]`
    Commit {
        chain: bool,
    },
    /// `ROLLBACK [AND CHAIN]`
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    /// RELEASE SAVEPOINT
    Release(String),
    /// ROLLBACK TO SAVEPOINT
    RollbackTo(String),
    /// SET name = value (None: DEFAULT).
    Set {
        name: String,
        value: Option<String>,
        local: bool,
    },
    /// RESET name
    Reset(String),
    ResetAll,
    /// SET TRANSACTION, of the one under way; with `session` SET SESSION CHARACTERISTICS, of all to come.
    SetTransaction {
        modes: Modes,
        session: bool,
    },
    Discard(Discard),
    /// LISTEN channel; that of a relation outside of the first schema is `schema.name`.
    Listen(String),
    /// UNLISTEN channel (None: *)
    Unlisten(Option<String>),
    Notify {
        channel: String,
        payload: String,
    },
    /// SHOW name
    Show(String),
    Explain {
        what: Explain,
        /// FORMAT JSON
        json: bool,
        statement: Box<Statement>,
    },
    /// EXPLAIN ANALYZE view: what its operators have done.
    ExplainView(Name),
    Prepare {
        name: String,
        types: Vec<ast::DataType>,
        statement: String,
    },
    Execute {
        name: String,
        arguments: Vec<ast::Expr>,
    },
    /// DEALLOCATE name (None: ALL)
    Deallocate(Option<String>),
    Declare {
        name: String,
        how: CursorOptions,
        query: String,
    },
    /// FETCH; `skip` for MOVE.
    Fetch {
        name: String,
        to: Move,
        skip: bool,
    },
    /// CLOSE name (None: ALL)
    Close(Option<String>),
    /// Roles, grants, owners, and who the session is.
    Role(Box<super::roles::RoleStatement>),
    /// CHECKPOINT: seal the tail and write checkpoints of all views.
    Checkpoint,
    /// ANALYZE or VACUUM of these tables and columns, sent by habit and with nothing to do here; answered with this tag.
    Upkeep(&'static str, Vec<(Name, Vec<String>)>),
    /// Does nothing either, and tells why; `of` are relations and indexes that it names.
    Told {
        tag: String,
        notice: Error,
        of: Vec<Name>,
    },
    Empty,
}

impl Statement {
    /// True for statements that change the catalog in their transaction, or run others that may.
    pub fn defines(&self) -> bool {
        use Statement as S;
        match self {
            S::Alter { changes, .. } => !matches!(changes.as_slice(), [Alteration::Resume { .. }]),
            S::CreateRelation(_) | S::CreateView { .. } | S::Drop { .. } | S::Comment { .. } | S::Policy(_) => true,
            S::CreateTableAs { .. } | S::CreatePartition(_) | S::AttachIndex { .. } => true,
            S::CreateSequence { .. } | S::AlterSequence { .. } | S::DropSequence { .. } => true,
            S::CreateIndex { .. } | S::RenameIndex { .. } | S::DropIndex { .. } | S::Trigger(_) => true,
            S::CreateDomain { .. } | S::AlterDomain { .. } => true,
            S::CreateEnum { .. } | S::CreateComposite { .. } | S::AlterType { .. } | S::DropTypes { .. } => true,
            S::Do(_) | S::CreateFunction { .. } | S::DropFunctions { .. } | S::Calling { .. } => true,
            S::AlterFunction { .. } | S::CallProcedure { .. } | S::CallingRows(_) => true,
            S::CreateSchema { .. } | S::AlterSchema { .. } | S::DropSchema { .. } => true,
            S::Role(role) => !matches!(role.as_ref(), RoleStatement::SetRole { .. } | RoleStatement::SetSession { .. }),
            _ => false,
        }
    }

    /// True for statements that begin or end a transaction, or a part of one, or say how it goes: what runs within one statement of
    /// another takes none of them.
    pub fn controls_transaction(&self) -> bool {
        use Statement as S;
        match self {
            S::Begin { .. } | S::Commit { .. } | S::Rollback { .. } | S::Savepoint(_) | S::Release(_) | S::RollbackTo(_) => true,
            S::SetTransaction { session, .. } => !session,
            _ => false,
        }
    }
}

/// What BEGIN and SET TRANSACTION say of a transaction; `None` for what they do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// In lower case, as SHOW transaction_isolation tells it.
    pub isolation: Option<String>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

/// What DISCARD throws away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// Settings, prepared statements, cursors, what is listened to, advisory locks.
    All,
    Plans,
    Sequences,
    Temp,
}

/// `TRUNCATE name, .. [RESTART IDENTITY] [CASCADE]`
#[derive(Clone, Debug)]
pub struct Truncate {
    pub tables: Vec<Name>,
    /// Columns that number themselves begin anew.
    pub restart_identity: bool,
    /// Tables that refer to these are truncated too.
    pub cascade: bool,
}

/// A table that is about to be made.
#[derive(Clone, Debug)]
pub struct NewTable {
    pub name: Name,
    pub if_not_exists: bool,
    /// Of a temporary table.
    pub temporary: Option<OnCommit>,
    /// Notices of what has no effect.
    pub told: Vec<String>,
}

/// What becomes of a temporary table when a transaction is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCommit {
    PreserveRows,
    DeleteRows,
    Drop,
}

/// Whose values identity columns get, where an INSERT says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overriding {
    /// Those that are given, also in columns that are GENERATED ALWAYS.
    System,
    /// Those of the sequences, whatever is given.
    User,
}

/// FOR UPDATE and its kin behind a SELECT.
#[derive(Clone, Debug)]
pub struct RowLock {
    /// As PostgreSQL names it in errors.
    pub word: String,
    /// The name in FROM that is meant; `None`: all.
    pub of: Option<String>,
    pub wait: Wait,
}

/// What is done about rows that others have locked: to wait for them, an error (NOWAIT), or to leave them out (SKIP LOCKED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    Until,
    Not,
    Skip,
}

/// UPDATE and DELETE.
#[derive(Clone, Debug)]
pub struct Change {
    pub with: Option<ast::With>,
    pub table: Name,
    pub alias: Option<String>,
    /// What UPDATE sets, one column each; empty for DELETE.
    pub assignments: Vec<(String, ast::Expr)>,
    /// FROM of UPDATE, USING of DELETE. Each relation has an alias.
    pub from: Vec<ast::TableWithJoins>,
    pub selection: Option<ast::Expr>,
    pub returning: Option<Vec<ast::SelectItem>>,
    pub through: Option<Through>,
}

/// The view through which a statement writes to a table: its expressions name columns of the view, what they are put into is the table's.
#[derive(Clone, Debug)]
pub struct Through {
    /// The view that it names, and those below it, with what each was when that was found out.
    pub views: Vec<(RelationId, String)>,
    /// What they show rows of.
    pub base: RelationId,
    pub event: TriggerEvent,
}

/// A change of data in WITH.
#[derive(Clone, Debug)]
pub struct ChangingCte {
    pub name: String,
    /// Names of its columns, if they are given.
    pub columns: Vec<String>,
    pub statement: Statement,
    /// The numbers of the parameters that it mentions, from 1.
    pub parameters: BTreeSet<usize>,
}

/// ON CONFLICT of INSERT.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// `None`: any.
    pub target: Option<ConflictTarget>,
    /// `None`: DO NOTHING.
    pub update: Option<ConflictUpdate>,
}

/// What ON CONFLICT names.
#[derive(Clone, Debug)]
pub enum ConflictTarget {
    /// What is unique: columns, and expressions as SQL text; and what is true of the rows, for partial indexes.
    Keys {
        columns: Vec<String>,
        expressions: Vec<String>,
        predicate: Option<String>,
    },
    Constraint(String),
}

/// DO UPDATE SET .. [WHERE ..]
#[derive(Clone, Debug)]
pub struct ConflictUpdate {
    pub assignments: Vec<(String, ast::Expr)>,
    pub selection: Option<ast::Expr>,
}

/// What COPY .. TO reads.
#[derive(Clone, Debug)]
pub enum CopySource {
    Table {
        name: Name,
        columns: Vec<String>,
    },
    Query(Box<ast::Query>),
    /// A change of data with RETURNING, and its text.
    Change(String, Box<Statement>),
    /// A push query of ksqlDB's dialect.
    Push(String),
}

/// The options of COPY as written: (name in lower case, value if any).
#[derive(Clone, Debug, Default)]
pub struct CopyOptions(pub Vec<(String, Option<String>)>);

/// A constraint as it is asked for.
#[derive(Clone, Debug)]
pub struct NewRule {
    pub name: Option<String>,
    pub what: What,
}

/// What a constraint that is asked for says.
#[derive(Clone, Debug)]
pub enum What {
    PrimaryKey(Vec<String>),
    Unique(Vec<String>),
    /// A unique index of the table becomes the constraint.
    UniqueUsingIndex(String),
    /// A condition.
    Check {
        sql: String,
    },
    References {
        columns: Vec<String>,
        parent: Name,
        /// Empty for its primary key.
        parent_columns: Vec<String>,
        on_delete: Action,
        on_update: Action,
        deferrable: bool,
        deferred: bool,
    },
}

/// What ALTER SEQUENCE changes; a move gives it another name, or schema.
#[derive(Clone, Debug)]
pub enum SequenceChange {
    Options(Box<SequenceOptions>),
    Move(Box<Alteration>),
}

/// Options of CREATE and ALTER SEQUENCE; `None` where nothing is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SequenceOptions {
    pub ty: Option<PgType>,
    pub start: Option<i64>,
    pub increment: Option<i64>,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub cycle: Option<bool>,
    /// OWNED BY table.column; `Some(None)` for OWNED BY NONE.
    pub owner: Option<Option<(Name, String)>>,
    /// RESTART [WITH n].
    pub restart: Option<Option<i64>>,
    /// SEQUENCE NAME, of an identity column's own sequence.
    pub name: Option<Name>,
}

/// A type as a statement names it.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlType {
    Known(PgType),
    Named(NamedType),
}

/// The name of a type that is a user's if it is any: the catalog knows.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedType {
    pub name: Name,
    /// True for an array of it.
    pub array: bool,
}

/// What ALTER SCHEMA does.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemaChange {
    Rename(String),
    Own(RoleName),
}
