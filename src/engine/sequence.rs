//! Sequences: numbers that are given once, and columns that take theirs from one.
//!
//! A number is given without regard to transactions: what is rolled back leaves a gap, as in PostgreSQL. A new beginning (RESTART) is a
//! definition of the transaction, as there: from then on its numbers come from another counter ([`Beginning`]). Numbers are reserved in
//! `_catalog`, [`RESERVED`] at a time or as many as one statement takes, before the first of them is given ([`Engine::numbers`]); so a
//! crash skips numbers and never gives one twice, and a sequence costs an fsync for every few rows, not for each.
//!
//! `nextval`, `currval`, `lastval` and `setval` are functions of the session, which remembers what it was given.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility};
use parking_lot::Mutex;

use super::constraints::{free_name, is_taken};
use super::context::Source;
use super::database::Engine;
use super::privileges::{Authority, denied};
use super::recovery::catalog_event;
use super::rename::numbers_of;
use super::session::Session;
use crate::catalog::{
    Beginning, CATALOG_LOG, Catalog, Change, Column, Domain, Name, NamespaceId, Privileges, Relation, RelationId, RoleId, Scope, Sequence,
    TEMPORARY_NAME, TypeKind, UserType,
};
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::log::Append;
use crate::sql::respell::{read_name, sequence_of_default};
use crate::sql::statement::SequenceOptions;

/// Numbers reserved at a time, as PostgreSQL's.
const RESERVED: i64 = 32;

/// The privileges of which one is needed to take a number, and to ask for the last one that was taken.
const TAKE: Privileges = Privileges::USAGE.and(Privileges::UPDATE);
const ASK: Privileges = Privileges::USAGE.and(Privileges::SELECT);

/// What is known of a sequence since the server started.
pub struct Counter {
    /// The last number given; `None` before the first.
    last: Option<i64>,
    /// The last number reserved.
    reserved: Option<i64>,
}

/// The number after `last`. Errors: 2200H past the end of a sequence that does not cycle.
fn after(sequence: &Sequence, last: Option<i64>) -> Result<i64> {
    let Some(last) = last else { return Ok(sequence.first()) };
    let next = last.checked_add(sequence.increment).filter(|n| (sequence.min..=sequence.max).contains(n));
    let ascending = sequence.increment > 0;
    match next {
        Some(next) => Ok(next),
        None if sequence.cycle => Ok(if ascending { sequence.min } else { sequence.max }),
        None => {
            let (what, limit) = if ascending { ("maximum", sequence.max) } else { ("minimum", sequence.min) };
            Err(Error::new("2200H", format!("nextval: reached {what} value of sequence \"{}\" ({limit})", sequence.name)))
        }
    }
}

/// True if `next` is among the numbers reserved.
fn is_reserved(sequence: &Sequence, counter: &Counter, next: i64) -> bool {
    let Some(reserved) = counter.reserved else { return false };
    // A number before the last one comes after a new start, which is reserved by itself.
    let begun_anew = counter.last.is_some_and(|last| (next > last) != (sequence.increment > 0));
    !begun_anew && if sequence.increment > 0 { next <= reserved } else { next >= reserved }
}

impl Engine {
    /// The next `count` numbers of a sequence. Errors: 2200H at its end, and those of the log.
    pub(super) async fn numbers(&self, sequence: &Sequence, count: usize) -> Result<Vec<i64>> {
        let mut counters = self.counters.lock().await;
        let counter = counters.entry(sequence.counter()).or_insert_with(|| self.counter_of(sequence));
        let mut given = Vec::with_capacity(count);
        while given.len() < count {
            let next = after(sequence, counter.last)?;
            if !is_reserved(sequence, counter, next) {
                let wanted = RESERVED.max((count - given.len()) as i64) - 1;
                let far = next.saturating_add(sequence.increment.saturating_mul(wanted)).clamp(sequence.min, sequence.max);
                self.reserve(sequence, far).await?;
                counter.reserved = Some(far);
            }
            counter.last = Some(next);
            given.push(next);
        }
        Ok(given)
    }

