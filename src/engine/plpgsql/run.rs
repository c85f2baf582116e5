//! Runs statements of a body.

use std::collections::HashMap;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::frame::{Frame, Holds, Place, Variable};
use super::queries::{Outcome, Site, SiteKey};
use super::{Cell, deep};
use crate::data::PgType;
use crate::engine::session::Session;
use crate::error::{Error, Result, code};
use crate::limits;
use crate::sql::Statement as Sql;
use crate::sql::plpgsql::{
    Block, Condition, Conflict, Declaration, Declared, Expression, Handler, Into, OPERAND, Rows, Statement, Turns, What,
};

/// The savepoint at the beginning of a block: those of users have names.
const BEGINNING: &str = "";

/// Where a statement leads.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Flow {
    /// To the next one.
    On,
    /// Out of the loop or block of that label, or out of the innermost loop; `again` to its next turn.
    Leave {
        again: bool,
        label: Option<String>,
    },
    Return,
}

/// A body that runs.
pub(super) struct Run<'s> {
    pub session: &'s mut Session,
    pub frame: Frame,
    pub conflict: Conflict,
    /// What it is called in the CONTEXT of errors.
    name: String,
    /// It may end the transaction.
    may_end: bool,
    /// Statements planned before.
    pub sites: HashMap<SiteKey, Site>,
    /// Errors that are being handled, the innermost last.
    pub handled: Vec<Error>,
    /// ROW_COUNT.
    pub row_count: usize,
    /// What RETURN said.
    pub returned: Option<Holds>,
    /// The rows of RETURN NEXT and RETURN QUERY.
    pub rows: Vec<Vec<Holds>>,
    pub rows_bytes: usize,
    /// Of a function: what the columns of its answer hold where they are NULL, and its OUT parameters.
    pub outputs: Vec<Holds>,
    /// Of a function: those columns are the ones of a row.
    pub answers_row: bool,
    pub places: Vec<Place>,
}

