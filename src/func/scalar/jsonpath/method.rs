//! The methods of items: type(), size(), double(), abs(), floor(), ceiling(), keyvalue() and datetime().

use super::eval::{Item, Place, Sink};
use super::moment::{self, Moment};
use super::{Method, Outcome, Step, layout, number};
use crate::data::json::{Json, object};
use crate::error::{Error, Result, code};

/// Objects of one document are told apart by their places in it, those of different ones by this distance.
const DOCUMENT: i64 = 10_000_000_000;

impl Method {
    /// True for what an array is asked for itself, and not each of its items.
    pub(super) fn is_of_arrays(self) -> bool {
        matches!(self, Method::Type | Method::Size)
    }
}

/// What type() calls an item.
fn type_name(item: Item) -> &'static str {
    match item {
        Item::Json(json) => json.type_name(),
        Item::Moment(moment) => moment.type_name(),
    }
}

impl<'p> Place<'p> {
    pub(super) fn method(self, method: Method, rest: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        match method {
            Method::Type => self.next(rest, Item::Json(&Json::String(type_name(item).to_string())), sink),
            Method::Size => self.size_of(rest, item, sink),
            Method::Abs => self.numeric(method, rest, item, |text| Ok(number::absolute(text)), sink),
            Method::Floor => self.numeric(method, rest, item, number::floor, sink),
            Method::Ceiling => self.numeric(method, rest, item, number::ceiling, sink),
            Method::Double => self.double(rest, item, sink),
            Method::KeyValue => self.key_value(rest, item, sink),
        }
    }

    fn size_of(self, rest: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        let size = match item {
            Item::Json(Json::Array(items)) => items.len(),
            _ if self.is_lax() => 1,
            _ => {
                let message = "jsonpath item method .size() can only be applied to an array";
                return self.fail_if_strict(code::SQL_JSON_ARRAY_NOT_FOUND, || message.to_string());
            }
        };
        self.next(rest, Item::Json(&Json::Number(size.to_string())), sink)
    }

    fn numeric(
        self,
        method: Method,
        rest: &[Step],
        item: Item<'p>,
        compute: impl Fn(&str) -> Result<String>,
        sink: &mut Sink,
    ) -> Result<Outcome> {
        let Item::Json(Json::Number(text)) = item else {
            let message = || format!("jsonpath item method .{}() can only be applied to a numeric value", method.name());
            return self.fail(code::NON_NUMERIC_SQL_JSON_ITEM, message);
        };
        match self.settle(compute(text))? {
            Some(result) => self.next(rest, Item::Json(&Json::Number(result)), sink),
            None => Ok(Outcome::Failed),
        }
    }

    /// A number that a double precision holds stays as it is; a string becomes one.
    fn double(self, rest: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        let refuse = |message: &'static str| self.fail(code::NON_NUMERIC_SQL_JSON_ITEM, || message.to_string());
        match item {
            Item::Json(Json::Number(text)) if number::fits_double(text) => self.next(rest, item, sink),
            Item::Json(Json::Number(_)) => {
                refuse("numeric argument of jsonpath item method .double() is out of range for type double precision")
            }
            Item::Json(Json::String(text)) => {
                match Some(text).filter(|text| number::fits_double(text)).and_then(|t| number::of_double(t)) {
                    Some(number) => self.next(rest, Item::Json(&Json::Number(number)), sink),
                    None => refuse(
                        "string argument of jsonpath item method .double() is not a valid representation of a double precision number",
                    ),
                }
            }
            _ => refuse("jsonpath item method .double() can only be applied to a string or numeric value"),
        }
    }

    /// An object for each member, with its key, its value and a number that is the same for members of one object.
    fn key_value(self, rest: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        let taken_apart = match item {
            Item::Json(whole) => {
                if let Json::Object(members) = whole {
                    Some((whole, members))
                } else {
                    None
                }
            }
            Item::Moment(_) => None,
        };
        let Some((whole, members)) = taken_apart else {
            let message = "jsonpath item method .keyvalue() can only be applied to an object";
            return self.fail(code::SQL_JSON_OBJECT_NOT_FOUND, || message.to_string());
        };
        let (base, document) = self.base;
        let id = layout::place(base, whole).unwrap_or(0) + document * DOCUMENT;
        let mut outcome = Outcome::NotFound;
        for (key, value) in members {
            if rest.is_empty() && sink.is_asking() {
                return Ok(Outcome::Found);
            }
            let member = object(vec![
                ("key".to_string(), Json::String(key.clone())),
                ("value".to_string(), value.clone()),
                ("id".to_string(), Json::Number(id.to_string())),
            ]);
            let number = self.run.generated.get();
            self.run.generated.set(number + 1);
            outcome = self.within((&member, number)).next(rest, Item::Json(&member), sink)?;
            if outcome == Outcome::Failed || outcome == Outcome::Found && sink.is_asking() {
                break;
            }
        }
        Ok(outcome)
    }

    pub(super) fn datetime(self, template: Option<&str>, rest: &[Step], item: Item<'p>, sink: &mut Sink) -> Result<Outcome> {
        let Item::Json(Json::String(text)) = item else {
            let message = "jsonpath item method .datetime() can only be applied to a string";
            return self.fail(code::INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION, || message.to_string());
        };
        let read: Result<Moment> = match template {
            Some(template) => moment::read(text, template),
            None => moment::read_iso(text).ok_or_else(|| {
                let message = format!("datetime format is not recognized: \"{text}\"");
                Error::new(code::INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION, message)
                    .hint("Use a datetime template argument to specify the input data format.")
            }),
        };
        match self.settle(read)? {
            Some(moment) => self.next(rest, Item::Moment(moment), sink),
            None => Ok(Outcome::Failed),
        }
    }
}
