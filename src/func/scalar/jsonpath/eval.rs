//! Runs a path over a document: from one item to the next, each step handing on what it finds, so that nothing is copied but what is asked
//! for in the end.

use std::cell::Cell;

use super::moment::Moment;
use super::{LEAVES, Levels, Node, Operator, Outcome, Path, STACK_BYTES, Sign, Step, Truth, number};
use crate::data::datetime::Zone;
use crate::data::json::Json;
use crate::error::{Error, Result, code};
use crate::limits;

/// What a path stands at: a part of a document, of what is computed, or a time.
#[derive(Clone, Copy)]
pub(super) enum Item<'i> {
    Json(&'i Json),
    Moment(Moment),
}

/// An item that is kept.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Json(Json),
    Moment(Moment),
}

impl Found {
    /// As JSON: a time is a string.
    pub(super) fn into_json(self) -> Json {
        match self {
            Found::Json(json) => json,
            Found::Moment(moment) => Json::String(moment.text()),
        }
    }
}

/// Where items go; for one that only asks whether there are any, nowhere.
pub(super) struct Sink {
    list: Option<Vec<Found>>,
    bytes: usize,
}

impl Sink {
    pub(super) fn keeping() -> Sink {
        Sink { list: Some(vec![]), bytes: 0 }
    }

    pub(super) fn asking() -> Sink {
        Sink { list: None, bytes: 0 }
    }

    pub(super) fn is_asking(&self) -> bool {
        self.list.is_none()
    }

    pub(super) fn into_list(self) -> Vec<Found> {
        self.list.unwrap_or_default()
    }

    /// Keeps an item. Errors: 54000 if there is too much of them.
    fn push(&mut self, item: Item) -> Result<()> {
        let Some(list) = &mut self.list else { return Ok(()) };
        let found = match item {
            Item::Json(json) => {
                self.bytes += weight(json);
                Found::Json(json.clone())
            }
            Item::Moment(moment) => Found::Moment(moment),
        };
        if self.bytes > limits::VALUE_BYTES_MAX {
            let error = Error::new(code::PROGRAM_LIMIT_EXCEEDED, "the items of a jsonpath are too large");
            return Err(error.detail(format!("Together they have at most {} bytes.", limits::VALUE_BYTES_MAX)));
        }
        list.push(found);
        Ok(())
    }
}

/// About how many bytes a copy takes.
fn weight(json: &Json) -> usize {
    let within = match json {
        Json::Null | Json::Bool(_) => 0,
        Json::Number(text) | Json::String(text) | Json::Written(text) => text.len(),
        Json::Array(items) => items.iter().map(weight).sum(),
        Json::Object(members) => members.iter().map(|(key, value)| size_of::<String>() + key.len() + weight(value)).sum(),
    };
    within + size_of::<Json>()
}

/// What stays the same for one document.
pub(super) struct Run<'r> {
    pub lax: bool,
    pub root: &'r Json,
    /// An object.
    pub vars: Option<&'r Json>,
    /// The time zone of a function that may use one.
    pub zone: Option<Zone>,
    /// How many objects keyvalue() may tell apart so far.
    pub generated: Cell<i64>,
    /// How many steps were taken so far.
    pub taken: Cell<u64>,
}

impl Run<'_> {
    /// Counts a step. Errors: 54000 after too many: a short path may go from everything to everything again and again, and find nothing.
    fn take(&self) -> Result<()> {
        let taken = self.taken.get() + 1;
        self.taken.set(taken);
        if taken <= limits::PATH_STEPS_MAX {
            return Ok(());
        }
        let error = Error::new(code::PROGRAM_LIMIT_EXCEEDED, "a jsonpath takes too many steps");
        Err(error.detail(format!("It may take {} of them through one document.", limits::PATH_STEPS_MAX)))
    }
}

/// Where a part of a path is run.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) run: &'p Run<'p>,
    /// `@`
    current: Item<'p>,
    /// The object that the items are parts of, and its number.
    pub(super) base: (&'p Json, i64),
    /// How many items the array has whose subscript is computed.
    size: Option<usize>,
    /// Structural errors are none.
    tolerant: bool,
    /// Errors are told.
    throws: bool,
}

