//! Cursors of a body: OPEN, FETCH, MOVE, CLOSE, and loops over them.
//!
//! A variable of a cursor holds the name of a cursor of the session, which is what SQL outside of the body knows it by. One that is bound to
//! a query has the variable's own name; any other gets a name when it is opened. As any cursor it ends with its transaction.

use std::sync::Arc;

use super::frame::{Frame, Holds, Place, Variable};
use super::queries::{Answer, SiteKey};
use super::run::{Flow, Run};
use super::{Cell, unsupported};
use crate::data::PgType;
use crate::engine::session::Response;
use crate::error::{Error, Result, code};
use crate::sql::Statement as Sql;
use crate::sql::plpgsql::{Argument, BoundCursor, Declaration, Into, Rows, Statement};
use crate::sql::{CursorOptions, Move};

/// The type of a variable that holds the name of a cursor.
pub(super) const REFCURSOR: PgType = PgType::Opaque("refcursor");

impl Run<'_> {
    /// Declares the variable of a cursor that is bound to its query.
    pub(super) fn declare_cursor(&mut self, declaration: &Declaration, cursor: &Arc<BoundCursor>) -> Result<()> {
        let cell = Cell { ty: REFCURSOR, text: Some(declaration.name.clone()) };
        let holds = Holds::Value { cell, domain: None };
        let place = self.frame.declare(Variable { name: declaration.name.clone(), holds, constant: false, not_null: false })?;
        self.frame.bind_cursor(place, cursor.clone());
        Ok(())
    }

    /// OPEN. Errors: 42P03 for a cursor that is open, those of its query.
    pub(super) async fn open_cursor(&mut self, cursor: &str, scroll: bool, rows: &Rows) -> Result<()> {
        let how = CursorOptions { scroll, ..CursorOptions::default() };
        match rows {
            Rows::Cursor { arguments, .. } => self.open_bound(cursor, arguments).await.map(drop),
            rows => {
                let place = self.cursor_variable(cursor)?;
                if self.frame.bound_cursor(place).is_some() {
                    return Err(Error::syntax(format!("cursor \"{cursor}\" is bound to its query")));
                }
                let name = match self.frame.cell(place)?.text {
                    Some(name) => name,
                    None => self.free_name(),
                };
                self.session.refuse_open(&name)?;
                let answer = self.rows(rows).await?;
                self.session.keep_cursor(&name, how, answer.columns, answer.stream, rows.text())?;
                self.assign(place, Cell { ty: REFCURSOR, text: Some(name) }).await
            }
        }
    }

    /// Opens a cursor with its own query. Answers the name that it has. Errors: 42601 for arguments that do not fit its parameters.
    async fn open_bound(&mut self, cursor: &str, arguments: &[Argument]) -> Result<String> {
        let place = self.cursor_variable(cursor)?;
        let bound = self.frame.bound_cursor(place).ok_or_else(|| Error::syntax(format!("cursor \"{cursor}\" is not bound to a query")))?;
        let name = self.frame.cell(place)?.text.unwrap_or_else(|| cursor.to_string());
        self.session.refuse_open(&name)?;
        let mut values = Vec::with_capacity(bound.parameters.len());
        for argument in in_order(cursor, &bound, arguments)? {
            values.push(self.value(&argument.value).await?);
        }
        let depth = self.frame.depth();
        self.frame.open(None);
        let answer = self.bound_rows(&bound, values).await;
        self.frame.close(depth);
        let answer = answer?;
        let how = CursorOptions { scroll: bound.scroll, ..CursorOptions::default() };
        self.session.keep_cursor(&name, how, answer.columns, answer.stream, &bound.query.text)?;
        Ok(name)
    }

    /// The rows of a bound cursor's query, with its parameters as variables of the innermost scope.
    async fn bound_rows(&mut self, bound: &BoundCursor, values: Vec<Cell>) -> Result<Answer> {
        for ((name, ty), value) in bound.parameters.iter().zip(values) {
            let holds = self.held(ty)?;
            let place = self.frame.declare(Variable { name: name.clone(), holds, constant: false, not_null: false })?;
            self.assign(place, value).await?;
        }
        // Its parameters are not in the scope where they were when it was opened elsewhere.
        self.sites.remove(&SiteKey::Numbered(bound.query.id));
        self.rows(&Rows::Query(bound.query.clone())).await
    }

    /// FETCH and MOVE: FOUND tells whether there was a row. Errors: 34000, 22004, 42601 for several rows of FETCH.
    pub(super) async fn fetch_cursor(&mut self, cursor: &str, to: Move, skip: bool, into: Option<&Into>) -> Result<()> {
        let name = self.cursor_name(cursor)?;
        if let (false, Move::ForwardAll | Move::BackwardAll) = (skip, to) {
            return Err(unsupported("FETCH statement cannot return multiple rows", "FOR row IN cursor LOOP goes over its rows."));
        }
        if !skip && matches!(to, Move::By(n) if n.unsigned_abs() > 1) {
            return Err(unsupported("FETCH statement cannot return multiple rows", "FETCH takes one row, and MOVE passes several."));
        }
        let Response::Batch { columns, batch, .. } = self.session.fetch(&name, to, false).await? else { return Err(no_cursor(&name)) };
        let count = batch.num_rows();
        match into {
            _ if skip => {}
            None => return Err(Error::syntax("FETCH needs INTO")),
            Some(into) => {
                let names = columns.iter().map(|column| column.name.clone()).collect();
                let mut answer = Answer::of_batch(columns.to_vec(), batch)?;
                let row = self.next(&mut answer).await?;
                self.assign_row(&into.targets, names, row).await?;
            }
        }
        self.row_count = count;
        self.frame.set_found(count > 0);
        Ok(())
    }

    /// CLOSE. Errors: 34000, 22004.
    pub(super) fn close_cursor(&mut self, cursor: &str) -> Result<()> {
        let name = self.cursor_name(cursor)?;
        if self.session.cursor_columns(&name).is_none() {
            return Err(no_cursor(&name));
        }
        self.session.close(Some(&name));
        Ok(())
    }

    /// FOR over a cursor, which is open as long as the loop runs, also where that commits or rolls back.
    pub(super) async fn over_cursor(
        &mut self,
        label: Option<&String>,
        targets: &[Vec<String>],
        (cursor, arguments): (&str, &[Argument]),
        body: &[Statement],
    ) -> Result<Flow> {
        let name = self.open_bound(cursor, arguments).await?;
        self.session.pin_cursor(&name);
        // The loop has a variable of its own.
        if let [[variable]] = targets.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] {
            let holds = Holds::Row { columns: vec![], values: None, record: true };
            self.frame.declare(Variable { name: variable.clone(), holds, constant: false, not_null: false })?;
        }
        let done = self.over_open_cursor(label, targets, &name, body).await;
        self.session.close(Some(&name));
        done
    }

    async fn over_open_cursor(&mut self, label: Option<&String>, targets: &[Vec<String>], name: &str, body: &[Statement]) -> Result<Flow> {
        let mut found = false;
        loop {
            let next = self.session.fetch(name, Move::By(1), false).await?;
            let Response::Batch { columns, batch, .. } = next else { return Err(no_cursor(name)) };
            let names = columns.iter().map(|column| column.name.clone()).collect();
            let mut answer = Answer::of_batch(columns.to_vec(), batch)?;
            let Some(row) = self.next(&mut answer).await? else { break };
            found = true;
            self.assign_row(targets, names, Some(row)).await?;
            if let Some(flow) = self.turn(label, body).await? {
                self.frame.set_found(true);
                return Ok(flow);
            }
        }
        self.frame.set_found(found);
        Ok(Flow::On)
    }

    fn cursor_variable(&self, cursor: &str) -> Result<Place> {
        let path = [cursor.to_string()];
        let place = self.frame.find(&path).ok_or_else(|| Error::syntax(format!("\"{cursor}\" is not a known variable")))?;
        match &self.frame.variable(place).holds {
            Holds::Value { cell, .. } if cell.ty == REFCURSOR => Ok(place),
            _ => Err(Error::new(code::DATATYPE_MISMATCH, format!("variable \"{cursor}\" must be of type cursor or refcursor"))),
        }
    }

    /// The name of the cursor that a variable holds.
    fn cursor_name(&self, cursor: &str) -> Result<String> {
        let place = self.cursor_variable(cursor)?;
        let null = || Error::new(code::NULL_VALUE_NOT_ALLOWED, format!("cursor variable \"{cursor}\" is null"));
        self.frame.cell(place)?.text.ok_or_else(null)
    }

    /// A name that no cursor of the session has.
    fn free_name(&self) -> String {
        let name = |n: usize| format!("<unnamed portal {n}>");
        (1..).map(name).find(|name| self.session.cursor_columns(name).is_none()).unwrap_or_else(|| name(0))
    }
}

