//! Variables and their scopes.

use std::sync::Arc;

use super::Cell;
use crate::catalog::Name;
use crate::data::PgType;
use crate::error::{Error, Result, code};
use crate::sql::plpgsql::BoundCursor;

/// A variable.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub holds: Holds,
    pub constant: bool,
    pub not_null: bool,
}

/// The columns of a row: names and types.
pub type Columns = Vec<(String, PgType)>;

/// What a variable holds.
#[derive(Clone, Debug)]
pub enum Holds {
    Value {
        cell: Cell,
        /// The domain that its values are of.
        domain: Option<Name>,
    },
    /// A row: names of columns, and values unless it is NULL.
    Row {
        columns: Columns,
        values: Option<Vec<Option<String>>>,
        /// It takes the columns of what is assigned.
        record: bool,
    },
}

impl Holds {
    /// NULL of a type.
    pub fn null(ty: PgType) -> Holds {
        Holds::Value { cell: Cell { ty, text: None }, domain: None }
    }

    /// A row that is NULL, of some columns.
    pub fn row(columns: Columns) -> Holds {
        Holds::Row { columns, values: None, record: false }
    }
}

/// Where a variable is, or a field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    scope: usize,
    variable: usize,
    pub field: Option<usize>,
}

/// In the place of a field: whether there is a row at all.
const THERE: usize = usize::MAX;

impl Place {
    /// The place of a field of the row that is here.
    pub fn of_field(self, field: usize) -> Place {
        Place { field: Some(field), ..self }
    }

    /// The place of the whole row that a field is of.
    pub fn of_row(self) -> Place {
        Place { field: None, ..self }
    }

    /// The place that tells whether there is a row here.
    pub fn of_presence(self) -> Place {
        self.of_field(THERE)
    }
}

/// The variables of a block.
#[derive(Default)]
struct Scope {
    label: Option<String>,
    variables: Vec<Variable>,
    /// Other names of variables.
    aliases: Vec<(String, Place)>,
    /// The cursors that variables are, by the numbers of those.
    cursors: Vec<(usize, Arc<BoundCursor>)>,
}

/// The scopes that are open, the innermost last. The first is the function's: FOUND and its parameters.
pub struct Frame {
    scopes: Vec<Scope>,
    /// The parameters that `$n` means.
    inputs: Vec<Place>,
}

/// What says whether the last statement met a row.
const FOUND: &str = "found";

impl Frame {
    /// The frame of a function, or of a block that has no name.
    pub fn new(name: &str) -> Frame {
        let found = Holds::Value { cell: Cell { ty: PgType::Bool, text: Some("f".into()) }, domain: None };
        let found = Variable { name: FOUND.into(), holds: found, constant: false, not_null: false };
        let first = Scope { label: Some(name.to_string()), variables: vec![found], ..Scope::default() };
        Frame { scopes: vec![first], inputs: vec![] }
    }

    /// How many scopes are open.
    pub fn depth(&self) -> usize {
        self.scopes.len()
    }

    pub fn open(&mut self, label: Option<&String>) {
        self.scopes.push(Scope { label: label.cloned(), ..Scope::default() });
    }

    /// Closes the scopes opened since there were `depth`.
    pub fn close(&mut self, depth: usize) {
        self.scopes.truncate(depth);
    }

    /// Adds a variable to the innermost scope. Errors: 42601 for one that it has already.
    pub fn declare(&mut self, variable: Variable) -> Result<Place> {
        let scope = self.scopes.len() - 1;
        let open = &mut self.scopes[scope];
        if open.variables.iter().any(|v| v.name == variable.name && !v.name.is_empty()) {
            return Err(Error::syntax(format!("duplicate declaration of \"{}\"", variable.name)));
        }
        open.variables.push(variable);
        Ok(Place { scope, variable: open.variables.len() - 1, field: None })
    }

    /// Notes that the variable at a place is a cursor that has its query.
    pub fn bind_cursor(&mut self, place: Place, cursor: Arc<BoundCursor>) {
        self.scopes[place.scope].cursors.push((place.variable, cursor));
    }

    /// The cursor that has its query, if the variable at a place is one.
    pub fn bound_cursor(&self, place: Place) -> Option<Arc<BoundCursor>> {
        let cursors = &self.scopes[place.scope].cursors;
        cursors.iter().find(|(variable, _)| *variable == place.variable).map(|(_, cursor)| cursor.clone())
    }

    /// Notes that `$n` is the variable at a place, with n one higher than the last.
    pub fn is_input(&mut self, place: Place) {
        self.inputs.push(place);
    }

    /// Another name for a variable. Errors: 42704 if there is none of that name.
    pub fn alias(&mut self, name: String, of: &[String]) -> Result<()> {
        let positional = || of.first()?.strip_prefix('$')?.parse().ok().and_then(|n| self.input(n));
        let unknown = || Error::new(code::UNDEFINED_OBJECT, format!("variable \"{}\" does not exist", of.join(".")));
        let place = self.find(of).or_else(positional).ok_or_else(unknown)?;
        if let Some(scope) = self.scopes.last_mut() {
            scope.aliases.push((name, place));
        }
        Ok(())
    }