/// Runs a path from the root of its document. Errors: those of SQL/JSON unless it is silent; 42704 for a variable that there is not, 0A000
/// for times that are compared without a zone, 54000 for too much that is found and for too many steps.
pub(super) fn run(path: &Path, run: &Run, silent: bool, sink: &mut Sink) -> Result<Outcome> {
    let item = Item::Json(run.root);
    let place = Place { run, current: item, base: (run.root, 0), size: None, tolerant: path.lax, throws: !silent };
    if path.lax || !sink.is_asking() {
        return place.node(&path.root, item, sink);
    }
    // In strict mode an error anywhere is one, so that all must be looked at.
    let mut all = Sink::keeping();
    let outcome = place.node(&path.root, item, &mut all)?;
    Ok(match outcome {
        Outcome::Failed => Outcome::Failed,
        _ if all.into_list().is_empty() => Outcome::NotFound,
        _ => Outcome::Found,
    })
}

/// What a value holds: items, or the values of members.
fn contents(json: &Json) -> Vec<&Json> {
    match json {
        Json::Array(items) => items.iter().collect(),
        Json::Object(members) => members.iter().map(|(_, value)| value).collect(),
        _ => vec![],
    }
}

impl<'p> Place<'p> {
    /// An error of SQL/JSON: told, or an outcome.
    pub(super) fn fail(&self, code: &'static str, message: impl FnOnce() -> String) -> Result<Outcome> {
        if self.throws { Err(Error::new(code, message())) } else { Ok(Outcome::Failed) }
    }

    /// The same that is none in lax mode.
    pub(super) fn fail_if_strict(&self, code: &'static str, message: impl FnOnce() -> String) -> Result<Outcome> {
        if self.tolerant { Ok(Outcome::NotFound) } else { self.fail(code, message) }
    }

    /// An outcome for an error of a computation.
    pub(super) fn settle<T>(&self, computed: Result<T>) -> Result<Option<T>> {
        match computed {
            Err(error) if self.throws => Err(error),
            computed => Ok(computed.ok()),
        }
    }

    /// True if it is no error that there is nothing, as in lax mode.
    pub(super) fn is_lax(&self) -> bool {
        self.run.lax
    }