/// Makes a change WHERE CURRENT OF a variable one of the cursor that the variable names. Answers whether it is one.
pub(super) fn of_open_cursor(statement: &mut Sql, frame: &Frame) -> Result<bool> {
    let (Sql::Update(change) | Sql::Delete(change)) = statement else { return Ok(false) };
    let Some(place) = change.cursor().and_then(|cursor| frame.find(&[cursor])) else { return Ok(false) };
    let name = frame.cell(place)?.text;
    if let Some(name) = &name {
        change.set_cursor(name);
    }
    Ok(name.is_some())
}

/// The arguments in the order of the cursor's parameters.
fn in_order<'a>(cursor: &str, bound: &BoundCursor, arguments: &'a [Argument]) -> Result<Vec<&'a Argument>> {
    let wrong = |what: &str| Error::syntax(format!("{what} arguments for cursor \"{cursor}\""));
    let mut given: Vec<Option<&Argument>> = vec![None; bound.parameters.len()];
    for (i, argument) in arguments.iter().enumerate() {
        let at = match &argument.name {
            None => i,
            Some(name) => {
                let unknown = || Error::syntax(format!("cursor \"{cursor}\" has no argument named \"{name}\""));
                bound.parameters.iter().position(|(parameter, _)| parameter == name).ok_or_else(unknown)?
            }
        };
        let place = given.get_mut(at).ok_or_else(|| wrong("too many"))?;
        if place.replace(argument).is_some() {
            return Err(Error::syntax(format!(
                "value for parameter \"{}\" of cursor \"{cursor}\" specified more than once",
                bound.parameters[at].0
            )));
        }
    }
    given.into_iter().collect::<Option<_>>().ok_or_else(|| wrong("not enough"))
}

fn no_cursor(name: &str) -> Error {
    Error::new(code::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"))
}