    /// The last number that a sequence has given, or passed over when the server began anew, and true; before the first the number to
    /// come, and false.
    pub(super) async fn last_number(&self, sequence: &Sequence) -> (i64, bool) {
        let counters = self.counters.lock().await;
        let last = counters.get(&sequence.counter()).map_or_else(|| self.counter_of(sequence).last, |counter| counter.last);
        match last {
            Some(last) if (sequence.min..=sequence.max).contains(&last) => (last, true),
            // `setval(s, n, false)` leaves what is before n, which may be no number of the sequence.
            _ => (after(sequence, last).unwrap_or_else(|_| sequence.first()), false),
        }
    }

    fn counter_of(&self, sequence: &Sequence) -> Counter {
        let reserved = self.catalog().sequences.reserved(sequence.counter());
        Counter { last: reserved, reserved }
    }

    /// Sets a sequence: `last` is as if it had just been given.
    async fn set_sequence(&self, sequence: &Sequence, last: i64) -> Result<()> {
        let mut counters = self.counters.lock().await;
        self.reserve(sequence, last).await?;
        counters.insert(sequence.counter(), Counter { last: Some(last), reserved: Some(last) });
        Ok(())
    }

    /// Forgets counters that nobody asks any more.
    pub(super) fn forget_counters(self: &Arc<Self>, gone: Vec<RelationId>) {
        if !gone.is_empty() {
            let engine = self.clone();
            self.query_runtime().spawn(async move {
                let mut counters = engine.counters.lock().await;
                counters.retain(|id, _| !gone.contains(id));
            });
        }
    }

    async fn reserve(&self, sequence: &Sequence, last: i64) -> Result<()> {
        if sequence.is_temporary() {
            return Ok(());
        }
        let batches = vec![(CATALOG_LOG, catalog_event(&Change::Reserve(sequence.counter(), last))?)];
        self.log.append(Append { batches, sync: true }).await.map(|_| ())
    }
}

/// A sequence of the given options, with the others as they were, or PostgreSQL's defaults. Errors: 22023.
pub(super) fn with_options(base: Sequence, is_new: bool, options: &SequenceOptions) -> Result<Sequence> {
    let refuse = |text: String| Err(Error::new(code::INVALID_PARAMETER_VALUE, text));
    let mut sequence = base;
    if let Some(ty) = &options.ty {
        sequence.ty = ty.to_string();
    }
    let (least, most) = match sequence.ty.as_str() {
        "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        "bigint" => (i64::MIN, i64::MAX),
        _ => return refuse("sequence type must be smallint, integer, or bigint".into()),
    };
    sequence.increment = options.increment.unwrap_or(sequence.increment);
    if sequence.increment == 0 {
        return refuse("INCREMENT must not be zero".into());
    }
    let ascending = sequence.increment > 0;
    if is_new || options.ty.is_some() {
        (sequence.min, sequence.max) = if ascending { (1, most) } else { (least, -1) };
    }
    sequence.min = options.min.unwrap_or(sequence.min);
    sequence.max = options.max.unwrap_or(sequence.max);
    for (what, value) in [("MINVALUE", sequence.min), ("MAXVALUE", sequence.max)] {
        if !(least..=most).contains(&value) {
            return refuse(format!("{what} ({value}) is out of range for sequence data type {}", sequence.ty));
        }
    }
    if sequence.min >= sequence.max {
        return refuse(format!("MINVALUE ({}) must be less than MAXVALUE ({})", sequence.min, sequence.max));
    }
    if is_new {
        sequence.start = if ascending { sequence.min } else { sequence.max };
    }
    sequence.start = options.start.unwrap_or(sequence.start);
    if !(sequence.min..=sequence.max).contains(&sequence.start) {
        return refuse(format!("START value ({}) cannot be less than MINVALUE or greater than MAXVALUE", sequence.start));
    }
    sequence.cycle = options.cycle.unwrap_or(sequence.cycle);
    Ok(sequence)
}