    /// Where `$n` is.
    pub fn input(&self, n: usize) -> Option<Place> {
        self.inputs.get(n.checked_sub(1)?).copied()
    }

    /// The variable, or the field of a row, that a name means: the innermost.
    pub fn find(&self, path: &[String]) -> Option<Place> {
        (0..self.scopes.len()).rev().find_map(|scope| {
            let labelled = || match path {
                [label, rest @ ..] if !rest.is_empty() && self.scopes[scope].label.as_ref() == Some(label) => self.find_in(scope, rest),
                _ => None,
            };
            self.find_in(scope, path).or_else(labelled)
        })
    }

    /// True for a name that no block has given a variable, but the function has.
    pub fn is_own(&self, name: &str) -> bool {
        self.find(&[name.to_string()]).is_some_and(|place| place.scope == 0)
    }

    /// Errors: 55000, 42703 for a field that a row does not have.
    pub fn refuse_field(&self, path: &[String]) -> Result<()> {
        let [name, field] = path else { return Ok(()) };
        match self.find(std::slice::from_ref(name)).map(|place| &self.variable(place).holds) {
            Some(Holds::Row { columns, record: true, .. }) if columns.is_empty() => Err(unassigned(name)),
            Some(Holds::Row { .. }) => Err(Error::new(code::UNDEFINED_COLUMN, format!("record \"{name}\" has no field \"{field}\""))),
            _ => Ok(()),
        }
    }

    fn find_in(&self, scope: usize, path: &[String]) -> Option<Place> {
        let open = &self.scopes[scope];
        let (name, field) = match path {
            [name] => (name, None),
            [name, field] => (name, Some(field)),
            _ => return None,
        };
        let own = open.variables.iter().rposition(|v| v.name == *name).map(|variable| Place { scope, variable, field: None });
        let place = own.or_else(|| open.aliases.iter().rev().find(|(alias, _)| alias == name).map(|(_, place)| *place))?;
        let Some(field) = field else { return Some(place) };
        match &self.variable(place).holds {
            Holds::Row { columns, .. } => {
                columns.iter().position(|(column, _)| column == field).map(|field| Place { field: Some(field), ..place })
            }
            Holds::Value { .. } => None,
        }
    }

    pub fn variable(&self, place: Place) -> &Variable {
        &self.scopes[place.scope].variables[place.variable]
    }

    pub fn variable_mut(&mut self, place: Place) -> &mut Variable {
        &mut self.scopes[place.scope].variables[place.variable]
    }

    /// The columns of the record that a place is of, which change as it is assigned to.
    pub fn record(&self, place: Place) -> Option<&Columns> {
        match &self.variable(place).holds {
            Holds::Row { columns, record: true, .. } => Some(columns),
            _ => None,
        }
    }

    /// The value at a place. Errors: 0A000 for a whole row, 55000 for a record that nothing was assigned to, 42703 for a field that it has
    /// no more.
    pub fn cell(&self, place: Place) -> Result<Cell> {
        let variable = self.variable(place);
        match (&variable.holds, place.field) {
            (Holds::Value { cell, .. }, _) => Ok(cell.clone()),
            (Holds::Row { values, .. }, Some(THERE)) => {
                Ok(Cell { ty: PgType::Bool, text: Some(if values.is_some() { "t" } else { "f" }.into()) })
            }
            (Holds::Row { columns, values, .. }, Some(field)) => {
                let ty = column_at(&variable.name, columns, field)?.clone();
                Ok(Cell { ty, text: values.as_ref().and_then(|values| values.get(field)?.clone()) })
            }
            (Holds::Row { columns, record: true, .. }, None) if columns.is_empty() => Err(unassigned(&variable.name)),
            (Holds::Row { .. }, None) => Err(super::unsupported(
                &format!("the whole row \"{}\" cannot be used in an expression", variable.name),
                "Name its fields, as row.field.",
            )),
        }
    }

    /// Sets FOUND.
    pub fn set_found(&mut self, found: bool) {
        let text = Some(if found { "t" } else { "f" }.to_string());
        self.scopes[0].variables[0].holds = Holds::Value { cell: Cell { ty: PgType::Bool, text }, domain: None };
    }
}

/// The type of a column of a row. Errors: 55000, 42703 for one that it does not have.
pub fn column_at<'a>(name: &str, columns: &'a Columns, at: usize) -> Result<&'a PgType> {
    match columns.get(at) {
        Some((_, ty)) => Ok(ty),
        None if columns.is_empty() => Err(unassigned(name)),
        None => Err(Error::new(code::UNDEFINED_COLUMN, format!("record \"{name}\" has no field number {}", at + 1))),
    }
}

/// The error of a record without columns.
pub fn unassigned(name: &str) -> Error {
    Error::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("record \"{name}\" is not assigned yet"))
        .detail("The tuple structure of a not-yet-assigned record is indeterminate.")
}