impl<'s> Run<'s> {
    /// A run of something called `name`, within `depth` others. Errors: 54001.
    pub fn new(session: &'s mut Session, name: &str, depth: usize) -> Result<Run<'s>> {
        if depth > limits::PROCEDURE_DEPTH_MAX {
            return Err(Error::new(code::STATEMENT_TOO_COMPLEX, "functions call each other too deeply")
                .hint(format!("At most {} calls may be under way.", limits::PROCEDURE_DEPTH_MAX)));
        }
        let path = name.split('(').next().unwrap_or(name);
        let label = path.rsplit('.').next().unwrap_or(path);
        Ok(Run {
            may_end: std::mem::take(&mut session.may_end),
            session,
            frame: Frame::new(label),
            conflict: Conflict::default(),
            name: name.to_string(),
            sites: HashMap::new(),
            handled: vec![],
            row_count: 0,
            returned: None,
            rows: vec![],
            rows_bytes: 0,
            outputs: vec![],
            answers_row: false,
            places: vec![],
        })
    }

    // Blocks ----------------------------------------------------------------------------------------------------------------------------

    /// Runs a block: what it declares, what it does, and where that errs what handles the error.
    pub fn block<'a>(&'a mut self, block: &'a Block) -> BoxFuture<'a, Result<Flow>> {
        async move {
            if block.conflict != Conflict::Error {
                self.conflict = block.conflict;
            }
            let depth = self.frame.depth();
            self.frame.open(block.label.as_ref());
            let done = match self.declare(block).await {
                Ok(()) if block.handlers.is_empty() => self.all(&block.body).await,
                Ok(()) => self.guarded(block).await,
                Err(e) => Err(e),
            };
            self.frame.close(depth);
            match done? {
                Flow::Leave { again: false, label } if label.is_some() && label == block.label => Ok(Flow::On),
                flow => Ok(flow),
            }
        }
        .boxed()
    }

    async fn declare(&mut self, block: &Block) -> Result<()> {
        for declaration in &block.declarations {
            let done = match &declaration.what {
                Declared::Alias(of) => self.frame.alias(declaration.name.clone(), of),
                Declared::Variable { .. } => self.declare_variable(declaration).await,
                Declared::Cursor(cursor) => self.declare_cursor(declaration, cursor),
            };
            done.map_err(|e| self.name_place(e, declaration.line, "during statement block local variable initialization"))?;
        }
        Ok(())
    }

    async fn declare_variable(&mut self, declaration: &Declaration) -> Result<()> {
        let Declared::Variable { constant, ty, not_null, default } = &declaration.what else { return Ok(()) };
        let holds = self.held(ty)?;
        // A domain may refuse the NULL that the variable holds at first.
        let of_domain = matches!(holds, Holds::Value { domain: Some(_), .. });
        let place = self.frame.declare(Variable { name: declaration.name.clone(), holds, constant: false, not_null: *not_null })?;
        match default {
            Some(value) => self.assign_value(place, value).await?,
            None if of_domain => self.assign(place, self.frame.cell(place)?).await?,
            None => {}
        }
        self.frame.variable_mut(place).constant = *constant;
        Ok(())
    }

    /// A block with handlers: what it has done is undone where one of them takes its error.
    async fn guarded(&mut self, block: &Block) -> Result<Flow> {
        let depth = self.frame.depth();
        self.session.adopt_settings(true);
        self.session.keep_point(BEGINNING)?;
        let error = match self.all(&block.body).await {
            Ok(flow) => {
                self.session.forget_point(BEGINNING)?;
                return Ok(flow);
            }
            Err(error) => error,
        };
        let Some(handler) = block.handlers.iter().find(|handler| takes(handler, &error)) else {
            self.session.forget_point(BEGINNING)?;
            return Err(error);
        };
        self.session.adopt_settings(true);
        self.session.back_to(BEGINNING).await?;
        self.session.forget_point(BEGINNING)?;
        self.frame.close(depth);
        self.frame.open(None);
        for (name, text) in [("sqlstate", error.code().to_string()), ("sqlerrm", error.message().to_string())] {
            let holds = Holds::Value { cell: Cell::text(text), domain: None };
            self.frame.declare(Variable { name: name.into(), holds, constant: true, not_null: false })?;
        }
        self.handled.push(error);
        let done = self.all(&handler.body).await;
        self.handled.pop();
        self.frame.close(depth);
        done
    }

    /// Runs statements one after the other.
    fn all<'a>(&'a mut self, statements: &'a [Statement]) -> BoxFuture<'a, Result<Flow>> {
        deep(async move {
            for statement in statements {
                let done = self.one(statement).await;
                let flow = done.map_err(|e| self.name_place(e, statement.line, &format!("at {}", statement.kind())))?;
                if flow != Flow::On {
                    return Ok(flow);
                }
            }
            Ok(Flow::On)
        })
        .boxed()
    }

    /// The error with the place in the body at which it happened. A position would be one of a text that the client did not send.
    fn name_place(&self, mut error: Error, line: usize, at: &str) -> Error {
        error.fields_mut().position = None;
        error.context(format!("PL/pgSQL function {} line {line} {at}", self.name))
    }

    /// The same for a body in SQL.
    pub fn in_sql(&self, mut error: Error) -> Error {
        error.fields_mut().position = None;
        let name = self.name.split('(').next().unwrap_or(&self.name);
        error.context(format!("SQL function \"{name}\""))
    }

    async fn one(&mut self, statement: &Statement) -> Result<Flow> {
        match &statement.what {
            What::Block(block) => return self.block(block).await,
            What::Assign { target, subscript, value } => {
                let place = self.target(target)?;
                match subscript {
                    Some(subscript) => self.assign_element(place, subscript, value).await?,
                    None => self.assign_value(place, value).await?,
                }
            }
            What::Sql { sql, .. } if let Sql::CallProcedure { name, arguments } = sql.statement.as_ref() => {
                self.session.may_end = self.may_end;
                let done = self.call_procedure(sql, name, arguments).await;
                self.session.may_end = false;
                done?;
            }
            What::Sql { sql, .. } if let Sql::Do(block) = sql.statement.as_ref() => {
                self.session.may_end = self.may_end;
                Box::pin(self.session.run_block(block)).await?;
            }
            What::Sql { sql, into } => {
                let strict = into.as_ref().is_some_and(|into| into.strict);
                let changes = !matches!(*sql.statement, Sql::Query(_) | Sql::Locking { .. });
                let outcome = self.sql(sql).await?;
                self.settle(outcome, into.as_ref(), strict || changes, true).await?;
            }
            What::Execute(dynamic) => {
                let outcome = self.dynamic(dynamic).await?;
                let strict = dynamic.into.as_ref().is_some_and(|into| into.strict);
                self.settle(outcome, dynamic.into.as_ref(), strict, false).await?;
            }
            What::Perform(sql) => {
                if let Outcome::Rows(mut answer) = self.sql(sql).await? {
                    let mut count = 0;
                    while self.next(&mut answer).await?.is_some() {
                        count += 1;
                    }
                    self.counted(count);
                }
            }
            What::If { arms, otherwise } => {
                for (condition, body) in arms {
                    if self.is_true(condition).await? {
                        return self.all(body).await;
                    }
                }
                return self.all(otherwise).await;
            }
            What::Case { operand, arms, otherwise } => return self.choose(operand.as_ref(), arms, otherwise.as_deref()).await,
            What::Loop { label, turns, body } => return self.turns(label.as_ref(), turns, body).await,
            What::Leave { again, label, when } => {
                let leaves = match when {
                    Some(condition) => self.is_true(condition).await?,
                    None => true,
                };
                return Ok(if leaves { Flow::Leave { again: *again, label: label.clone() } } else { Flow::On });
            }
            What::Return(value) => {
                self.returned = match value {
                    Some(value) => Some(self.held_value(value).await?),
                    None => None,
                };
                return Ok(Flow::Return);
            }
            What::ReturnNext(value) => self.return_next(value.as_ref()).await?,
            What::ReturnQuery(rows) => self.return_query(rows).await?,
            What::Raise(raise) => self.raise(raise).await?,
            What::Assert { condition, message } => self.assert(condition, message.as_ref()).await?,
            What::Diagnostics { stacked, items } => {
                for (target, item) in items {
                    let (place, text) = (self.target(target)?, self.diagnostic(*stacked, item)?);
                    self.assign(place, Cell::text(text)).await?;
                }
            }
            What::Open { cursor, scroll, rows } => self.open_cursor(cursor, *scroll, rows).await?,
            What::Fetch { cursor, to, skip, into } => self.fetch_cursor(cursor, *to, *skip, into.as_ref()).await?,
            What::Close(cursor) => self.close_cursor(cursor)?,
            What::End { .. } if !self.may_end => {
                return Err(Error::new(code::INVALID_TRANSACTION_TERMINATION, "invalid transaction termination"));
            }
            What::End { commit, chain } => self.session.end_inside(*commit, *chain).await?,
            What::Null => {}
        }
        Ok(Flow::On)
    }

    async fn choose(
        &mut self,
        operand: Option<&Expression>,
        arms: &[(Vec<Expression>, Vec<Statement>)],
        otherwise: Option<&[Statement]>,
    ) -> Result<Flow> {
        let depth = self.frame.depth();
        if let Some(operand) = operand {
            let holds = Holds::Value { cell: self.value(operand).await?, domain: None };
            self.frame.open(None);
            self.frame.declare(Variable { name: OPERAND.into(), holds, constant: true, not_null: false })?;
        }
        let mut chosen = otherwise;
        'arms: for (conditions, body) in arms {
            for condition in conditions {
                if self.is_true(condition).await? {
                    chosen = Some(body);
                    break 'arms;
                }
            }
        }
        self.frame.close(depth);
        match chosen {
            Some(body) => self.all(body).await,
            None => Err(Error::new(code::CASE_NOT_FOUND, "case not found").hint("CASE statement is missing ELSE part.")),
        }
    }