impl Session {
    /// CREATE SEQUENCE.
    pub(super) async fn create_sequence(&mut self, name: &Name, options: &SequenceOptions, if_not_exists: bool) -> Result<()> {
        let namespace = if name.schema.as_deref() == Some(TEMPORARY_NAME) {
            self.temporary_place(name)?
        } else {
            self.define().await?;
            let namespace = self.scope().place_of(name)?.id;
            self.may_create_in(namespace)?;
            namespace
        };
        let scope = self.scope();
        if self.exists(namespace, &name.name, if_not_exists)? {
            return Ok(());
        }
        let owner = match &options.owner {
            Some(Some(column)) => Some(owned_by(&scope, (namespace, self.role()), column)?),
            _ => None,
        };
        let sequence = self.new_sequence(namespace, name.name.clone(), owner, options)?;
        self.stage(Change::PutSequence(sequence), vec![])
    }

    fn new_sequence(
        &self,
        namespace: NamespaceId,
        name: String,
        owner: Option<(RelationId, String)>,
        options: &SequenceOptions,
    ) -> Result<Sequence> {
        let (ty, id) = (PgType::Int8.to_string(), self.engine.new_id());
        let (start, increment, min, max, role) = (1, 1, 1, i64::MAX, self.role());
        let base = Sequence { id, name, namespace, ty, start, increment, min, max, cycle: false, owner, role, begun: None };
        with_options(base, true, options)
    }

    /// Gives a column of a relation that is about to be created or altered a sequence of its own. Answers the change that makes
    /// it; the column's default, unless it is an identity, becomes `nextval`.
    pub(super) fn number_column(&self, relation: &mut Relation, column: usize, options: &SequenceOptions) -> Result<Change> {
        let catalog = self.catalog();
        let Column { name, identity, .. } = &relation.columns[column];
        let free = match &options.name {
            Some(chosen) => self.chosen_for(relation, chosen)?,
            None => {
                let taken = |name: &str| is_taken(&catalog, relation.namespace, name);
                free_name(&format!("{}_{name}_seq", relation.name), &taken)
            }
        };
        let options = SequenceOptions { ty: options.ty.clone().or(Some(relation.columns[column].ty.clone())), ..options.clone() };
        let sequence = self.new_sequence(relation.namespace, free, Some((relation.id, name.clone())), &options)?;
        if identity.is_none() {
            relation.columns[column].default = Some(numbers_of(&catalog, &sequence));
        }
        Ok(Change::PutSequence(sequence))
    }