    /// The same place, its items parts of another object.
    pub(super) fn within<'n>(self, base: (&'n Json, i64)) -> Place<'n>
    where
        'p: 'n,
    {
        let place: Place<'n> = self;
        Place { base, ..place }
    }

    /// Runs an expression.
    pub(super) fn node(self, node: &Node, item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        match node {
            Node::Steps(base, steps) => self.begin(base, steps, item, sink),
            node => self.begin(node, &[], item, sink),
        }
    }

    /// Runs an expression and the steps from what it finds.
    fn begin(self, node: &Node, steps: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        self.run.take()?;
        stacker::maybe_grow(STACK_BYTES.0, STACK_BYTES.1, || self.begin_here(node, steps, item, sink))
    }

    fn begin_here(self, node: &Node, steps: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        // Whatever the value is, it is there; a variable may be missing.
        let is_enough = steps.is_empty() && sink.is_asking();
        match node {
            Node::Root => self.within((self.run.root, 0)).next(steps, Item::Json(self.run.root), sink),
            Node::Current => self.next(steps, self.current, sink),
            Node::Last => {
                let size = self.size.ok_or_else(|| Error::internal("evaluating jsonpath LAST outside of array subscript"))?;
                self.next(steps, Item::Json(&Json::Number((size as i64 - 1).to_string())), sink)
            }
            Node::Literal(_) if is_enough => Ok(Outcome::Found),
            Node::Literal(json) => self.next(steps, Item::Json(json), sink),
            Node::Variable(name) => self.variable(name, steps, sink),
            Node::Arithmetic(operator, left, right) => self.arithmetic(*operator, left, right, steps, item, sink),
            Node::Sign(sign, of) => self.signed(*sign, of, steps, item, sink),
            Node::Steps(..) => Err(Error::internal("steps of a jsonpath follow others")),
            condition => {
                let truth = self.truth(condition, item)?;
                if is_enough {
                    return Ok(Outcome::Found);
                }
                let json = match truth {
                    Truth::Unknown => Json::Null,
                    truth => Json::Bool(truth == Truth::True),
                };
                self.next(steps, Item::Json(&json), sink)
            }
        }
    }

    /// Hands an item to the steps that are left. Each place lives as long as its item at least.
    pub(super) fn next<'n>(self, steps: &[Step], item: Item<'n>, sink: &mut Sink) -> Result<Outcome>
    where
        'p: 'n,
    {
        let place: Place<'n> = self;
        match steps.split_first() {
            Some((step, rest)) => place.step(step, rest, item, place.run.lax, sink),
            None => {
                sink.push(item)?;
                Ok(Outcome::Found)
            }
        }
    }

    /// One step and those behind it. `unwraps`: an array is taken apart where its items are meant.
    fn step(self, step: &Step, rest: &[Step], item: Item<'p>, unwraps: bool, sink: &mut Sink) -> Result<Outcome> {
        self.run.take()?;
        stacker::maybe_grow(STACK_BYTES.0, STACK_BYTES.1, || self.step_here(step, rest, item, unwraps, sink))
    }

    fn step_here(self, step: &Step, rest: &[Step], item: Item<'p>, unwraps: bool, sink: &mut Sink) -> Result<Outcome> {
        let takes_items = matches!(step, Step::Key(_) | Step::AnyKey | Step::Filter(_) | Step::Datetime(_) | Step::Method(_));
        if let Item::Json(array @ Json::Array(_)) = item
            && unwraps
            && takes_items
            && !matches!(step, Step::Method(method) if method.is_of_arrays())
        {
            return each(contents(array), sink, |item, sink| self.step(step, rest, Item::Json(item), false, sink));
        }
        match (step, item) {
            (Step::Key(key), Item::Json(Json::Object(members))) => match members.iter().find(|(name, _)| name == key) {
                Some((_, value)) => self.next(rest, Item::Json(value), sink),
                None => self.fail_if_strict(code::SQL_JSON_MEMBER_NOT_FOUND, || format!("JSON object does not contain key \"{key}\"")),
            },
            (Step::Key(_), _) => {
                let message = "jsonpath member accessor can only be applied to an object";
                self.fail_if_strict(code::SQL_JSON_MEMBER_NOT_FOUND, || message.to_string())
            }
            (Step::AnyKey, Item::Json(object @ Json::Object(_))) => {
                each(contents(object), sink, |value, sink| self.next(rest, Item::Json(value), sink))
            }
            (Step::AnyKey, _) => {
                let message = "jsonpath wildcard member accessor can only be applied to an object";
                self.fail_if_strict(code::SQL_JSON_OBJECT_NOT_FOUND, || message.to_string())
            }
            (Step::AnyItem, Item::Json(array @ Json::Array(_))) => {
                each(contents(array), sink, |item, sink| self.next(rest, Item::Json(item), sink))
            }
            (Step::AnyItem, item) if self.run.lax => self.next(rest, item, sink),
            (Step::AnyItem, _) => {
                let message = "jsonpath wildcard array accessor can only be applied to an array";
                self.fail_if_strict(code::SQL_JSON_ARRAY_NOT_FOUND, || message.to_string())
            }
            (Step::Items(places), item) => self.items(places, rest, item, sink),
            (Step::Descend(levels), item) => self.descend(*levels, rest, item, sink),
            (Step::Filter(condition), item) => {
                let within = Place { current: item, ..self };
                match within.truth(condition, item)? {
                    Truth::True => self.next(rest, item, sink),
                    Truth::False | Truth::Unknown => Ok(Outcome::NotFound),
                }
            }
            (Step::Method(method), item) => self.method(*method, rest, item, sink),
            (Step::Datetime(template), item) => self.datetime(template.as_deref(), rest, item, sink),
        }
    }

    fn variable(self, name: &str, steps: &[Step], sink: &mut Sink) -> Result<Outcome> {
        let members: &[(String, Json)] = match self.run.vars {
            Some(Json::Object(members)) => members.as_slice(),
            _ => &[],
        };
        let (Some((_, value)), Some(vars)) = (members.iter().find(|(key, _)| key == name), self.run.vars) else {
            return Err(Error::new(code::UNDEFINED_OBJECT, format!("could not find jsonpath variable \"{name}\"")));
        };
        self.within((vars, 1)).next(steps, Item::Json(value), sink)
    }

    /// Items at places of an array, each counted from 0.
    fn items(self, places: &[(Node, Option<Node>)], rest: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        let items = match item {
            Item::Json(Json::Array(items)) => Some(items),
            _ if self.run.lax => None,
            _ => {
                let message = "jsonpath array accessor can only be applied to an array";
                return self.fail_if_strict(code::SQL_JSON_ARRAY_NOT_FOUND, || message.to_string());
            }
        };
        // In lax mode a single value is an array of itself.
        let size = items.map_or(1, Vec::len);
        let within = Place { size: Some(size), ..self };
        let mut outcome = Outcome::NotFound;
        for (from, to) in places {
            let Some(first) = within.index(from, item)? else { return Ok(Outcome::Failed) };
            let last = match to {
                Some(to) => within.index(to, item)?,
                None => Some(first),
            };
            let Some(last) = last else { return Ok(Outcome::Failed) };
            if !self.tolerant && (first < 0 || first > last || last as usize >= size) {
                let message = "jsonpath array subscript is out of bounds";
                return self.fail(code::INVALID_SQL_JSON_SUBSCRIPT, || message.to_string());
            }
            // An end below zero leaves nothing.
            let end = usize::try_from(i64::from(last) + 1).unwrap_or(0).min(size);
            for at in usize::try_from(first).unwrap_or(0)..end {
                let one = items.and_then(|items| items.get(at)).map_or(item, Item::Json);
                outcome = within.next(rest, one, sink)?;
                if outcome == Outcome::Failed || outcome == Outcome::Found && sink.is_asking() {
                    return Ok(outcome);
                }
            }
        }
        Ok(outcome)
    }

    /// A subscript's value; `None` for an error that is not told.
    fn index(self, node: &Node, item: Item<'p>) -> Result<Option<i32>> {
        let Some(found) = self.sequence(node, item, false)? else { return Ok(None) };
        let [Found::Json(Json::Number(text))] = found.as_slice() else {
            let message = "jsonpath array subscript is not a single numeric value";
            return self.fail(code::INVALID_SQL_JSON_SUBSCRIPT, || message.to_string()).map(|_| None);
        };
        match number::whole(text) {
            Some(index) => Ok(Some(index)),
            None => {
                let message = "jsonpath array subscript is out of integer range";
                self.fail(code::INVALID_SQL_JSON_SUBSCRIPT, || message.to_string()).map(|_| None)
            }
        }
    }

    /// `.**`: the item itself, if level 0 is meant, and what it holds at the levels that are.
    fn descend(self, levels: Levels, rest: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        let tolerant = Place { tolerant: true, ..self };
        let mut outcome = Outcome::NotFound;
        if levels.first == 0 {
            outcome = tolerant.next(rest, item, sink)?;
            if outcome == Outcome::Failed || outcome == Outcome::Found && sink.is_asking() {
                return Ok(outcome);
            }
        }
        match item {
            Item::Json(json) if !json.is_scalar() => tolerant.below(json, 1, levels, rest, sink),
            _ => Ok(outcome),
        }
    }

    fn below(self, json: &'p Json, level: u32, levels: Levels, rest: &[Step], sink: &mut Sink) -> Result<Outcome> {
        if level > levels.last {
            return Ok(Outcome::NotFound);
        }
        let leaves = levels == Levels { first: LEAVES, last: LEAVES };
        each(contents(json), sink, |item, sink| {
            self.run.take()?;
            let holds = !item.is_scalar();
            let mut outcome = Outcome::NotFound;
            if level >= levels.first || leaves && !holds {
                outcome = self.next(rest, Item::Json(item), sink)?;
                if outcome == Outcome::Failed || outcome == Outcome::Found && sink.is_asking() {
                    return Ok(outcome);
                }
            }
            if level < levels.last && holds {
                let deeper = || self.below(item, level + 1, levels, rest, sink);
                outcome = stacker::maybe_grow(STACK_BYTES.0, STACK_BYTES.1, deeper)?;
            }
            Ok(outcome)
        })
    }

    /// All that an expression finds, arrays taken apart if `unwraps` and the mode is lax; `None` for an error that is not told.
    pub(super) fn sequence(self, node: &Node, item: Item<'p>, unwraps: bool) -> Result<Option<Vec<Found>>> {
        let mut sink = Sink::keeping();
        if self.node(node, item, &mut sink)? == Outcome::Failed {
            return Ok(None);
        }
        let list = sink.into_list();
        if !unwraps || !self.run.lax {
            return Ok(Some(list));
        }
        let taken_apart = |found: Found| match found {
            Found::Json(Json::Array(items)) => items.into_iter().map(Found::Json).collect(),
            one => vec![one],
        };
        Ok(Some(list.into_iter().flat_map(taken_apart).collect()))
    }

    /// The same for a condition: its errors are never told.
    pub(super) fn silent_sequence(self, node: &Node, item: Item<'p>, unwraps: bool) -> Result<Option<Vec<Found>>> {
        Place { throws: false, ..self }.sequence(node, item, unwraps)
    }

    /// Looks whether an expression finds anything, without telling errors.
    pub(super) fn silent_search(self, node: &Node, item: Item<'p>) -> Result<Outcome> {
        Place { throws: false, ..self }.node(node, item, &mut Sink::asking())
    }

    fn arithmetic(self, operator: Operator, left: &Node, right: &Node, steps: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        let Some(left) = self.sequence(left, item, true)? else { return Ok(Outcome::Failed) };
        let Some(right) = self.sequence(right, item, true)? else { return Ok(Outcome::Failed) };
        let not_single = |side: &str| format!("{side} operand of jsonpath operator {} is not a single numeric value", operator.text());
        let [Found::Json(Json::Number(left))] = left.as_slice() else {
            return self.fail(code::SINGLETON_SQL_JSON_ITEM_REQUIRED, || not_single("left"));
        };
        let [Found::Json(Json::Number(right))] = right.as_slice() else {
            return self.fail(code::SINGLETON_SQL_JSON_ITEM_REQUIRED, || not_single("right"));
        };
        match self.settle(number::computed(operator, left, right))? {
            Some(result) => self.next(steps, Item::Json(&Json::Number(result)), sink),
            None => Ok(Outcome::Failed),
        }
    }

    fn signed(self, sign: Sign, of: &Node, steps: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        let Some(all) = self.sequence(of, item, true)? else { return Ok(Outcome::Failed) };
        let is_enough = steps.is_empty() && sink.is_asking();
        let mut outcome = Outcome::NotFound;
        for one in &all {
            let Found::Json(Json::Number(text)) = one else {
                if is_enough {
                    continue;
                }
                let message = || format!("operand of unary jsonpath operator {} is not a numeric value", sign.text());
                return self.fail(code::SQL_JSON_NUMBER_NOT_FOUND, message);
            };
            if is_enough {
                return Ok(Outcome::Found);
            }
            let number = Json::Number(if sign == Sign::Minus { number::negated(text) } else { text.clone() });
            match self.next(steps, Item::Json(&number), sink)? {
                Outcome::Failed => return Ok(Outcome::Failed),
                Outcome::Found if sink.is_asking() => return Ok(Outcome::Found),
                Outcome::Found => outcome = Outcome::Found,
                Outcome::NotFound => {}
            }
        }
        Ok(outcome)
    }
}

/// Goes on from each of some values: to the first error, or to the first that is found if no more is asked.
fn each<'v>(values: Vec<&'v Json>, sink: &mut Sink, mut next: impl FnMut(&'v Json, &mut Sink) -> Result<Outcome>) -> Result<Outcome> {
    let mut outcome = Outcome::NotFound;
    for value in values {
        outcome = next(value, sink)?;
        if outcome == Outcome::Failed || outcome == Outcome::Found && sink.is_asking() {
            break;
        }
    }
    Ok(outcome)
}