    // Loops -----------------------------------------------------------------------------------------------------------------------------

    async fn turns(&mut self, label: Option<&String>, turns: &Turns, body: &[Statement]) -> Result<Flow> {
        let depth = self.frame.depth();
        self.frame.open(label);
        let done = match turns {
            Turns::Forever => self.while_true(label, None, body).await,
            Turns::While(condition) => self.while_true(label, Some(condition), body).await,
            Turns::Numbers { variable, reverse, from, to, step } => {
                let bounds = self.bounds(from, to, step.as_ref()).await;
                match bounds {
                    Ok(bounds) => self.numbers(label, variable, *reverse, bounds, body).await,
                    Err(e) => Err(e),
                }
            }
            Turns::Rows { targets, rows: Rows::Cursor { cursor, arguments } } => {
                self.over_cursor(label, targets, (cursor, arguments), body).await
            }
            Turns::Rows { targets, rows } => self.over_rows(label, targets, rows, body).await,
            Turns::Items { target, slice, array } => match self.parts(array, *slice).await {
                Ok(items) => self.over_items(label, target, items, body).await,
                Err(e) => Err(e),
            },
        };
        self.frame.close(depth);
        done
    }

    /// One turn of a loop: `None` if it goes on, or where it leads.
    pub(super) async fn turn(&mut self, label: Option<&String>, body: &[Statement]) -> Result<Option<Flow>> {
        // A loop that waits for nothing lets other sessions, and a cancel, have their turn.
        tokio::task::yield_now().await;
        Ok(match self.all(body).await? {
            Flow::On => None,
            Flow::Leave { again, label: to } if to.is_none() || to.as_ref() == label => {
                if again {
                    None
                } else {
                    Some(Flow::On)
                }
            }
            flow => Some(flow),
        })
    }