    /// The name that a statement gives the sequence of a column of that relation. Errors: 42P07, 55000 for another schema than the relation's.
    fn chosen_for(&self, relation: &Relation, chosen: &Name) -> Result<String> {
        if self.scope().place_of(chosen)?.id != relation.namespace {
            let message = "sequence must be in same schema as table it is linked to";
            return Err(Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        }
        self.check_free(relation.namespace, Some(&chosen.name))?;
        Ok(chosen.name.clone())
    }

    /// ALTER SEQUENCE. Errors: 42P01.
    pub(super) async fn alter_sequence(&mut self, name: &Name, if_exists: bool, options: &SequenceOptions) -> Result<()> {
        self.define().await?;
        let scope = self.scope();
        let Some(sequence) = scope.sequence(name).cloned() else { return self.no_sequence(name, if_exists) };
        self.must_own_sequence(&sequence)?;
        let role = scope.sequence_owner(&sequence);
        let mut altered = Sequence { role, ..with_options(sequence.as_ref().clone(), false, options)? };
        let owner = sequence.owner.as_ref().filter(|_| options.owner.is_some());
        let is_identity = |(table, name): &(RelationId, String)| {
            let column = scope.by_id(*table).and_then(|table| table.columns.iter().find(|column| column.name == *name));
            column.is_some_and(|column| column.identity.is_some())
        };
        if owner.is_some_and(is_identity) {
            let error = Error::unsupported("cannot change ownership of identity sequence");
            return Err(error.hint("ALTER TABLE .. ALTER COLUMN .. DROP IDENTITY drops it."));
        }
        match &options.owner {
            Some(Some(column)) => altered.owner = Some(owned_by(&scope, (sequence.namespace, role), column)?),
            Some(None) => altered.owner = None,
            None => {}
        }
        self.alter_sequence_of(&sequence, altered, options)
    }

    /// Puts a sequence with its options changed in the place of what it was.
    pub(super) fn alter_sequence_of(&mut self, sequence: &Sequence, mut altered: Sequence, options: &SequenceOptions) -> Result<()> {
        if let Some(first) = options.restart {
            return self.begin_sequence(altered, first);
        }
        if options.start.is_some() {
            // It is that of beginnings to come.
            altered.begun.get_or_insert(Beginning { counter: sequence.id, first: sequence.start });
        }
        self.stage(Change::PutSequence(altered), vec![])
    }

    /// Lets a sequence begin anew, with `first` or its start. The caller has called [`Session::define`]. Errors: 22023.
    pub(super) fn begin_sequence(&mut self, sequence: Sequence, first: Option<i64>) -> Result<()> {
        let first = first.unwrap_or(sequence.start);
        for (beyond, word, end, limit) in
            [(first < sequence.min, "less", "MINVALUE", sequence.min), (first > sequence.max, "greater", "MAXVALUE", sequence.max)]
        {
            if beyond {
                let message = format!("RESTART value ({first}) cannot be {word} than {end} ({limit})");
                return Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
            }
        }
        let begun = Some(Beginning { counter: self.engine.new_id(), first });
        self.stage(Change::PutSequence(Sequence { begun, ..sequence }), vec![])
    }

    /// DROP SEQUENCE. Errors: 42P01, 3F000, 2BP01 where a column's default takes numbers from it.
    pub(super) async fn drop_sequences(&mut self, names: &[Name], if_exists: bool, cascade: bool) -> Result<()> {
        for name in names {
            self.define().await?;
            let Some(sequence) = self.scope().sequence(name).cloned() else {
                self.no_sequence(name, if_exists)?;
                continue;
            };
            self.must_own_sequence(&sequence)?;
            self.drop_sequence(&sequence, cascade)?;
        }
        Ok(())
    }

    /// Drops a sequence, with `cascade` also the defaults that take numbers from it. Errors: 2BP01.
    pub(super) fn drop_sequence(&mut self, sequence: &Sequence, cascade: bool) -> Result<()> {
        let catalog = self.catalog();
        let takes = |d: &Option<String>| d.as_deref().and_then(|d| sequence_of_default(&catalog, d)).is_some_and(|s| s.id == sequence.id);
        let users: Vec<&Arc<Relation>> = catalog.relations().filter(|r| r.columns.iter().any(|c| takes(&c.default))).collect();
        let domains: Vec<_> = catalog.domains().filter(|(_, domain)| takes(&domain.default)).collect();
        let of_table = users.first().map(|user| format!("a column of table {}", user.name));
        if let (false, Some(user)) = (cascade, of_table.or(domains.first().map(|(ty, _)| format!("domain {}", ty.name)))) {
            let name = &sequence.name;
            let message = format!("cannot drop sequence {name} because other objects depend on it");
            return Err(Error::new(code::DEPENDENT_OBJECTS_STILL_EXIST, message)
                .detail(format!("A default value of {user} depends on sequence {name}."))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        for user in users {
            let mut altered = user.as_ref().clone();
            altered.columns.iter_mut().filter(|c| takes(&c.default)).for_each(|c| c.default = None);
            self.stage(Change::Alter(altered), vec![])?;
        }
        for (ty, domain) in domains {
            let what = TypeKind::Domain(Domain { default: None, ..domain.clone() });
            self.stage(Change::PutUserType(UserType { what, ..ty.as_ref().clone() }), vec![])?;
        }
        self.stage(Change::DropSequence(sequence.id), vec![])
    }

    pub(super) fn no_sequence(&mut self, name: &Name, if_exists: bool) -> Result<()> {
        if !if_exists {
            self.scope().check_schema(name)?;
            return Err(Error::new(code::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist")));
        }
        self.notice("NOTICE", Error::new(code::SUCCESS, format!("sequence \"{name}\" does not exist, skipping")));
        Ok(())
    }

    /// The sequence from which a column takes the values that are not given.
    pub(super) fn sequence_of_column(&self, relation: &Relation, column: &Column) -> Option<Arc<Sequence>> {
        let catalog = self.catalog();
        if column.identity.is_some() {
            return catalog.sequences.of_column(relation.id, &column.name).next().cloned();
        }
        sequence_of_default(&catalog, catalog.default_of(column)?).cloned()
    }

    /// Errors: 42501 unless the current role may take numbers for a column. It takes no privilege for an identity, which is all that its
    /// sequence is for.
    pub(super) fn may_number(&self, sequence: &Sequence, column: &Column) -> Result<()> {
        if column.identity.is_some() { Ok(()) } else { self.authority.may_number(TAKE, &self.catalog(), sequence) }
    }

    /// The next numbers for rows of a column, which the session remembers for `currval`, as an array of its type. Errors: 42501.
    pub(super) async fn draw(&self, sequence: &Sequence, column: &Column, rows: usize) -> Result<ArrayRef> {
        self.may_number(sequence, column)?;
        let numbers = self.engine.numbers(sequence, rows).await?;
        if let Some(last) = numbers.last() {
            self.context.drawn.lock().note(sequence.id, *last);
        }
        Ok(cast(&(Arc::new(Int64Array::from(numbers)) as ArrayRef), &column.ty.arrow())?)
    }
}

/// The column that a sequence of that schema and owner shall go with. Errors: 42P01, 42703, 55000 for one of another schema or owner.
fn owned_by(scope: &Scope, (namespace, role): (NamespaceId, RoleId), (table, column): &(Name, String)) -> Result<(RelationId, String)> {
    let relation = scope.get(table)?;
    relation.column(column)?;
    let refused = |what: &str| {
        let message = format!("sequence must {what} as table it is linked to");
        Err(Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
    };
    if relation.owner != role {
        return refused("have same owner");
    }
    if relation.namespace != namespace {
        return refused("be in same schema");
    }
    Ok((relation.id, column.clone()))
}

/// What a session was given.
#[derive(Default)]
pub struct Drawn {
    values: HashMap<RelationId, i64>,
    last: Option<RelationId>,
}

impl Drawn {
    fn note(&mut self, id: RelationId, value: i64) {
        self.values.insert(id, value);
        self.last = Some(id);
    }
}

/// The name of the function that gives an identity column its numbers.
pub(super) const IDENTITY: &str = "everfold_identity";

/// Errors: 42501 unless the role may write to the identity column that a sequence is for, and so is given its numbers anyway.
fn may_write(sequence: &Sequence, catalog: &Catalog, authority: &Authority) -> Result<()> {
    let of = sequence.owner.as_ref().and_then(|(id, column)| Some((catalog.by_id(*id)?, column)));
    let writes = |(relation, name): (&Arc<Relation>, &String)| {
        let column = relation.columns.iter().position(|c| c.name == *name && c.identity.is_some());
        let may = |privilege| authority.may_on(privilege, relation, column);
        column.is_some() && (may(Privileges::INSERT) || may(Privileges::UPDATE))
    };
    if of.is_some_and(writes) { Ok(()) } else { Err(denied("sequence", &sequence.name)) }
}

/// One of the functions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    Next,
    /// What `nextval` is for an identity column, where a statement says DEFAULT.
    Identity,
    Current,
    Last,
    Set,
}

struct Function {
    which: Which,
    engine: Weak<Engine>,
    source: Arc<Source>,
    signature: Signature,
}

/// `nextval`, `currval`, `lastval`, `setval` and their kin of one session.
pub(super) fn functions(engine: &Arc<Engine>, source: &Arc<Source>) -> Vec<ScalarUDF> {
    let of = |which: Which| {
        let arguments = match which {
            Which::Last => TypeSignature::Nullary,
            Which::Next | Which::Identity | Which::Current => TypeSignature::Any(1),
            Which::Set => TypeSignature::OneOf(vec![TypeSignature::Any(2), TypeSignature::Any(3)]),
        };
        let signature = Signature::new(arguments, Volatility::Volatile);
        ScalarUDF::new_from_impl(Function { which, engine: Arc::downgrade(engine), source: source.clone(), signature })
    };
    [Which::Next, Which::Identity, Which::Current, Which::Last, Which::Set].map(of).into()
}

impl Function {
    /// The sequence that argument 0 names in row `i`, as text or by its number. Errors: 42P01, 42501.
    fn sequence(&self, scope: &Scope, authority: &Authority, argument: &ArrayRef, i: usize) -> Result<Arc<Sequence>> {
        let found = self.named(scope, authority, argument, i)?;
        let any = match self.which {
            Which::Identity => return may_write(&found, scope, authority).map(|()| found),
            Which::Next => TAKE,
            Which::Current | Which::Last => ASK,
            Which::Set => Privileges::UPDATE,
        };
        authority.may_number(any, scope, &found)?;
        Ok(found)
    }

    fn named(&self, scope: &Scope, authority: &Authority, argument: &ArrayRef, i: usize) -> Result<Arc<Sequence>> {
        if let Ok(numbers) = cast(argument, &DataType::Int64)
            && !matches!(argument.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
        {
            let id = numbers.as_primitive::<Int64Type>().value(i);
            let found = RelationId::try_from(id).ok().and_then(|id| scope.sequences.get(id).cloned());
            return found.ok_or_else(|| Error::new(code::UNDEFINED_TABLE, format!("could not open relation with OID {id}")));
        }
        let texts = cast(argument, &DataType::Utf8View)?;
        let text = texts.as_string_view().value(i);
        let name = read_name(text).ok_or_else(|| Error::new(code::INVALID_NAME, "invalid name syntax"))?;
        if let Some(schema) =
            name.schema.as_ref().and_then(|schema| scope.find_namespace(schema)).filter(|schema| !authority.may_use(schema))
        {
            return Err(denied("schema", &schema.name));
        }
        scope.sequence(&name).cloned().ok_or_else(|| match scope.find(&name) {
            Some(_) => Error::new(code::WRONG_OBJECT_TYPE, format!("\"{text}\" is not a sequence")),
            None => scope.missing(&name),
        })
    }

    fn call(&self, arguments: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let gone = || Error::new(code::ADMIN_SHUTDOWN, "terminating connection due to administrator command");
        let engine = self.engine.upgrade().ok_or_else(gone)?;
        let (scope, authority) = (self.source.scope(&engine), self.source.authority(&engine));
        let mut values: Vec<Option<i64>> = Vec::with_capacity(rows);
        for i in 0..rows {
            if arguments.iter().any(|a| a.is_null(i)) {
                values.push(None);
                continue;
            }
            values.push(Some(match self.which {
                Which::Last => self.last(&scope, &authority)?,
                Which::Current => self.current(self.sequence(&scope, &authority, &arguments[0], i)?.as_ref())?,
                Which::Next | Which::Identity => {
                    let sequence = self.sequence(&scope, &authority, &arguments[0], i)?;
                    let number = futures::executor::block_on(engine.numbers(&sequence, 1))?[0];
                    self.source.drawn.lock().note(sequence.id, number);
                    number
                }
                Which::Set => {
                    let sequence = self.sequence(&scope, &authority, &arguments[0], i)?;
                    let to = cast(&arguments[1], &DataType::Int64)?.as_primitive::<Int64Type>().value(i);
                    let called = arguments.get(2).is_none_or(|a| a.as_boolean_opt().is_none_or(|b| b.value(i)));
                    if !(sequence.min..=sequence.max).contains(&to) {
                        let range = format!("({}..{})", sequence.min, sequence.max);
                        let text = format!("setval: value {to} is out of bounds for sequence \"{}\" {range}", sequence.name);
                        return Err(Error::new(code::NUMERIC_VALUE_OUT_OF_RANGE, text));
                    }
                    let last = if called { to } else { to.saturating_sub(sequence.increment) };
                    futures::executor::block_on(engine.set_sequence(&sequence, last))?;
                    if called {
                        self.source.drawn.lock().note(sequence.id, to);
                    }
                    to
                }
            }));
        }
        Ok(Arc::new(Int64Array::from(values)))
    }

    fn current(&self, sequence: &Sequence) -> Result<i64> {
        let undefined = || {
            let text = format!("currval of sequence \"{}\" is not yet defined in this session", sequence.name);
            Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, text)
        };
        self.source.drawn.lock().values.get(&sequence.id).copied().ok_or_else(undefined)
    }

    fn last(&self, catalog: &Catalog, authority: &Authority) -> Result<i64> {
        let drawn = self.source.drawn.lock();
        let last = drawn.last.and_then(|id| Some((catalog.sequences.get(id)?, *drawn.values.get(&id)?)));
        let undefined = || Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, "lastval is not yet defined in this session");
        let (sequence, value) = last.ok_or_else(undefined)?;
        authority.may_number(ASK, catalog, sequence)?;
        Ok(value)
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.which == other.which && Arc::ptr_eq(&self.source, &other.source)
    }
}
impl Eq for Function {}
impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.which.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        match self.which {
            Which::Next => "nextval",
            Which::Identity => IDENTITY,
            Which::Current => "currval",
            Which::Last => "lastval",
            Which::Set => "setval",
        }
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Int64)
    }
    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let rows = arguments.number_rows;
        let arrays = arguments.args.into_iter().map(|a| a.into_array(rows)).collect::<DfResult<Vec<_>>>()?;
        Ok(ColumnarValue::Array(self.call(&arrays, rows)?))
    }
}