    async fn while_true(&mut self, label: Option<&String>, condition: Option<&Expression>, body: &[Statement]) -> Result<Flow> {
        loop {
            if let Some(condition) = condition
                && !self.is_true(condition).await?
            {
                return Ok(Flow::On);
            }
            if let Some(flow) = self.turn(label, body).await? {
                return Ok(flow);
            }
        }
    }

    /// The bounds and the step of a loop over numbers. Errors: 22004 for NULL, 22023 for a step that is not above 0.
    async fn bounds(&mut self, from: &Expression, to: &Expression, step: Option<&Expression>) -> Result<(i64, i64, i64)> {
        let mut bounds = [0, 0, 1];
        for (i, (what, bound)) in [("lower bound", Some(from)), ("upper bound", Some(to)), ("BY value", step)].into_iter().enumerate() {
            let Some(bound) = bound else { continue };
            let cell = self.value(bound).await?;
            let cell = self.converted(cell, &PgType::Int4, None).await?;
            let null = || Error::new(code::NULL_VALUE_NOT_ALLOWED, format!("{what} of FOR loop cannot be null"));
            bounds[i] = cell.text.ok_or_else(null)?.parse().map_err(|_| Error::internal("an integer reads as one"))?;
        }
        if bounds[2] <= 0 {
            return Err(Error::new(code::INVALID_PARAMETER_VALUE, "BY value of FOR loop must be greater than zero"));
        }
        Ok((bounds[0], bounds[1], bounds[2]))
    }

    async fn numbers(
        &mut self,
        label: Option<&String>,
        variable: &str,
        reverse: bool,
        (from, to, step): (i64, i64, i64),
        body: &[Statement],
    ) -> Result<Flow> {
        let variable = Variable { name: variable.to_string(), holds: Holds::null(PgType::Int4), constant: false, not_null: false };
        let place = self.frame.declare(variable)?;
        let (mut n, mut found) = (from, false);
        while if reverse { n >= to } else { n <= to } {
            found = true;
            let cell = Cell { ty: PgType::Int4, text: Some(n.to_string()) };
            self.frame.variable_mut(place).holds = Holds::Value { cell, domain: None };
            if let Some(flow) = self.turn(label, body).await? {
                self.frame.set_found(true);
                return Ok(flow);
            }
            n += if reverse { -step } else { step };
        }
        self.frame.set_found(found);
        Ok(Flow::On)
    }