/// The counters of all sequences in use.
pub type Counters = tokio::sync::Mutex<HashMap<RelationId, Counter>>;

/// What a session was given, shared with its functions.
pub type SharedDrawn = Mutex<Drawn>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{BOOTSTRAP, PUBLIC_NAMESPACE};

    fn sequence(options: SequenceOptions) -> Result<Sequence> {
        let base = Sequence {
            id: 1,
            name: "s".into(),
            namespace: PUBLIC_NAMESPACE,
            ty: "bigint".into(),
            start: 1,
            increment: 1,
            min: 1,
            max: i64::MAX,
            cycle: false,
            owner: None,
            begun: None,
            role: BOOTSTRAP,
        };
        with_options(base, true, &options)
    }

    #[test]
    fn numbers_go_from_start_to_end_and_begin_anew_if_they_cycle() {
        let up = sequence(SequenceOptions { max: Some(3), ..Default::default() }).unwrap();
        assert_eq!((after(&up, None).unwrap(), after(&up, Some(2)).unwrap()), (1, 3));
        assert_eq!(after(&up, Some(3)).unwrap_err().code(), "2200H");
        let down = SequenceOptions { increment: Some(-2), min: Some(-5), cycle: Some(true), ..Default::default() };
        let down = sequence(down).unwrap();
        assert_eq!((after(&down, None).unwrap(), after(&down, Some(-1)).unwrap(), after(&down, Some(-5)).unwrap()), (-1, -3, -1));
    }

    #[test]
    fn options_that_do_not_fit_together_are_refused() {
        let code = |options: SequenceOptions| sequence(options).unwrap_err().code();
        assert_eq!(code(SequenceOptions { increment: Some(0), ..Default::default() }), "22023");
        assert_eq!(code(SequenceOptions { ty: Some(PgType::Int2), max: Some(40_000), ..Default::default() }), "22023");
        assert_eq!(code(SequenceOptions { min: Some(5), max: Some(5), ..Default::default() }), "22023");
        assert_eq!(code(SequenceOptions { start: Some(0), ..Default::default() }), "22023");
    }
}