    async fn over_rows(&mut self, label: Option<&String>, targets: &[Vec<String>], rows: &Rows, body: &[Statement]) -> Result<Flow> {
        let mut answer = self.rows(rows).await?;
        let mut found = false;
        while let Some(row) = self.next(&mut answer).await? {
            found = true;
            let names = answer.columns.iter().map(|c| c.name.clone()).collect();
            self.assign_row(targets, names, Some(row)).await?;
            if let Some(flow) = self.turn(label, body).await? {
                self.frame.set_found(true);
                return Ok(flow);
            }
        }
        self.frame.set_found(found);
        Ok(Flow::On)
    }

    async fn over_items(&mut self, label: Option<&String>, target: &[String], items: Vec<Cell>, body: &[Statement]) -> Result<Flow> {
        let found = !items.is_empty();
        // Also where there is nothing to go over.
        self.target(target)?;
        for cell in items {
            // What the body has done to a record may have moved its field.
            let place = self.target(target)?;
            self.assign(place, cell).await?;
            if let Some(flow) = self.turn(label, body).await? {
                self.frame.set_found(true);
                return Ok(flow);
            }
        }
        self.frame.set_found(found);
        Ok(Flow::On)
    }

    // Answers ---------------------------------------------------------------------------------------------------------------------------

    fn counted(&mut self, rows: usize) {
        self.row_count = rows;
        self.frame.set_found(rows > 0);
    }

    /// Takes what a statement answered: the first row to INTO. `one` refuses a second row; a static statement sets FOUND.
    async fn settle(&mut self, outcome: Outcome, into: Option<&Into>, one: bool, finds: bool) -> Result<()> {
        let (found, count) = match (outcome, into) {
            (Outcome::Rows(mut answer), Some(into)) => {
                let names = answer.columns.iter().map(|c| c.name.clone()).collect();
                let row = self.next(&mut answer).await?;
                let met = row.is_some();
                if into.strict && !met {
                    return Err(Error::new(code::NO_DATA_FOUND, "query returned no rows"));
                }
                if one && self.next(&mut answer).await?.is_some() {
                    return Err(Error::new(code::TOO_MANY_ROWS, "query returned more than one row")
                        .hint("Make sure the query returns a single row, or use LIMIT 1."));
                }
                self.assign_row(&into.targets, names, row).await?;
                (Some(met), usize::from(met))
            }
            (Outcome::Rows(_), None) if finds => {
                return Err(Error::syntax("query has no destination for result data")
                    .hint("If you want to discard the results of a SELECT, use PERFORM instead."));
            }
            (Outcome::Rows(mut answer), None) => {
                let mut count = 0;
                while self.next(&mut answer).await?.is_some() {
                    count += 1;
                }
                (None, count)
            }
            (Outcome::Done(_), Some(_)) => return Err(Error::syntax("INTO used with a command that cannot return data")),
            (Outcome::Done(count), None) => (count.map(|n| n > 0), count.unwrap_or_default()),
        };
        self.row_count = count;
        if let Some(found) = found.filter(|_| finds) {
            self.frame.set_found(found);
        }
        Ok(())
    }
}

/// True if a handler takes an error. A cancel and a failed assertion are nobody's but those who name them.
fn takes(handler: &Handler, error: &Error) -> bool {
    let code = error.code();
    handler.conditions.iter().any(|condition| match condition {
        Condition::Others => !matches!(code, code::QUERY_CANCELED | code::ASSERT_FAILURE),
        Condition::Code(of_class) if of_class.ends_with("000") => code.starts_with(&of_class[..2]),
        Condition::Code(state) => code == state,
    })
}
